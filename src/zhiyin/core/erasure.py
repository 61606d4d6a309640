"""Erasing all that is kept of an owner, wherever it is kept."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

from zhiyin.core.jobs import JobService
from zhiyin.core.scribe import Scribe
from zhiyin.domain.errors import AsrError, Unavailable, UnknownJob
from zhiyin.domain.job import Job, JobQuery
from zhiyin.ports.erasure import Erasable
from zhiyin.ports.history import History

log = logging.getLogger(__name__)

KINDS = ("history", "jobs", "recordings", "captions", "cache")
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Receipt:
    """How many things of each kind were erased, and when the last of them was (UTC)."""

    owner: str
    erased_at: datetime
    counts: Mapping[str, int]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Erasure:
    """Goes through all places, in their order."""

    places: Sequence[Erasable]
    clock: Callable[[], datetime] = _now

    async def erase(self, owner: str) -> Receipt:
        """Erase everything. Raises Unavailable when something is left, after trying all places."""
        counts, failed = dict.fromkeys(KINDS, 0), list[str]()
        for place in self.places:
            try:
                counts[place.name] = await place.erase(owner)
            except AsrError as error:
                log.warning("%s of an owner could not be erased: %s", place.name, error.message)
                failed.append(place.name)
        log.info("an owner's data was erased: %s", counts)
        if failed:
            raise Unavailable(
                f"Not everything could be erased; left: {', '.join(failed)}. Try again later.",
                code="erasure_incomplete", retry_after_s=10.0,
            )  # fmt: skip
        return Receipt(owner, self.clock(), counts)


@dataclass(frozen=True, slots=True)
class OwnedHistory:
    """Transcripts, those too that wait to be written."""

    scribe: Scribe
    history: History
    name: str = "history"

    async def erase(self, owner: str) -> int:
        """The waiting ones first, so that none of them is written afterwards."""
        waiting = await self.scribe.forget(owner)
        return waiting + (await self.history.erase(owner)).transcripts


@dataclass(frozen=True, slots=True)
class OwnedRecordings:
    """The recordings of jobs. Jobs that have not ended are cancelled."""

    service: JobService
    name: str = "recordings"

    async def erase(self, owner: str) -> int:
        """By the owner's jobs; so these must be erased after them."""
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
        """With what workers that were killed may have left."""
        erased = 0
        store, policy = self.service.ledger.store, self.service.ledger.policy
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
    """Those that there are now, the newest first."""
    before = ""
    while True:
        jobs = await service.list(JobQuery(owner, limit=_AT_ONCE, before=before))
        for job in jobs:
            yield job
        if len(jobs) < _AT_ONCE:
            return
        before = jobs[-1].id
