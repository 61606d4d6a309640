"""Retention: deletes transcripts that are too old, and what deletions have left in journals.

Also brings the search index of those that stay up to date.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from zhiyin.core.tasks import cancel_all
from zhiyin.domain.errors import AsrError
from zhiyin.ports.history import History
from zhiyin.ports.observer import UNOBSERVED, Observer

log = logging.getLogger(__name__)

_BATCH = 500
_INDEXED_AT_ONCE = 20
_INDEX_PAUSE_S = 0.02  # writers come in between


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """Transcripts are kept for `keep_s` seconds, 0 for ever; swept every `every_s`."""

    keep_s: float
    every_s: float = 600.0


def _now() -> datetime:
    return datetime.now(UTC)


class Sweeper:
    """Deletes transcripts that are too old, in bounded batches."""

    def __init__(
        self,
        history: History,
        policy: RetentionPolicy,
        clock: Callable[[], datetime] = _now,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._observer = observer
        self._history = history
        self._policy = policy
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Sweep now and from time to time; index once what older versions have written."""
        self._tasks = [asyncio.create_task(run) for run in (self._run(), self._reindex())]

    async def close(self) -> None:
        """Stop."""
        await cancel_all(self._tasks)

    async def sweep(self) -> int:
        """Delete all that are too old; how many. Raises Unavailable.

        What deletions have left in journals goes too, if it did not at once.
        """
        removed = await self._expire() if self._policy.keep_s > 0 else 0
        await self._history.scrub()
        self._observer.count("sweep.runs")
        return removed

    async def _expire(self) -> int:
        before = self._clock() - timedelta(seconds=self._policy.keep_s)
        removed = 0
        while some := await self._history.expire(before, _BATCH):
            removed += some
            self._observer.count("sweep.removed", some)
            await asyncio.sleep(0)  # writers take turns with the sweeper
        return removed

    async def reindex(self) -> None:
        """Bring the search index up to date. Raises Unavailable."""
        after: int | None = 0
        while after is not None:
            after = await self._history.reindex(after, _INDEXED_AT_ONCE)
            await asyncio.sleep(_INDEX_PAUSE_S)

    async def _reindex(self) -> None:
        while True:
            try:
                return await self.reindex()
            except AsrError as error:
                log.warning("old transcripts can't be indexed now: %s", error.message)
            await asyncio.sleep(self._policy.every_s)

    async def _run(self) -> None:
        while True:
            try:
                removed = await self.sweep()
                if removed:
                    log.info("%d transcripts were removed: they were too old", removed)
            except AsrError as error:
                self._observer.count("sweep.failures")
                log.warning("a sweep of the history failed: %s", error.message)
            await asyncio.sleep(self._policy.every_s)
