"""Whether what several processes share can be reached."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from zhiyin.domain.backoff import backoff_s
from zhiyin.domain.errors import Unavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetryPauses:
    """Seconds: between checks while all is well; before the first try after a loss; at most."""

    well_s: float = 10.0
    first_s: float = 0.2
    longest_s: float = 5.0


USUAL_PAUSES = RetryPauses()


class ConnectionMonitor:
    """Tries again, ever less often, on behalf of everybody who waits."""

    def __init__(self, check: Callable[[], Awaitable[None]], pauses: RetryPauses) -> None:
        self._check = check
        self._pauses = pauses
        self._there = asyncio.Event()
        self._there.set()
        self._lost = asyncio.Event()

    @property
    def away(self) -> bool:
        """Whether the last that was heard is a failure."""
        return not self._there.is_set()

    def lost(self) -> None:
        """Somebody could not reach it."""
        if not self.away:
            log.warning("what is shared with other processes is out of reach; trying again")
        self._there.clear()
        self._lost.set()

    async def back(self) -> None:
        """Return when it can be reached."""
        await self._there.wait()

    async def watch(self) -> None:
        """Run for ever; nothing comes back without it."""
        failures = 0
        while True:
            try:
                await self._check()
            except Unavailable:
                self.lost()
            else:
                self._found()
            if not self.away and not await self._was_lost():
                failures = 0
                continue
            failures += 1
            pause_s = backoff_s(failures, self._pauses.first_s, self._pauses.longest_s)
            # Spread, so that a restarted server does not meet everybody at the same moment.
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 (no secret)

    def _found(self) -> None:
        if self.away:
            log.info("what is shared with other processes is back")
        self._lost.clear()
        self._there.set()

    async def _was_lost(self) -> bool:
        """Wait a while for a loss."""
        try:
            async with asyncio.timeout(self._pauses.well_s):
                await self._lost.wait()
        except TimeoutError:
            return False
        return True
