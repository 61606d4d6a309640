"""Connection monitor with backoff: whether the store that several processes share is reachable."""

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
    """Seconds between health checks; before the first retry after a failure; at most."""

    well_s: float = 10.0
    first_s: float = 0.2
    longest_s: float = 5.0


USUAL_PAUSES = RetryPauses()


class ConnectionMonitor:
    """Checks and retries with exponential backoff, on behalf of all who wait."""

    def __init__(self, check: Callable[[], Awaitable[None]], pauses: RetryPauses) -> None:
        self._check = check
        self._pauses = pauses
        self._reachable = asyncio.Event()
        self._reachable.set()
        self._failed = asyncio.Event()

    @property
    def away(self) -> bool:
        """Whether the last attempt failed."""
        return not self._reachable.is_set()

    def report_failure(self) -> None:
        """A call could not reach it."""
        if not self.away:
            log.warning("the store shared with other processes is unreachable; retrying")
        self._reachable.clear()
        self._failed.set()

    async def wait_reachable(self) -> None:
        """Return when it can be reached."""
        await self._reachable.wait()

    async def watch(self) -> None:
        """Run until cancelled; nothing becomes reachable again without it."""
        failures = 0
        while True:
            try:
                await self._check()
            except Unavailable:
                self.report_failure()
            else:
                self._report_success()
            if not self.away and not await self._failure_reported():
                failures = 0
                continue
            failures += 1
            pause_s = backoff_s(failures, self._pauses.first_s, self._pauses.longest_s)
            # Jitter, so that a restarted server does not get all clients at the same moment.
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 (no secret)

    def _report_success(self) -> None:
        if self.away:
            log.info("the store shared with other processes is reachable again")
        self._failed.clear()
        self._reachable.set()

    async def _failure_reported(self) -> bool:
        """Whether a failure was reported before the next check is due."""
        try:
            async with asyncio.timeout(self._pauses.well_s):
                await self._failed.wait()
        except TimeoutError:
            return False
        return True
