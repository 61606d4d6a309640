"""Every queue keeps the promises of `ports.queue`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tools.mariadb import MariaDbClient

from tests.support.queues import WAIT_S, ids, taken
from tests.support.run_servers import unique
from zhiyin.domain.job import Priority
from zhiyin.ports.queue import JobQueue
from zhiyin.store.jobs_sql.database import jobs_database
from zhiyin.store.jobs_sql.queue import LocalQueue
from zhiyin.store.queue_kafka import KafkaAddress, KafkaQueue
from zhiyin.store.sql.database import Database

VISIBILITY_S = 2.0

Make = Callable[[], JobQueue]


@pytest.fixture(params=["local on sqlite", "local on mariadb", "kafka"])
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Make]:
    """Makes members of one queue, as different processes would be."""
    made: list[JobQueue] = []
    database: Database | None = None
    if request.param == "kafka":
        broker: str = request.getfixturevalue("kafka")
        address = KafkaAddress((broker,), unique("contract"), partitions=3)
    else:
        database = jobs_database(_url(request, tmp_path))

    def member() -> JobQueue:
        made.append(
            KafkaQueue(address)
            if database is None
            else LocalQueue(database, visibility_s=VISIBILITY_S)
        )
        return made[-1]

    yield member
    for queue in made:
        await queue.close()
    if database is not None:
        await database.close()


def _url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local on sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'queue.sqlite3'}"
    server: MariaDbClient = request.getfixturevalue("mariadb")
    return server.database(unique("queue"))


async def test_an_empty_queue_gives_nothing(make: Make) -> None:
    queue = make()
    assert await queue.take(0.1) is None
    assert await queue.lag() == 0


async def test_every_job_is_given_and_acknowledged_once(make: Make) -> None:
    queue, jobs = make(), ids(20)
    for job in jobs:
        await queue.put(job, Priority.NORMAL)
    assert await queue.lag() == 20
    seen = []
    for _ in jobs:
        delivery = await taken(queue)
        assert delivery.priority is Priority.NORMAL
        seen.append(delivery.job_id)
        await queue.ack(delivery)
    assert sorted(seen) == jobs
    assert await queue.take(0.1) is None
    assert await queue.lag() == 0


async def test_the_highest_priority_goes_first(make: Make) -> None:
    queue, (first, *jobs) = make(), ids(4)
    await queue.put(first, Priority.NORMAL)
    await queue.ack(await taken(queue))  # it is a member now
    for wait_s in (2, 5, 15):  # Kafka's clients fetch ahead, topic by topic, when they find time
        for job, priority in zip(jobs, (Priority.LOW, Priority.HIGH, Priority.NORMAL), strict=True):
            await queue.put(job, priority)
        assert await queue.lag() == 3
        await asyncio.sleep(wait_s)
        deliveries = [await taken(queue) for _ in range(3)]
        for delivery in deliveries:
            await queue.ack(delivery)
        got = [delivery.priority for delivery in deliveries]
        if got == [Priority.HIGH, Priority.NORMAL, Priority.LOW]:
            return
    # Where it reads ahead by itself, the most urgent is first among what has come.
    assert (type(queue), got[0]) == (KafkaQueue, Priority.HIGH), got


async def test_what_is_given_back_comes_again(make: Make) -> None:
    queue, (job,) = make(), ids(1)
    await queue.put(job, Priority.NORMAL)
    await queue.give_back(await taken(queue))
    again = await taken(queue)
    assert again.job_id == job
    await queue.ack(again)
    assert await queue.take(0.1) is None


async def test_what_was_not_acknowledged_comes_to_another(make: Make) -> None:
    first, (job,) = make(), ids(1)
    await first.put(job, Priority.NORMAL)
    assert (await taken(first)).job_id == job
    await first.close()
    second = make()
    delivery = await taken(second, 60.0)
    assert delivery.job_id == job
    await second.ack(delivery)


async def test_members_share_the_work(make: Make) -> None:
    queues, jobs = [make() for _ in range(3)], ids(30)
    for job in jobs:
        await queues[0].put(job, Priority.NORMAL)
    seen: list[str] = []

    async def member(queue: JobQueue) -> None:
        while len(set(seen)) < len(jobs):
            delivery = await queue.take(0.3)
            if delivery is not None:
                await queue.ack(delivery)
                seen.append(delivery.job_id)

    async with asyncio.timeout(120):
        await asyncio.gather(*(member(queue) for queue in queues))
    assert sorted(set(seen)) == jobs


async def test_one_who_waits_is_woken(make: Make) -> None:
    queue, (job,) = make(), ids(1)
    waiting = asyncio.create_task(queue.take(WAIT_S))
    await asyncio.sleep(0.2)
    await queue.put(job, Priority.LOW)
    delivery = await waiting
    assert delivery is not None
    assert delivery.job_id == job


async def test_dead_letters_are_not_taken(make: Make) -> None:
    queue, (job,) = make(), ids(1)
    await queue.put(job, Priority.NORMAL)
    await queue.ack(await taken(queue))
    await queue.dead_letter(job, "engine_failed")
    assert await queue.take(0.3) is None
    assert await queue.lag() == 0


async def test_a_job_may_be_put_twice(make: Make) -> None:
    queue, (job,) = make(), ids(1)
    await queue.put(job, Priority.NORMAL)
    await queue.put(job, Priority.NORMAL)
    delivery = await taken(queue)
    assert delivery.job_id == job
    await queue.ack(delivery)
