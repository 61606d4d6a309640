"""Job service and worker, with real stores in a folder and the scripted engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support.scripted_engine import options, recording, service
from zhiyin.core.history.writer import HistoryWriter, HistoryWriterPolicy
from zhiyin.core.jobs.host_slots import HostSlots
from zhiyin.core.jobs.records import JobRecords
from zhiyin.core.jobs.service import JobRules, JobService
from zhiyin.core.jobs.storage import Storage
from zhiyin.core.jobs.worker import Worker, WorkLimits
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import Overloaded, UnknownJob
from zhiyin.domain.job import Job, JobPolicy, JobQuery, JobRequest, JobState, Priority
from zhiyin.engines.scripted import ScriptedEngine
from zhiyin.net.web import GuardedWeb, WebLimits
from zhiyin.store.blobs_folder import FolderBlobs
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.history_off import NoHistory
from zhiyin.store.jobs_sql.database import jobs_database
from zhiyin.store.jobs_sql.queue import LocalQueue
from zhiyin.store.jobs_sql.store import SqlJobs

POLICY = JobPolicy(lease_s=5, max_attempts=2, retry_s=0.0, max_waiting=8)


@asynccontextmanager
async def service_and_worker(
    folder: Path, engine: ScriptedEngine
) -> AsyncIterator[tuple[JobService, Worker]]:
    """The service and a worker that does not run yet."""
    database = jobs_database(f"sqlite+aiosqlite:///{folder / 'x.sqlite3'}")
    records = JobRecords(SqlJobs(database, PlainRing()), POLICY)
    queue, blobs = LocalQueue(database), FolderBlobs(folder / "blobs")
    web = GuardedWeb(WebLimits(5, 5))
    rules = JobRules(allow_urls=False, webhooks=False, max_bytes=16 << 20, max_watchers=1)
    storage = Storage(records.store, blobs, 0, 0)
    async with service(engine) as transcriber:
        jobs = JobService(
            transcriber.registry, transcriber.preparer, records, queue, blobs, web, rules, storage
        )
        limits = WorkLimits(16 << 20, 60.0)
        history_writer = HistoryWriter(NoHistory(), HistoryWriterPolicy())
        worker = Worker(
            transcriber, records, queue, blobs, web, limits, history_writer, lambda: None,
            HostSlots(4, 2), storage,
        )  # fmt: skip
        yield jobs, worker
        await worker.close()
    await web.close()
    await database.close()


def wanted(prompt: str = "", priority: Priority = Priority.NORMAL) -> JobRequest:
    changed = options(prompt=prompt)
    return JobRequest(changed, priority)


async def submitted(jobs: JobService, owner: str = "ann", prompt: str = "") -> Job:
    return (await jobs.submit(owner, wanted(prompt), recording([30] * 20))).job


async def ended(jobs: JobService, job: Job) -> Job:
    async with asyncio.timeout(60), aclosing(jobs.watch(job.owner, job.id)) as watch:
        async for held in watch:
            if held.state.ended:
                return held
    raise AssertionError("a watch ends with the job")


async def test_jobs_go_by_priority_then_by_age(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    async with service_and_worker(tmp_path, engine) as (jobs, worker):
        order = (Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.HIGH)
        made = [
            (await jobs.submit("ann", wanted(f"p{i}", p), recording([30] * 20))).job
            for i, p in enumerate(order)
        ]
        work = asyncio.create_task(worker.run())
        for job in made:
            assert (await ended(jobs, job)).state is JobState.DONE
        work.cancel()
    begun = [call[0].options.prompt for call in engine.calls]
    assert begun == ["p2", "p3", "p1", "p0"]


async def test_an_engine_that_fails_is_tried_again_then_the_job_fails(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    async with service_and_worker(tmp_path, engine) as (jobs, worker):
        job = await submitted(jobs, prompt="crash")
        work = asyncio.create_task(worker.run())
        held = await jobs.get("ann", job.id)
        async with asyncio.timeout(60):
            while not held.state.ended:
                await asyncio.sleep(0.05)
                held = await jobs.get("ann", job.id)
                if held.state is JobState.QUEUED and held.attempts:
                    await jobs.queue.put(job.id, Priority.NORMAL)  # as the reconciler would
        work.cancel()
    assert held.state is JobState.FAILED
    assert held.attempts == POLICY.max_attempts
    assert held.failure is not None
    assert held.failure.code == "engine_failed"


async def test_owners_see_their_own_jobs_only(tmp_path: Path) -> None:
    async with service_and_worker(tmp_path, ScriptedEngine()) as (jobs, _):
        job = await submitted(jobs)
        for verb in (jobs.get, jobs.cancel, jobs.retry, jobs.delete, jobs.result):
            with pytest.raises(UnknownJob):
                await verb("bob", job.id)
        assert await jobs.list(JobQuery("bob")) == []
        assert (await jobs.get("ann", job.id)).state is JobState.QUEUED


async def test_the_line_is_bounded_and_so_are_watchers(tmp_path: Path) -> None:
    async with service_and_worker(tmp_path, ScriptedEngine()) as (jobs, _):
        for _ in range(POLICY.max_waiting):
            await submitted(jobs)
        with pytest.raises(Overloaded) as caught:
            await submitted(jobs)
        assert caught.value.retry_after_s is not None
        (job, *_) = await jobs.list(JobQuery("ann"))
        first = jobs.watch("ann", job.id)
        await anext(first)
        with pytest.raises(Overloaded):
            await anext(jobs.watch("ann", job.id))
        await first.aclose()
        second = jobs.watch("ann", job.id)
        await anext(second)
        await second.aclose()


async def test_jobs_do_not_take_the_places_of_others(tmp_path: Path) -> None:
    """However long a job is, a one-shot request is admitted beside it."""
    async with service_and_worker(tmp_path, ScriptedEngine(delay_s=0.3)) as (jobs, worker):
        long = recording([30] * 3000)
        job = (await jobs.submit("ann", wanted(), long)).job
        work = asyncio.create_task(worker.run())
        async for held in jobs.watch("ann", job.id):
            if held.state is JobState.RUNNING:
                break
        text = await worker.transcriber.transcribe(recording([40] * 10), options(), Caller())
        assert text.text.startswith("t40")
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        given_back = await jobs.get("ann", job.id)
        assert (given_back.state, given_back.attempts) == (JobState.QUEUED, 0)


@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
async def test_a_worker_stopped_as_it_leases_a_job_gives_it_back(
    tmp_path: Path, written: bool
) -> None:
    """However late: with the lease on its way to the database, or written and not yet answered."""
    async with service_and_worker(tmp_path, ScriptedEngine()) as (jobs, worker):
        job = await submitted(jobs)
        leasing, store = asyncio.Event(), worker.records.store
        replace = store.replace

        async def slowly(changed: Job) -> bool:
            if changed.state is not JobState.RUNNING:
                return await replace(changed)
            done = await replace(changed) if written else None
            leasing.set()
            await asyncio.sleep(0.05)
            return await replace(changed) if done is None else done

        with patch.object(store, "replace", slowly):
            work = asyncio.create_task(worker.run())
            async with asyncio.timeout(60):
                await leasing.wait()
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
        given_back = await jobs.get("ann", job.id)
        assert (given_back.state, given_back.attempts) == (JobState.QUEUED, 0)
        assert work.cancelled()
