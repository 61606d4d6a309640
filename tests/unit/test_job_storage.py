"""What the recordings of jobs may take on disk, and how long those of cancelled jobs stay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.support.job_records import POLICY, made, sure
from tests.support.scripted_engine import options, recording, service
from zhiyin.access.errors import STATUS
from zhiyin.core.jobs import lifecycle
from zhiyin.core.jobs.records import JobRecords
from zhiyin.core.jobs.service import JobRules, JobService
from zhiyin.core.jobs.storage import Storage
from zhiyin.domain.errors import StorageFull, Unavailable
from zhiyin.domain.job import JobQuery, JobRequest
from zhiyin.engines.scripted import ScriptedEngine
from zhiyin.net.web import GuardedWeb, WebLimits
from zhiyin.store.blobs_folder import FolderBlobs
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.jobs_sql.database import jobs_database
from zhiyin.store.jobs_sql.queue import LocalQueue
from zhiyin.store.jobs_sql.store import SqlJobs

SIZE = recording([30] * 20).size


class Disk(FolderBlobs):
    """A folder on a disk with so much free."""

    free = 1 << 40

    async def free_bytes(self) -> int | None:
        return self.free


@pytest.fixture
async def jobs(tmp_path: Path) -> AsyncIterator[JobService]:
    """With room for three recordings."""
    database = jobs_database(f"sqlite+aiosqlite:///{tmp_path / 'x.sqlite3'}")
    records = JobRecords(SqlJobs(database, PlainRing()), POLICY)
    blobs, web = Disk(tmp_path / "blobs"), GuardedWeb(WebLimits(5, 5))
    rules = JobRules(False, False, 1 << 24, 1)
    storage = Storage(records.store, blobs, 3 * SIZE, 1 << 20)
    async with service(ScriptedEngine()) as transcriber:
        yield JobService(
            transcriber.registry, transcriber.preparer, records, LocalQueue(database), blobs, web,
            rules, storage,
        )  # fmt: skip
    await web.close()
    await database.close()


async def submit(jobs: JobService, key: str = "") -> str:
    made = await jobs.submit("ann", JobRequest(options()), recording([30] * 20), key)
    return made.job.id


async def test_cancelled_jobs_count_as_long_as_their_recordings_are_kept(jobs: JobService) -> None:
    for number in range(3):
        await jobs.cancel("ann", await submit(jobs, f"key {number}"))
    assert (await jobs.records.store.backlog()).waiting == 0
    with pytest.raises(StorageFull) as caught:
        await submit(jobs)
    assert caught.value.retry_after_s
    assert STATUS[StorageFull] == 507
    with pytest.raises(StorageFull):
        await jobs.check_capacity("ann", "")
    assert await submit(jobs, "key 1"), "a repetition stores nothing"
    (last, *_) = await jobs.list(JobQuery("ann"))
    await jobs.delete("ann", last.id)
    await submit(jobs)


async def test_some_of_the_disk_stays_free(jobs: JobService) -> None:
    assert isinstance(jobs.blobs, Disk)
    jobs.blobs.free = (1 << 20) + SIZE - 1
    with pytest.raises(StorageFull, match="disk"):
        await submit(jobs)
    jobs.blobs.free += 1
    await submit(jobs)
    assert await FolderBlobs.free_bytes(jobs.blobs), "also before there is the folder"


async def test_uploads_under_way_count(jobs: JobService) -> None:
    async with jobs.storage.room(2 * SIZE), jobs.storage.room(SIZE):
        with pytest.raises(StorageFull):
            await jobs.storage.check(1)
    await jobs.storage.check(3 * SIZE)


async def test_a_download_ends_when_there_is_no_room(jobs: JobService, tmp_path: Path) -> None:
    storage = Storage(jobs.records.store, jobs.blobs, 40 << 20, 0)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 20)

    async with aclosing(storage.bounded(endless())) as chunks:
        with pytest.raises(StorageFull):
            await jobs.blobs.write("job_1.audio", chunks, 1 << 40)
    await storage.check(40 << 20)
    assert files(tmp_path) == []


def files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("blobs/??/*") if path.is_file()]


def test_for_a_worker_it_is_no_failure_of_the_job() -> None:
    assert issubclass(StorageFull, Unavailable), "which defers"


def test_the_recording_of_a_cancelled_job_goes_soon_and_a_retry_keeps_it() -> None:
    job = replace(made(), created_at=0.0, recording=replace(made().recording, until=1000.0))
    policy = replace(POLICY, cancelled_ttl_s=60)
    cancelled = sure(lifecycle.cancelled(job, 100.0, policy))
    assert cancelled.recording.until == 160.0
    again = sure(lifecycle.retried(cancelled, 150.0, policy))
    assert again.recording.until == 1000.0
    assert lifecycle.retried(cancelled, 161.0, policy) is None
    late = sure(lifecycle.cancelled(job, 990.0, policy))
    assert late.recording.until == 1000.0, "never longer than others"


async def test_it_is_deleted_when_that_time_has_come(jobs: JobService) -> None:
    job_id = await submit(jobs)
    step = partial(lifecycle.cancelled, now=1000.0, policy=POLICY)
    changed = sure(await jobs.records.change(job_id, step))
    assert changed.recording.until == 1000.0 + POLICY.cancelled_ttl_s
    assert [job.id for job in await jobs.records.store.due(1601.0, 10)] == [job_id]
