"""Job queue in Kafka or a compatible broker: a topic for each priority, and one for dead letters.

A message is a job's id and priority. It is committed as soon as the job is leased in its record
(see `ports.queue`), so a partition never waits for a long recording, and a group that is rebalanced
repeats messages at most, whose jobs are found leased.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, for_code

from zhiyin.domain.errors import Unavailable
from zhiyin.domain.job import Priority, is_job_id
from zhiyin.ports.queue import Delivery
from zhiyin.store.kafka_progress import KafkaProgress

log = logging.getLogger(__name__)

_UNAVAILABLE = "The queue's broker does not answer. Try again later."
_REQUEST_S = 10.0
_POLL_S = 1.0
_CHECK_S = 15.0
_MAX_IDLE_CHECKS = 2
_COOL_DOWN_S = 5.0
# The least that brokers allow by default; a crashed consumer's partitions are idle so long.
_SESSION_S = 6.0
_EXISTS = 36  # Kafka's code for a topic that is there already


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """Brokers, credentials, prefix of topics and group; `keep_s` is for dead letters."""

    servers: tuple[str, ...]
    prefix: str = "zhiyin"
    partitions: int = 6
    replicas: int = 1
    tls: bool = False
    user: str = ""
    password: str = ""
    keep_s: float = 604_800.0

    def client(self) -> dict[str, Any]:
        """Options of every aiokafka client."""
        from ssl import create_default_context

        protocol = ("SASL_SSL" if self.tls else "SASL_PLAINTEXT") if self.user else "PLAINTEXT"
        if self.tls and not self.user:
            protocol = "SSL"
        config: dict[str, Any] = {
            "bootstrap_servers": list(self.servers),
            "client_id": self.prefix,
            "security_protocol": protocol,
            "request_timeout_ms": int(_REQUEST_S * 1000),
        }
        if self.tls:
            config["ssl_context"] = create_default_context()
        if self.user:
            config |= {
                "sasl_mechanism": "SCRAM-SHA-512",
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return config

    def topic(self, priority: Priority) -> str:
        """The topic of a priority."""
        return f"{self.prefix}.jobs.{priority.name.lower()}"

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics of jobs, the most urgent first."""
        return tuple(self.topic(p) for p in sorted(Priority, reverse=True))

    @property
    def dead(self) -> str:
        """The topic of dead letters."""
        return f"{self.prefix}.jobs.dead"

    @property
    def group(self) -> str:
        """The consumer group of all workers."""
        return f"{self.prefix}-workers"


class KafkaQueue:
    """Implements `ports.queue.JobQueue`; used by several workers of one event loop."""

    def __init__(self, address: KafkaAddress) -> None:
        self._address = address
        self._producer: AIOKafkaProducer | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._watcher: AIOKafkaConsumer | None = None
        self._connecting = asyncio.Lock()
        self._polling = asyncio.Lock()
        self._progress = KafkaProgress()
        self._returned: deque[Delivery] = deque()
        self._watcher_lock = asyncio.Lock()
        self._checked_at = 0.0
        self._read = False
        self._idle_checks = 0
        self._unavailable_until = 0.0

    async def put(self, job_id: str, priority: Priority) -> None:
        """A message, confirmed by the broker."""
        body = {"job": job_id, "priority": int(priority)}
        await self._send(self._address.topic(priority), job_id, body)

    async def dead_letter(self, job_id: str, reason: str) -> None:
        """A message to the topic of dead letters."""
        await self._send(self._address.dead, job_id, {"job": job_id, "reason": reason})

    async def take(self, wait_s: float) -> Delivery | None:
        """The next message of the most urgent topic that has one here."""
        end = time.monotonic() + wait_s
        async with self._polling:
            while True:
                if self._returned:
                    return self._returned.popleft()
                async with _translated():
                    consumer = await self._connected_consumer()
                    delivery = await self._poll(consumer, min(_POLL_S, max(0.0, end - _now())))
                if delivery is not None or _now() >= end:
                    return delivery

    async def ack(self, delivery: Delivery) -> None:
        """Commit up to the first unacknowledged message."""
        partition, offset = _position(delivery)
        upto = self._progress.done(partition, offset)
        if self._consumer is None or upto is None:
            return
        # Else aiokafka retries for as long as the broker is away, and the lease expires.
        async with _translated(), asyncio.timeout(_REQUEST_S):
            try:
                await self._consumer.commit({partition: upto})
            except (CommitFailedError, IllegalStateError):
                # The group is rebalanced: the message comes again, and its job is found leased.
                log.debug("a commit came in a rebalance")

    async def give_back(self, delivery: Delivery) -> None:
        """To the next `take` in this process; after its end the broker redelivers."""
        self._returned.append(delivery)

    async def lag(self) -> int:
        """Messages that the group has not committed."""
        async with _translated(), self._connected_watcher() as watcher:
            return await _lag(watcher, self._partitions(watcher))

    def _partitions(self, watcher: AIOKafkaConsumer) -> list[TopicPartition]:
        return [
            TopicPartition(topic, number)
            for topic in self._address.topics
            for number in sorted(watcher.partitions_for_topic(topic) or ())
        ]

    async def close(self) -> None:
        """Leave the group at once, so that others get its partitions."""
        clients = (self._consumer, self._watcher, self._producer)
        self._consumer = self._watcher = self._producer = None
        for client in clients:
            await _stop(client)

    async def _send(self, topic: str, key: str, body: dict[str, Any]) -> None:
        if _now() < self._unavailable_until:
            raise Unavailable(_UNAVAILABLE)
        try:
            async with _translated():
                producer = await self._connected_producer()
                await producer.send_and_wait(topic, json.dumps(body).encode(), key=key.encode())
        except Unavailable:
            # Submitting a job must not wait for a broker that is known to be unavailable.
            self._unavailable_until = _now() + _COOL_DOWN_S
            failed, self._producer = self._producer, None
            await _stop(failed)
            raise

    async def _connected_producer(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                await self._make_topics()
                producer = AIOKafkaProducer(**self._address.client(), acks="all", partitioner=_any)
                self._producer = await _started(producer)
            return self._producer

    async def _connected_consumer(self) -> AIOKafkaConsumer:
        async with self._connecting:
            if self._consumer is None:
                await self._make_topics()
                consumer = AIOKafkaConsumer(
                    **self._address.client(),
                    group_id=self._address.group,
                    enable_auto_commit=False,
                    auto_offset_reset="earliest",
                    max_poll_records=1,
                    session_timeout_ms=int(_SESSION_S * 1000),
                    heartbeat_interval_ms=int(_SESSION_S * 1000 / 4),
                )
                # Started with a subscription it would wait for the group, which may take long.
                self._consumer = await _started(consumer)
                self._consumer.subscribe(list(self._address.topics), listener=self._progress)
                self._checked_at = _now()
        if _now() > self._checked_at + _CHECK_S:
            await self._check_consumer(self._consumer)
        return self._consumer

    async def _check_consumer(self, consumer: AIOKafkaConsumer) -> None:
        """Polls don't fail when the broker is unavailable or has lost its topics; so query it."""
        self._checked_at = _now()
        try:
            known = await asyncio.wait_for(consumer.topics(), _REQUEST_S)
        except BaseException:
            self._consumer = None
            await _stop(consumer)
            raise
        lost = not set(self._address.topics) <= known
        if lost or await self._stuck(consumer):
            self._consumer = None
            await _stop(consumer)
            raise KafkaError("the broker has lost its topics or this consumer")

    async def _stuck(self, consumer: AIOKafkaConsumer) -> bool:
        """Whether nothing was read for a while although our partitions have messages.

        After some checks, other consumers' partitions count too: a broker that came back with less
        or more partitions than before may have some that no consumer was assigned.
        """
        read, self._read = self._read, False
        self._idle_checks = 0 if read else self._idle_checks + 1
        if read:
            return False
        async with self._connected_watcher() as watcher:
            ours = sorted(consumer.assignment())
            if self._idle_checks >= _MAX_IDLE_CHECKS:
                self._idle_checks, ours = 0, self._partitions(watcher)
            return await _lag(watcher, ours) > 0

    @asynccontextmanager
    async def _connected_watcher(self) -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer that only reads offsets, one caller at a time; a new one after a failure."""
        async with self._watcher_lock, asyncio.timeout(_REQUEST_S):
            try:
                if self._watcher is None:
                    await self._make_topics()
                    watcher = AIOKafkaConsumer(
                        **self._address.client(), group_id=self._address.group,
                        enable_auto_commit=False,
                    )  # fmt: skip
                    self._watcher = await _started(watcher)
                await self._watcher.topics()
                yield self._watcher
            except BaseException:
                failed, self._watcher = self._watcher, None
                await _stop(failed)
                raise

    async def _poll(self, consumer: AIOKafkaConsumer, wait_s: float) -> Delivery | None:
        assigned = consumer.assignment()
        for topic in self._address.topics:
            ours = [p for p in assigned if p.topic == topic]
            found = await consumer.getmany(*ours, timeout_ms=0, max_records=1) if ours else {}
            if found:
                return self._delivery(found)
        return self._delivery(await consumer.getmany(timeout_ms=int(wait_s * 1000), max_records=1))

    def _delivery(self, found: dict[TopicPartition, Sequence[Any]]) -> Delivery | None:
        for partition, records in found.items():
            for record in records:
                self._progress.begun(partition, record.offset)
                self._read = True
                receipt = f"{partition.topic}/{partition.partition}/{record.offset}"
                return Delivery(*_read(record.value), receipt)
        return None

    async def _make_topics(self) -> None:
        admin = AIOKafkaAdminClient(**self._address.client())
        try:
            await admin.start()
            count, replicas = self._address.partitions, self._address.replicas
            topics = [NewTopic(t, count, replicas) for t in self._address.topics]
            keep = {"retention.ms": str(int(self._address.keep_s * 1000))}
            topics += [NewTopic(self._address.dead, 1, replicas, topic_configs=keep)]
            made = await admin.create_topics(topics)
            for entry in made.topic_errors:
                if entry[1] not in (0, _EXISTS):
                    raise for_code(entry[1])(f"can't make the topic {entry[0]}")
        finally:
            await admin.close()


def _any(key: bytes, every: Sequence[int], available: Sequence[int]) -> int:
    """Not by key: a job that is put again must not wait for a partition that nobody reads."""
    return random.choice(available or every)  # noqa: S311 (no secret)


async def _lag(watcher: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> int:
    """Messages that the group has not committed."""
    ends = await watcher.end_offsets(partitions)
    begins = await watcher.beginning_offsets(partitions)
    behind = 0
    for partition in partitions:
        committed = await watcher.committed(partition)
        behind += max(0, ends[partition] - (committed or begins[partition]))
    return behind


def _read(value: bytes) -> tuple[str, Priority]:
    """A message's job; a foreign message has no job id, and the worker drops it."""
    try:
        body = json.loads(value)
        job, priority = str(body["job"]), Priority(body["priority"])
    except (ValueError, KeyError, TypeError):
        return "", Priority.NORMAL
    return (job if is_job_id(job) else ""), priority


def _position(delivery: Delivery) -> tuple[TopicPartition, int]:
    topic, partition, offset = delivery.receipt.rsplit("/", 2)
    return TopicPartition(topic, int(partition)), int(offset)


def _now() -> float:
    return time.monotonic()


async def _started(client: Any) -> Any:
    try:
        await asyncio.wait_for(client.start(), _REQUEST_S)
    except BaseException:
        await _stop(client)
        raise
    return client


async def _stop(client: Any) -> None:
    try:
        if client is not None:
            await asyncio.wait_for(client.stop(), _REQUEST_S)
    except (KafkaError, OSError, TimeoutError) as error:
        log.debug("a client did not stop well: %s", type(error).__name__)
    except asyncio.CancelledError:
        _raise_if_cancelled()


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(_UNAVAILABLE) from error
    except asyncio.CancelledError:
        _raise_if_cancelled()
        raise Unavailable(_UNAVAILABLE) from None


def _raise_if_cancelled() -> None:
    """Re-raise only our caller's cancellation: aiokafka cancels waiters of broken connections."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
