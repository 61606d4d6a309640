"""Job runtime: service, workers, reconciler and sweeper of a process, started and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from zhiyin.core.jobs.reconciler import Reconciler
from zhiyin.core.jobs.service import JobService
from zhiyin.core.jobs.sweeping import JobSweeper
from zhiyin.core.jobs.worker import Worker
from zhiyin.core.tasks import cancel_all
from zhiyin.domain.errors import Unavailable

T = TypeVar("T")

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class JobHealth:
    """Health of jobs; None for what can't be read now.

    `lag` is the length of the queue, `counts` what the reconciler of this process has done.
    """

    waiting: int | None
    running: int | None
    lag: int | None
    workers: int
    counts: dict[str, int]

    @property
    def well(self) -> bool:
        """Whether records and queue answer."""
        return self.waiting is not None and self.lag is not None


@dataclass(slots=True)
class JobRuntime:
    """`workers` copies of `worker` run here; `release` closes what the parts hold.

    `counts` gives what the observer counted of jobs.
    """

    service: JobService
    reconciler: Reconciler
    sweeper: JobSweeper
    worker: Worker
    workers: int
    release: Callable[[], Awaitable[None]]
    counts: Callable[[], dict[str, int]]
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        """Start workers, reconciler and sweeper."""
        runs: list[Coroutine[Any, Any, None]] = [self.worker.run() for _ in range(self.workers)]
        runs += [self.reconciler.run(), self.sweeper.run()]
        self._tasks = [asyncio.create_task(run) for run in runs]

    async def close(self) -> None:
        """Stop; running jobs are released."""
        await cancel_all(self._tasks)
        await self.worker.close()
        await self.release()

    async def health(self) -> JobHealth:
        """Query records and queue, with a timeout of some seconds."""
        backlog, lag = await asyncio.gather(
            _or_none(self.service.records.store.backlog()), _or_none(self.service.queue.lag())
        )
        return JobHealth(
            waiting=None if backlog is None else backlog.waiting,
            running=None if backlog is None else backlog.running,
            lag=lag,
            workers=self.workers,
            counts=self.counts(),
        )


async def _or_none(look: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return await look
    except (Unavailable, TimeoutError):
        return None
