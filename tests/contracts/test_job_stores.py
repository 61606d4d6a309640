"""Every store of records keeps the promises of `ports.jobs`."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select

from tests.support.job_records import NOW, made
from zhiyin.domain.errors import Unavailable
from zhiyin.domain.job import (
    Backlog,
    Failure,
    JobQuery,
    JobState,
    Lease,
    Priority,
    Recording,
    Webhook,
    WebhookState,
    new_job_id,
)
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.jobs_sql.database import jobs_database
from zhiyin.store.jobs_sql.queue import LocalQueue
from zhiyin.store.jobs_sql.store import SqlJobs
from zhiyin.store.jobs_sql.tables import QUEUE
from zhiyin.store.sql.database import Database


@pytest.fixture
def store(database: Database) -> SqlJobs:
    return SqlJobs(database, PlainRing())


async def test_what_is_stored_comes_back_as_it_was(store: SqlJobs) -> None:
    plain = made()
    full = made(
        1, state=JobState.FAILED, key="k" * 64, fingerprint="f" * 64, run=3, attempts=2,
        request=replace(made().request, priority=Priority.HIGH, url="https://a/?b=c",
                        webhook_url="https://例え.jp/\U0001f600"),
        put_at=NOW + 0.25, started_at=NOW + 1, ended_at=NOW + 2, until=NOW + 3,
        lease=Lease("t" * 32, NOW + 4), processed_s=7.25, result="r.1-1.result",
        failure=Failure("engine_failed", "Es ging nicht 😀"), next_check_at=NOW + 5,
        webhook=Webhook(WebhookState.GIVEN_UP, 8, NOW + 6),
    )  # fmt: skip
    for job in (plain, full):
        assert await store.add(job) == job
        assert await store.get(job.id) == job
    assert await store.get(new_job_id(NOW)) is None


async def test_replace_is_compare_and_swap(store: SqlJobs) -> None:
    job = await store.add(made())
    assert await store.replace(replace(job, processed_s=1.0))
    assert not await store.replace(replace(job, processed_s=2.0)), "the version is an old one"
    held = await store.get(job.id)
    assert held is not None
    assert (held.processed_s, held.version) == (1.0, 1)
    assert not await store.remove(job)
    assert await store.remove(held)
    assert await store.get(job.id) is None
    assert not await store.replace(held), "what is gone stays gone"


async def test_of_many_swaps_at_once_one_succeeds(store: SqlJobs) -> None:
    job = await store.add(made())
    tries = [store.replace(replace(job, processed_s=float(i))) for i in range(20)]
    assert sum(await asyncio.gather(*tries)) == 1


async def test_an_owners_key_is_used_once(store: SqlJobs) -> None:
    first = made(key="once")
    many = [made(i, key="once") for i in range(1, 6)]
    assert await store.add(first) == first
    assert await asyncio.gather(*(store.add(job) for job in many)) == [first] * 5
    other = made(owner="bob", key="once")
    assert await store.add(other) == other, "owners do not see each other's keys"
    assert len(await store.list(JobQuery("ann"))) == 1
    two = [await store.add(made(i)) for i in (7, 8)]
    assert len({job.id for job in two}) == 2, "no key, no bond"


async def test_keys_and_owners_compare_byte_by_byte(store: SqlJobs) -> None:
    lower = await store.add(made(key="a", owner="x"))
    upper = await store.add(made(1, key="A", owner="x"))
    assert lower.id != upper.id
    assert await store.list(JobQuery("X")) == []


async def test_lists_are_paged_from_the_newest(store: SqlJobs) -> None:
    jobs = [await store.add(made(i)) for i in range(5)]
    await store.add(made(9, owner="bob"))
    await store.replace(replace(jobs[1], state=JobState.DONE))
    first = await store.list(JobQuery("ann", limit=3))
    assert [job.id for job in first] == [job.id for job in reversed(jobs[2:])]
    rest = await store.list(JobQuery("ann", limit=3, before=first[-1].id))
    assert [job.id for job in rest] == [jobs[1].id, jobs[0].id]
    done = await store.list(JobQuery("ann", state=JobState.DONE))
    assert [job.id for job in done] == [jobs[1].id]
    assert await store.list(JobQuery("ann' OR '1'='1")) == []


async def test_what_is_due_comes_most_overdue_first(store: SqlJobs) -> None:
    for number, next_check_at in enumerate((NOW + 3, NOW + 1, None, NOW + 2, NOW + 9)):
        await store.add(made(number, next_check_at=next_check_at))
    due = await store.due(NOW + 5, 10)
    assert [job.next_check_at for job in due] == [NOW + 1, NOW + 2, NOW + 3]
    assert len(await store.due(NOW + 5, 2)) == 2


async def test_versions_of_many_at_once(store: SqlJobs) -> None:
    jobs = [await store.add(made(number)) for number in range(3)]
    assert await store.replace(jobs[1])
    asked = [job.id for job in jobs] + [new_job_id(number) for number in range(600)]
    assert await store.versions(asked) == {jobs[0].id: 0, jobs[1].id: 1, jobs[2].id: 0}
    assert await store.versions([]) == {}


async def test_dead_letters_go_with_their_job(database: Database, store: SqlJobs) -> None:
    queue = LocalQueue(database)
    one, other = await store.add(made()), await store.add(made(1))
    gone = made(2)
    for job in (one, other, gone):
        await queue.dead_letter(job.id, "engine_failed")
    assert await store.remove(one)
    assert await letters(database) == {other.id, gone.id}
    await queue.put(gone.id, Priority.NORMAL)
    await store.scrub()
    assert await letters(database) == {other.id, gone.id}, "what waits in the queue is no letter"
    await queue.dead_letter(gone.id, "engine_failed")
    await store.scrub()
    assert await letters(database) == {other.id}, "of before there was this rule"


async def letters(database: Database) -> set[str]:
    async with database.transaction() as db:
        return {row.job_id for row in await db.execute(select(QUEUE.c.job_id))}


async def test_what_is_postponed_is_due_later_and_otherwise_the_same(store: SqlJobs) -> None:
    job = await store.add(made(0, next_check_at=NOW))
    await store.postpone(replace(job, version=7), NOW + 60)
    assert await store.due(NOW, 10) == [job], "it was changed meanwhile"
    await store.postpone(job, NOW + 60)
    assert await store.due(NOW + 59, 10) == []
    assert await store.due(NOW + 60, 10) == [replace(job, next_check_at=NOW + 60)]
    assert await store.replace(job), "its version is the same"


async def test_the_backlog_counts_what_is_to_be_done(store: SqlJobs) -> None:
    assert await store.backlog() == Backlog(0, 0, 0.0)
    high = replace(made().request, priority=Priority.HIGH)
    low = replace(made().request, priority=Priority.LOW)
    unknown = Recording("", 0, NOW)
    await store.add(made(0, state=JobState.RUNNING, processed_s=10.0))
    mine = await store.add(made(2))
    await store.add(made(1))
    await store.add(made(3))
    await store.add(made(4, request=high))
    await store.add(made(0, request=low))
    await store.add(made(5, recording=unknown))
    await store.add(made(6, state=JobState.DONE))
    assert await store.backlog() == Backlog(6, 1, 5 * 12.5 + 2.5)
    assert await store.backlog(mine) == Backlog(2, 1, 2 * 12.5 + 2.5)


async def test_a_database_that_is_away_is_unavailable() -> None:
    database = jobs_database("mysql+asyncmy://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable):
        await SqlJobs(database, PlainRing()).get("x")
    await database.close()


async def test_many_processes_may_make_the_tables_at_once(database_url: str) -> None:
    several = [jobs_database(database_url) for _ in range(6)]
    found = await asyncio.gather(*(SqlJobs(one, PlainRing()).backlog() for one in several))
    assert found == [Backlog(0, 0, 0.0)] * 6
    for one in several:
        await one.close()
