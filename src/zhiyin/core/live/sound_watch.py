"""Notices that a client has stopped sending, for then no silence ends its segment."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from math import isinf

_TICKS = 5
_RECENT = 8
_LONGEST_S = 5.0


class SoundWatch:
    """Calls `missed` once when no sound has come for `wait_s`, and for the length of a message.

    Who sends three seconds at a time is silent for three seconds in between; the longest of the
    last messages counts, up to five seconds. The time is counted in steps, so that an event loop
    that was held up does not take its own delay for the client's.
    """

    def __init__(self, wait_s: float, missed: Callable[[], None]) -> None:
        self._wait_s = wait_s
        self._missed = missed
        self._lengths: deque[float] = deque(maxlen=_RECENT)
        self._held = False
        self._timer: asyncio.TimerHandle | None = None

    def came(self, seconds: float) -> None:
        """A message with so much sound was taken; the wait for the next begins."""
        self._lengths.append(min(seconds, _LONGEST_S))
        self._start()

    def hold(self, *, held: bool) -> None:
        """While `held`, nothing is missed; the wait begins anew after that."""
        self._held = held
        self._start()

    def _start(self) -> None:
        self.stop()
        if not self._held and not isinf(self._wait_s):
            wait_s = self._wait_s + max(self._lengths, default=0.0)
            self._tick(_TICKS, wait_s / _TICKS)

    def stop(self) -> None:
        """Nothing is waited for until more sound has come."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self, left: int, step_s: float) -> None:
        if left:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(step_s, self._tick, left - 1, step_s)
        else:
            self._timer = None
            self._missed()
