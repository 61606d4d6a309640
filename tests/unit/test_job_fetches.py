"""Recordings that are downloaded: beside the workers, bounded in all and for each host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.scripted_engine import options, recording, service
from tests.support.waiting import until
from tests.support.webhook_receiver import Receiver, receiver
from zhiyin.core.history.writer import HistoryWriter, HistoryWriterPolicy
from zhiyin.core.jobs.delivery import WebhookDelivery
from zhiyin.core.jobs.host_slots import HostSlots
from zhiyin.core.jobs.reconciler import Reconciler
from zhiyin.core.jobs.records import JobRecords
from zhiyin.core.jobs.service import JobRules, JobService
from zhiyin.core.jobs.storage import Storage
from zhiyin.core.jobs.worker import Worker, WorkLimits
from zhiyin.core.tasks import cancel_all
from zhiyin.domain.job import Job, JobPolicy, JobRequest, JobState
from zhiyin.engines.scripted import ScriptedEngine
from zhiyin.net.addresses import parse_networks
from zhiyin.net.web import GuardedWeb, WebLimits
from zhiyin.store.blobs_folder import FolderBlobs
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.history_off import NoHistory
from zhiyin.store.jobs_sql.database import jobs_database
from zhiyin.store.jobs_sql.queue import LocalQueue
from zhiyin.store.jobs_sql.store import SqlJobs

POLICY = JobPolicy(lease_s=60, max_attempts=2, retry_s=0.0)


@dataclass
class Silent:
    """A server that takes connections and never answers; `url` has another host name."""

    url: str = ""
    connections: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connected(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)


@dataclass
class Place:
    jobs: JobService
    worker: Worker
    tasks: list[asyncio.Task[None]]

    async def stop(self) -> None:
        await cancel_all(self.tasks)
        await self.worker.close()

    async def submit(self, url: str = "", level: int = 30) -> Job:
        request = JobRequest(options(), url=url)
        source = None if url else recording([level] * 20)
        return (await self.jobs.submit("ann", request, source)).job

    async def ended(self, job: Job) -> Job:
        async with asyncio.timeout(60), aclosing(self.jobs.watch("ann", job.id)) as watch:
            async for held in watch:
                if held.state.ended:
                    return held
        raise AssertionError("a watch ends with the job")


@asynccontextmanager
async def running(folder: Path, slots: HostSlots) -> AsyncIterator[Place]:
    """One worker, and a reconciler."""
    database = jobs_database(f"sqlite+aiosqlite:///{folder / 'x.sqlite3'}")
    records = JobRecords(SqlJobs(database, PlainRing()), POLICY)
    queue, blobs = LocalQueue(database), FolderBlobs(folder / "blobs")
    web = GuardedWeb(WebLimits(600, 5, parse_networks(["127.0.0.0/8", "::1"], "x")))
    rules = JobRules(allow_urls=True, webhooks=False, max_bytes=16 << 20, max_watchers=9)
    delivery = WebhookDelivery(records, web, (), HostSlots(4, 2))
    reconciler = Reconciler(records, queue, blobs, delivery)
    storage = Storage(records.store, blobs, 0, 0)
    async with service(ScriptedEngine()) as transcriber:
        registry, preparer = transcriber.registry, transcriber.preparer
        jobs = JobService(registry, preparer, records, queue, blobs, web, rules, storage)
        writer = HistoryWriter(NoHistory(), HistoryWriterPolicy())
        worker = Worker(
            transcriber, records, queue, blobs, web, WorkLimits(16 << 20, 60.0), writer,
            reconciler.wake, slots, storage,
        )  # fmt: skip
        tasks = [asyncio.create_task(run) for run in (worker.run(), reconciler.run())]
        place = Place(jobs, worker, tasks)
        yield place
        await place.stop()
    await web.close()
    await database.close()


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as started:
        started.files["/a.wav"] = recording([30] * 20).stream.read()
        yield started


@pytest.fixture
async def silent() -> AsyncIterator[Silent]:
    made = Silent()
    server = await asyncio.start_server(made.connected, "127.0.0.1", 0)
    made.url = f"http://localhost:{server.sockets[0].getsockname()[1]}/a.wav"
    yield made
    for writer in made.connections:
        writer.close()
    server.close()


async def test_slow_addresses_stop_no_job(tmp_path: Path, there: Receiver, silent: Silent) -> None:
    async with running(tmp_path, HostSlots(4, 2)) as place:
        slow = [await place.submit(silent.url) for _ in range(5)]
        await until(lambda: len(silent.connections) == 2)
        uploaded, linked = await place.submit(), await place.submit(f"{there.url}/a.wav")
        for job in (uploaded, linked):
            assert (await place.ended(job)).state is JobState.DONE
        assert len(silent.connections) == 2, "of one host only so many"
        for job in slow:
            held = await place.jobs.get("ann", job.id)
            assert not held.state.ended
            assert held.attempts <= 1, "to wait for a slot is no attempt"
            await place.jobs.cancel("ann", job.id)


async def test_what_was_downloaded_is_no_attempt(tmp_path: Path, there: Receiver) -> None:
    async with running(tmp_path, HostSlots(1, 1)) as place:
        jobs = [await place.submit(f"{there.url}/a.wav") for _ in range(4)]
        for job in jobs:
            held = await place.ended(job)
            assert (held.state, held.attempts) == (JobState.DONE, 1)
            _, transcript = await place.jobs.result("ann", job.id)
            assert "t30" in transcript.text
    assert there.asked == ["/a.wav"] * 4, "each once"


async def test_downloads_that_fail_are_attempts(tmp_path: Path, there: Receiver) -> None:
    async with running(tmp_path, HostSlots(4, 2)) as place:
        held = await place.ended(await place.submit(f"{there.url}/missing.wav"))
    assert (held.state, held.attempts) == (JobState.FAILED, POLICY.max_attempts)
    assert held.failure is not None
    assert held.failure.code == "unreachable"


async def test_a_cancelled_job_is_downloaded_no_further(tmp_path: Path, silent: Silent) -> None:
    async with running(tmp_path, HostSlots(1, 1)) as place:
        job = await place.submit(silent.url)
        await until(lambda: silent.connections)
        await place.jobs.cancel("ann", job.id)
        await until(lambda: not place.worker.fetches)


async def test_at_its_end_a_worker_releases_what_it_downloads(
    tmp_path: Path, silent: Silent
) -> None:
    async with running(tmp_path, HostSlots(1, 1)) as place:
        job = await place.submit(silent.url)
        await until(lambda: silent.connections)
        await place.stop()
        held = await place.jobs.get("ann", job.id)
        assert (held.state, held.attempts) == (JobState.QUEUED, 0)
