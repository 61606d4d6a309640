"""Job store port: records of jobs, updated by compare and swap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from zhiyin.domain.job import Backlog, Job, JobQuery


class JobStore(Protocol):
    """Durable records. Every verb is one atomic step; all raise Unavailable when it can't be done.

    Used by many tasks and processes at once.
    """

    async def add(self, job: Job) -> Job:
        """Store a new job; when its owner has one with the same key, give that one instead."""
        ...

    async def get(self, job_id: str) -> Job | None:
        """The record, None when there is none."""
        ...

    async def replace(self, job: Job) -> bool:
        """Store `job` with the next version, if the stored one still has `job.version`."""
        ...

    async def remove(self, job: Job) -> bool:
        """Delete the record, if the stored one still has `job.version`."""
        ...

    async def scrub(self, *, wait: bool = True) -> None:
        """Overwrite deleted records on disk too, as far as the store can.

        With `wait`, others that use them are waited for. Raises Unavailable when they still do.
        """
        ...

    async def list(self, query: JobQuery) -> Sequence[Job]:
        """An owner's jobs, the newest first."""
        ...

    async def due(self, now: float, limit: int) -> Sequence[Job]:
        """Jobs whose `next_check_at` has come, the most overdue first."""
        ...

    async def postpone(self, job: Job, until: float) -> None:
        """Not `due` before then, unless the record is or was changed; its version stays."""
        ...

    async def versions(self, job_ids: Sequence[str]) -> Mapping[str, int]:
        """The versions of those records that there are."""
        ...

    async def stored_bytes(self) -> int:
        """Of all recordings that are kept, whatever has become of their jobs."""
        ...

    async def backlog(self, ahead_of: Job | None = None) -> Backlog:
        """What is to be done; with `ahead_of`, only what goes before that waiting job."""
        ...
