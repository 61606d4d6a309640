"""Many watchers of jobs cost one query."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.job_records import POLICY, made, sure
from tests.support.waiting import until
from zhiyin.core.jobs.records import JobRecords
from zhiyin.core.jobs.service import JobRules, JobService
from zhiyin.domain.errors import Unavailable, UnknownJob
from zhiyin.domain.job import Job, JobState
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.jobs_sql.database import jobs_database
from zhiyin.store.jobs_sql.store import SqlJobs
from zhiyin.store.sql.database import Database


class Counting(SqlJobs):
    """Counts the queries; `away` as a database may be."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, PlainRing())
        self.gets = self.polls = 0
        self.away = False

    async def get(self, job_id: str) -> Job | None:
        self.gets += 1
        return await super().get(job_id)

    async def versions(self, job_ids: Sequence[str]) -> Mapping[str, int]:
        self.polls += 1
        if self.away:
            raise Unavailable("away")
        return await super().versions(job_ids)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Counting]:
    database = jobs_database(f"sqlite+aiosqlite:///{tmp_path / 'x.sqlite3'}")
    yield Counting(database)
    await database.close()


def service(store: Counting) -> JobService:
    none = cast("Any", None)
    rules = JobRules(False, False, 1, 1000)
    return JobService(none, none, JobRecords(store, POLICY), none, none, none, rules, none)


async def seen(jobs: JobService, job: Job, versions: list[int]) -> None:
    async with aclosing(jobs.watch("ann", job.id)) as watch:
        async for held in watch:
            versions.append(held.version)  # noqa: PERF401 (as they come)


async def test_watchers_share_their_queries(store: Counting) -> None:
    jobs = service(store)
    job, other = await store.add(made()), await store.add(made(1))
    versions: list[list[int]] = [[] for _ in range(100)]
    tasks = [asyncio.create_task(seen(jobs, job, found)) for found in versions]
    lonely = asyncio.create_task(seen(jobs, other, []))
    await until(lambda: store.gets == 101)
    polls = store.polls
    await until(lambda: store.polls >= polls + 3)
    assert store.gets == 101, "nothing has changed"
    assert await store.replace(job)
    await until(lambda: all(len(found) == 2 for found in versions))
    assert await store.replace(replace(job, version=1, state=JobState.DONE))
    await asyncio.gather(*tasks)
    assert versions == [[0, 1, 2]] * 100
    assert store.gets == 101 + 200, "each watcher reads what has changed"
    assert await store.remove(other)
    with pytest.raises(UnknownJob):
        await lonely
    assert jobs.watchers == 0
    assert jobs.watching._polling is None


async def test_a_database_that_is_away_ends_the_watch(store: Counting) -> None:
    jobs = service(store)
    job = await store.add(made())
    watching = asyncio.create_task(seen(jobs, job, []))
    await until(lambda: store.polls)
    store.away = True
    with pytest.raises(Unavailable):
        await watching
    store.away = False
    found: list[int] = []
    again = asyncio.create_task(seen(jobs, job, found))
    await until(lambda: found)
    assert await store.replace(sure(await store.get(job.id)))
    await until(lambda: 1 in found)
    again.cancel()
