"""Erasing an owner's jobs and their recordings; each a `ports.erasure.Erasable`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import product

from zhiyin.core.jobs.service import JobService
from zhiyin.domain.errors import Unavailable, UnknownJob
from zhiyin.domain.job import Job, JobQuery

_PAGE = 100
_MOST_FAILURES = 3


@dataclass(frozen=True, slots=True)
class OwnedRecordings:
    """The recordings of jobs. Jobs that have not ended are cancelled."""

    service: JobService
    name: str = "recordings"

    async def erase(self, owner: str) -> int:
        """Finds them by the owner's jobs, which must be erased afterwards."""

        async def erase(job: Job) -> int:
            with suppress(UnknownJob):  # deleted meanwhile
                await self.service.cancel(owner, job.id)
            return await self.service.blobs.delete(f"{job.id}.audio")

        return await _for_all(self.service, owner, erase)


@dataclass(frozen=True, slots=True)
class OwnedJobs:
    """The records and results of jobs."""

    service: JobService
    name: str = "jobs"

    async def erase(self, owner: str) -> int:
        """Also results that crashed workers may have left.

        The record goes last: what could not be deleted is found by it the next time.
        """
        store, policy = self.service.records.store, self.service.records.policy

        async def erase(job: Job) -> int:
            runs = product(range(1, job.run + 1), range(1, policy.max_attempts + 1))
            for run, attempt in runs:
                await self.service.blobs.delete(f"{job.id}.{run}-{attempt}.result")
            with suppress(UnknownJob):
                await self.service.delete(owner, job.id)
                return 1
            return 0

        erased = await _for_all(self.service, owner, erase)
        await store.scrub()
        return erased


async def _for_all(service: JobService, owner: str, erase: Callable[[Job], Awaitable[int]]) -> int:
    """Erase something of each of the owner's jobs; how much. Raises the last Unavailable.

    After several in a row nothing more is tried: each may have taken as long as a time limit.
    """
    erased, failures, failure = 0, 0, None
    async for job in _jobs_of(service, owner):
        try:
            erased += await erase(job)
            failures = 0
        except Unavailable as error:
            failures, failure = failures + 1, error
            if failures >= _MOST_FAILURES:
                break
    if failure is not None:
        raise failure
    return erased


async def _jobs_of(service: JobService, owner: str) -> AsyncIterator[Job]:
    """The owner's jobs, the newest first."""
    before = ""
    while True:
        jobs = await service.list(JobQuery(owner, limit=_PAGE, before=before))
        for job in jobs:
            yield job
        if len(jobs) < _PAGE:
            return
        before = jobs[-1].id
