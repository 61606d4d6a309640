"""Sweeps of job storage: blobs without a job, deleted rows that a journal still has."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from zhiyin.core.jobs.records import JobRecords
from zhiyin.domain.errors import AsrError, Unavailable
from zhiyin.domain.job import JobState
from zhiyin.ports.blobs import BlobStore
from zhiyin.ports.observer import UNOBSERVED, Observer

log = logging.getLogger(__name__)

_POLL_S = 60.0
_ORPHAN_S = 3600.0
_DAY_S = 86_400.0
_SCRUB_S = 600.0


@dataclass(slots=True)
class JobSweeper:
    """Looks every hour at the blobs that have come since, once a day at all of them."""

    records: JobRecords
    blobs: BlobStore
    observer: Observer = UNOBSERVED
    _seen: float = 0.0  # blobs from before are known to belong to jobs
    _look_at: float = 0.0
    _full_look_at: float = 0.0
    _scrub_at: float = 0.0

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            for sweep in (self.orphans, self.journal):
                try:
                    await sweep()
                except Unavailable as error:
                    log.warning("jobs can't be swept now: %s", error.message)
            await asyncio.sleep(_POLL_S)

    async def orphans(self) -> None:
        """Delete blobs without a job: a process died between two writes, or a deletion failed."""
        now = self.records.clock()
        if now < self._look_at:
            return
        before, full = now - _ORPHAN_S, now >= self._full_look_at
        names = await self.blobs.names(0.0 if full else self._seen, before)
        failed = 0
        for name in names:
            try:
                if await self._orphaned(name):
                    self.observer.count("jobs.orphans_deleted", await self.blobs.delete(name))
            except AsrError as error:  # tried again at the next look
                failed += 1
                log.warning("a blob without a job could not be deleted: %s", error.message)
        self._look_at = now + _ORPHAN_S
        if not failed:
            self._seen = before
            self._full_look_at = now + _DAY_S if full else self._full_look_at

    async def journal(self) -> None:
        """Empty the journal of what was deleted, where an erasure could not or did not."""
        now = self.records.clock()
        if now < self._scrub_at:
            return
        self._scrub_at = now + _SCRUB_S
        await self.records.store.scrub(wait=False)

    async def _orphaned(self, name: str) -> bool:
        """Whether it is no job's; what belongs to a running one may just be being written."""
        job = await self.records.store.get(name.split(".", 1)[0])
        if job is None:
            return True
        return name not in (job.recording.blob, job.result) and job.state is not JobState.RUNNING
