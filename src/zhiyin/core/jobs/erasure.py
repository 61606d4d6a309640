"""Erasing an owner's jobs and their recordings; each a `ports.erasure.Erasable`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import product

from zhiyin.core.jobs.service import JobService
from zhiyin.domain.errors import UnknownJob
from zhiyin.domain.job import Job, JobQuery

_PAGE = 100


@dataclass(frozen=True, slots=True)
class OwnedRecordings:
    """The recordings of jobs. Jobs that have not ended are cancelled."""

    service: JobService
    name: str = "recordings"

    async def erase(self, owner: str) -> int:
        """Finds them by the owner's jobs, which must be erased afterwards."""
        erased = 0
        async for job in _jobs_of(self.service, owner):
            with suppress(UnknownJob):  # deleted meanwhile
                await self.service.cancel(owner, job.id)
            erased += await self.service.blobs.delete(f"{job.id}.audio")
        return erased


@dataclass(frozen=True, slots=True)
class OwnedJobs:
    """The records and results of jobs."""

    service: JobService
    name: str = "jobs"

    async def erase(self, owner: str) -> int:
        """Also results that crashed workers may have left."""
        erased = 0
        store, policy = self.service.records.store, self.service.records.policy
        async for job in _jobs_of(self.service, owner):
            runs = product(range(1, job.run + 1), range(1, policy.max_attempts + 1))
            for run, attempt in runs:
                await self.service.blobs.delete(f"{job.id}.{run}-{attempt}.result")
            with suppress(UnknownJob):
                await self.service.delete(owner, job.id)
                erased += 1
        await store.scrub()
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
