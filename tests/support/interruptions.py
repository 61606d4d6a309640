"""Coroutines that are cancelled at a chosen point, wherever they wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any


class Interrupted:
    """Awaits a coroutine, and cancels it where it waits for the `at`-th time (from 0).

    With `late`, what it waits for is done by then, as when a cancellation crosses with it; else
    what runs on a thread goes on by itself. `await` gives whether it ended before that.
    """

    def __init__(self, work: Coroutine[Any, Any, Any], at: int, *, late: bool) -> None:
        self._work, self._at, self._late = work, at, late

    def __await__(self) -> Generator[Any, Any, bool]:
        running = self._work.__await__()
        ended, waits = _step(partial(next, running))
        for _ in range(self._at):
            if ended:
                break
            ended, waits = yield from _waited(running, waits)
        if ended:
            return True
        if self._late:
            yield from _settled(waits)
        elif waits is not None:
            waits._asyncio_future_blocking = False
            waits.cancel()
        try:
            ended, waits = _step(partial(running.throw, asyncio.CancelledError()))
            while not ended:  # it cleans up
                ended, waits = yield from _waited(running, waits)
        except asyncio.CancelledError:
            pass
        return False


def _settled(waits: Any) -> Generator[Any, Any, None]:
    try:
        yield waits
    except Exception:  # noqa: BLE001 (whatever it raises is passed over)
        return  # the cancellation comes instead


def _waited(running: Any, waits: Any) -> Generator[Any, Any, tuple[bool, Any]]:
    """Let it go on when that is done: whether it ended, and what it waits for next."""
    try:
        yield waits
    except BaseException as error:  # noqa: BLE001 (it is passed on)
        return _step(partial(running.throw, error))
    return _step(partial(running.send, None))


def _step(call: Callable[[], Any]) -> tuple[bool, Any]:
    try:
        return False, call()
    except StopIteration:
        return True, None
