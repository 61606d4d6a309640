"""Job records, changed by compare and swap."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from zhiyin.core.jobs.lifecycle import scheduled
from zhiyin.domain.errors import Unavailable
from zhiyin.domain.job import Job, JobPolicy
from zhiyin.ports.jobs import JobStore

_TRIES = 20


@dataclass(frozen=True, slots=True)
class JobRecords:
    """A store of records with the rules by which they change. `clock` gives unix seconds."""

    store: JobStore
    policy: JobPolicy
    clock: Callable[[], float] = time.time

    async def add(self, job: Job) -> Job:
        """Store a new job; see `JobStore.add`."""
        return await self.store.add(scheduled(job, self.policy))

    async def change(self, job_id: str, step: Callable[[Job], Job | None]) -> Job | None:
        """Apply a transition to the record as it is now.

        None when there is no such job or no such transition. When the record was changed
        concurrently, `step` is called again.
        """
        for _ in range(_TRIES):
            job = await self.store.get(job_id)
            changed = None if job is None else step(job)
            if changed is None:
                return None
            if swapped := await self.swap(changed):
                return swapped
        raise Unavailable("Too many requests change this job at once. Try again.")

    async def swap(self, changed: Job) -> Job | None:
        """Store a record made from the one of its version; None after a concurrent change."""
        changed = scheduled(changed, self.policy)
        if not await self.store.replace(changed):
            return None
        return replace(changed, version=changed.version + 1)
