"""Run blocking calls on a thread pool, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


async def offload(
    pool: ThreadPoolExecutor, call: Callable[[], T], stop: Callable[[], None] | None = None
) -> T:
    """Run `call` on the pool. A cancelled caller still waits for a call that already runs.

    The caller closes files after cancelling; not under a thread that reads them. `stop` makes a
    running call end: without it a call that hangs would hold its caller past any deadline.
    """
    submitted = pool.submit(copy_context().run, call)  # its log lines have the request id
    waiting = asyncio.wrap_future(submitted)
    waiting.add_done_callback(_seen)
    try:
        await asyncio.wait([waiting])
    except asyncio.CancelledError:
        if not submitted.cancel():
            if stop is not None:
                stop()
            await asyncio.wait([waiting])
        raise
    return waiting.result()


def _seen(done: asyncio.Future[T]) -> None:
    """A call that is stopped fails, and nobody waits for that any more: no error of the loop."""
    if not done.cancelled():
        done.exception()
