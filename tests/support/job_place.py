"""A reconciler and a sweeper of jobs with real stores in a folder, and a fake clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from zhiyin.core.jobs import lifecycle, webhooks
from zhiyin.core.jobs.delivery import WebhookDelivery
from zhiyin.core.jobs.host_slots import HostSlots
from zhiyin.core.jobs.reconciler import Reconciler
from zhiyin.core.jobs.records import JobRecords
from zhiyin.core.jobs.sweeping import JobSweeper
from zhiyin.domain.job import (
    Job,
    JobPolicy,
    JobRequest,
    Recording,
    new_job_id,
)
from zhiyin.domain.options import TranscribeOptions
from zhiyin.net.addresses import parse_networks
from zhiyin.net.web import GuardedWeb, WebLimits
from zhiyin.ops.observer_memory import MemoryObserver
from zhiyin.store.blobs_folder import FolderBlobs
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.jobs_sql.database import jobs_database
from zhiyin.store.jobs_sql.queue import LocalQueue
from zhiyin.store.jobs_sql.store import SqlJobs

POLICY = JobPolicy(
    lease_s=10, max_attempts=2, audio_ttl_s=1000, keep_s=5000, webhook_attempts=2, redeliver_s=60
)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLASwMfKQ9r8GKYqr"
START = 1_795_000_000.0


@dataclass
class Clock:
    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass
class Place:
    """A reconciler with its stores."""

    reconciler: Reconciler
    sweeper: JobSweeper
    records: JobRecords
    queue: LocalQueue
    blobs: FolderBlobs
    clock: Clock
    folder: Path
    observer: MemoryObserver

    @property
    def counts(self) -> dict[str, int]:
        """What it has done."""
        return self.observer.totals("jobs")

    async def add(self, webhook_url: str = "", blob: bool = True) -> Job:
        """A new job, with its recording."""
        now = self.clock.now
        job_id = new_job_id(now)
        name = f"{job_id}.audio" if blob else ""
        if blob:
            await self.blobs.write(name, once(b"sound"), 100)
        request = JobRequest(TranscribeOptions(), webhook_url=webhook_url)
        recording = Recording(name, 5, now + POLICY.audio_ttl_s)
        return await self.records.add(Job(job_id, "ann", request, recording, now, now))

    async def now(self, job: Job) -> Job | None:
        """The record as it is."""
        return await self.records.store.get(job.id)

    async def reconcile(self, passed_s: float = 0.0) -> None:
        """Reconcile some time later; webhooks are delivered too."""
        self.clock.now += passed_s
        await self.reconciler.reconcile()
        while self.reconciler.webhooks.tasks:
            await asyncio.wait(self.reconciler.webhooks.tasks)

    async def leased(self, job: Job, token: str = "t") -> Job:
        """A worker leases it."""
        step = partial(lifecycle.leased, token=token, now=self.clock.now, policy=POLICY)
        held = await self.records.change(job.id, step)
        assert held is not None
        return held


async def once(data: bytes) -> AsyncIterator[bytes]:
    yield data


@asynccontextmanager
async def job_place(folder: Path) -> AsyncIterator[Place]:
    """In that folder."""
    clock = Clock()
    database = jobs_database(f"sqlite+aiosqlite:///{folder / 'x.sqlite3'}")
    records = JobRecords(SqlJobs(database, PlainRing()), POLICY, clock)
    queue = LocalQueue(database, clock=clock)
    blobs = FolderBlobs(folder / "blobs")
    web = GuardedWeb(WebLimits(5, 5, parse_networks(["127.0.0.0/8", "::1"], "x")))
    observer, secrets = MemoryObserver(), webhooks.parse_secrets(SECRET)
    delivery = WebhookDelivery(records, web, secrets, HostSlots(16, 4), observer)
    reconciler = Reconciler(records, queue, blobs, delivery, observer)
    sweeper = JobSweeper(records, blobs, observer)
    yield Place(reconciler, sweeper, records, queue, blobs, clock, folder, observer)
    await web.close()
    await database.close()
