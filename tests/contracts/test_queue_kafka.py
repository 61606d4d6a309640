"""What only a broker can do to a queue: be away, come back, forget everything."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from aiokafka import AIOKafkaConsumer

from tests.support.kafka import Broker
from tests.support.queues import ids, taken
from zhiyin.domain.errors import Unavailable
from zhiyin.domain.job import Priority
from zhiyin.ports.queue import Delivery
from zhiyin.store.queue_kafka import KafkaAddress, KafkaQueue

PATIENCE_S = 90.0


@pytest.fixture
def broker() -> Iterator[Broker]:
    made = Broker()
    yield made
    made.stop(signal.SIGKILL)


@pytest.fixture
async def queue(broker: Broker) -> AsyncIterator[KafkaQueue]:
    made = KafkaQueue(KafkaAddress((broker.address,), "alone", partitions=2))
    yield made
    await made.close()


async def insisted(queue: KafkaQueue, job: str) -> None:
    """Put it, as soon as that is possible again."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await queue.put(job, Priority.NORMAL)
        except Unavailable:
            assert time.monotonic() < end


async def expected(queue: KafkaQueue, job: str) -> Delivery:
    """That job's delivery, skipping others and retrying while the broker is away."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            delivery = await queue.take(1.0)
            if delivery is not None:
                await queue.ack(delivery)
                if delivery.job_id == job:
                    return delivery
        except Unavailable:
            continue
    raise AssertionError("the job did not come")


async def test_a_broker_that_is_away_is_unavailable(queue: KafkaQueue) -> None:
    for verb in (
        queue.put(ids(1)[0], Priority.HIGH), queue.take(0.1), queue.lag(),
        queue.dead_letter("x", "y"),
    ):  # fmt: skip
        with pytest.raises(Unavailable):
            await verb


async def test_it_goes_on_without_a_restart_of_ours(broker: Broker, queue: KafkaQueue) -> None:
    first, second, third = ids(3)
    with pytest.raises(Unavailable):
        await queue.put(first, Priority.NORMAL)
    broker.start()
    await insisted(queue, first)
    await expected(queue, first)
    assert await queue.lag() == 0
    broker.stop(signal.SIGKILL)
    with pytest.raises(Unavailable):
        await queue.put(second, Priority.NORMAL)
    with pytest.raises(Unavailable):
        await queue.lag()
    broker.start()  # with an empty memory: topics, group and offsets are gone
    await insisted(queue, third)
    await expected(queue, third)


async def test_messages_say_nothing_but_ids(broker: Broker, queue: KafkaQueue) -> None:
    broker.start()
    (job,) = ids(1)
    await queue.put(job, Priority.HIGH)
    await queue.dead_letter(job, "engine_failed")
    found = {}
    reader = AIOKafkaConsumer(
        "alone.jobs.high", "alone.jobs.dead", bootstrap_servers=broker.address,
        auto_offset_reset="earliest",
    )  # fmt: skip
    await reader.start()
    for _ in range(2):
        record = await reader.getone()
        found[record.topic] = (record.key.decode(), json.loads(record.value))
    await reader.stop()
    assert found == {
        "alone.jobs.high": (job, {"job": job, "priority": 2}),
        "alone.jobs.dead": (job, {"job": job, "reason": "engine_failed"}),
    }


async def test_what_others_wrote_into_the_topic_is_passed_over(
    broker: Broker, queue: KafkaQueue
) -> None:
    broker.start()
    (job,) = ids(1)
    producer = await queue._connected_producer()
    for rubbish in (b"", b"\xff", b"{}", b'{"job": "../x", "priority": 1}', b"[1]"):
        await producer.send_and_wait("alone.jobs.normal", rubbish)
    await queue.put(job, Priority.NORMAL)
    await expected(queue, job)
    async with asyncio.timeout(60):
        while await queue.lag():  # what stands in other partitions comes later
            delivery = await queue.take(0.5)
            if delivery is not None:
                assert delivery.job_id == ""
                await queue.ack(delivery)


async def test_a_commit_never_passes_a_ticket_that_is_held(
    broker: Broker, queue: KafkaQueue
) -> None:
    broker.start()
    for job in ids(6):
        await queue.put(job, Priority.NORMAL)
    deliveries = [await taken(queue) for _ in range(6)]
    for delivery in deliveries[1:]:
        await queue.ack(delivery)
    assert await queue.lag() >= 1
    await queue.ack(deliveries[0])
    assert await queue.lag() == 0


async def test_a_job_that_is_put_again_needs_no_certain_partition(
    broker: Broker, queue: KafkaQueue
) -> None:
    broker.start()
    (job,) = ids(1)
    for _ in range(40):
        await queue.put(job, Priority.NORMAL)
    receipts = [(await taken(queue)).receipt for _ in range(40)]
    assert len({receipt.rsplit("/", 2)[1] for receipt in receipts}) == 2


async def test_an_acknowledgement_waits_for_no_broker_that_is_away(
    broker: Broker, queue: KafkaQueue
) -> None:
    broker.start()
    (job,) = ids(1)
    await queue.put(job, Priority.NORMAL)
    delivery = await taken(queue)
    broker.stop(signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(Unavailable):
            await queue.ack(delivery)
