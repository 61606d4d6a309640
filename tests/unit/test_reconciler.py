"""Reconciler and worker with real stores in a folder, a real receiver, and a fake clock."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from tests.support.job_records import sure
from tests.support.waiting import until
from tests.support.webhook_receiver import Receiver, receiver
from zhiyin.core.jobs import lifecycle, webhooks
from zhiyin.core.jobs.delivery import WebhookDelivery
from zhiyin.core.jobs.host_slots import HostSlots
from zhiyin.core.jobs.reconciler import Reconciler
from zhiyin.core.jobs.records import JobRecords
from zhiyin.core.jobs.sweeping import JobSweeper
from zhiyin.domain.errors import Unavailable
from zhiyin.domain.job import (
    Job,
    JobPolicy,
    JobRequest,
    JobState,
    Recording,
    WebhookState,
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


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as started:
        yield started


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    clock = Clock()
    database = jobs_database(f"sqlite+aiosqlite:///{tmp_path / 'x.sqlite3'}")
    records = JobRecords(SqlJobs(database, PlainRing()), POLICY, clock)
    queue = LocalQueue(database, clock=clock)
    blobs = FolderBlobs(tmp_path / "blobs")
    web = GuardedWeb(WebLimits(5, 5, parse_networks(["127.0.0.0/8", "::1"], "x")))
    observer, secrets = MemoryObserver(), webhooks.parse_secrets(SECRET)
    delivery = WebhookDelivery(records, web, secrets, HostSlots(16, 4), observer)
    reconciler = Reconciler(records, queue, blobs, delivery, observer)
    sweeper = JobSweeper(records, blobs, observer)
    yield Place(reconciler, sweeper, records, queue, blobs, clock, tmp_path, observer)
    await web.close()
    await database.close()


async def test_a_job_that_never_came_into_the_queue_is_put(place: Place) -> None:
    job = await place.add()
    await place.reconcile()
    delivery = await place.queue.take(0)
    assert delivery is not None
    assert delivery.job_id == job.id


async def test_what_the_queue_has_lost_is_put_again_once_it_is_idle(place: Place) -> None:
    job, other = await place.add(), await place.add()
    await place.reconcile()
    for _ in range(2):
        delivery = await place.queue.take(0)
        assert delivery is not None
        await place.queue.ack(delivery)  # and then both are lost
    await place.queue.put(other.id, other.request.priority)
    await place.reconcile(POLICY.redeliver_s + 1)
    assert await place.queue.lag() == 1, "a queue that has work explains the wait"
    delivery = await place.queue.take(0)
    assert delivery is not None
    await place.queue.ack(delivery)
    await place.reconcile(POLICY.redeliver_s + 1)
    assert await place.queue.lag() == 2
    assert (await place.now(job)) is not None


async def test_a_queue_in_which_nothing_moves_explains_no_wait(place: Place) -> None:
    """A broker that lost its data may hold messages that its consumers believe to have read."""
    await place.add()
    await place.reconcile()
    await place.reconcile(POLICY.redeliver_s + 1)
    assert place.counts["queued_again"] == 1
    await place.reconcile(POLICY.redeliver_s + 1)
    assert place.counts["queued_again"] == 2


async def test_a_lost_lease_is_given_to_others_then_the_job_fails(
    place: Place, hook: Receiver
) -> None:
    job = await place.add(f"{hook.url}/h")
    await place.leased(job)
    await place.reconcile(9)
    held = await place.now(job)
    assert held is not None
    assert held.state is JobState.RUNNING
    await place.reconcile(2)
    assert place.counts["leases_lost"] == 1
    assert await place.queue.lag() == 1
    await place.leased(job)
    await place.reconcile(11)
    await place.reconcile()
    failed = await place.now(job)
    assert failed is not None
    assert (failed.state, failed.failure) == (JobState.FAILED, lifecycle.LOST)
    (message,) = hook.messages
    assert message.content["type"] == "job.failed"


async def test_messages_that_nobody_takes_are_given_up(place: Place, hook: Receiver) -> None:
    hook.failures = 100
    job = await place.add(f"{hook.url}/h")
    await place.records.change(
        job.id, partial(lifecycle.cancelled, now=place.clock.now, policy=POLICY)
    )
    for _ in range(6):
        await place.reconcile(60)
    ended = await place.now(job)
    assert ended is not None
    assert (ended.webhook.delivery, ended.webhook.attempts) == (WebhookState.GIVEN_UP, 2)
    assert hook.failures == 98
    assert place.counts["webhooks_given_up"] == 1


async def test_two_reconcilers_deliver_a_webhook_once(place: Place, hook: Receiver) -> None:
    job = await place.add(f"{hook.url}/h")
    await place.records.change(
        job.id, partial(lifecycle.cancelled, now=place.clock.now, policy=POLICY)
    )
    second = replace(place.reconciler, webhooks=replace(place.reconciler.webhooks, tasks=set()))
    await asyncio.gather(place.reconciler.reconcile(), second.reconcile())
    for reconciler in (place.reconciler, second):
        while reconciler.webhooks.tasks:
            await asyncio.wait(reconciler.webhooks.tasks)
    assert len(hook.messages) == 1


async def test_recordings_and_records_go_at_their_time(place: Place) -> None:
    job = await place.add()
    held = await place.leased(job)
    await place.blobs.write(f"{job.id}.1-1.result", once(b"{}"), 100)
    step = partial(
        lifecycle.done, token="t", result=f"{job.id}.1-1.result", duration_s=1.0,
        now=place.clock.now, policy=POLICY,
    )  # fmt: skip
    assert await place.records.change(held.id, step)
    await place.reconcile(POLICY.audio_ttl_s - 1)
    assert len(await stored(place)) == 2
    await place.reconcile(2)
    assert await stored(place) == [f"{job.id}.1-1.result"]
    await place.reconcile(POLICY.keep_s)
    assert await stored(place) == []
    assert await place.now(job) is None
    counts = place.counts
    assert (counts["audio_deleted"], counts["jobs_forgotten"]) == (1, 1)


async def test_a_job_that_nobody_came_to_expires(place: Place) -> None:
    job = await place.add()
    await place.reconcile(POLICY.audio_ttl_s + 1)
    await place.reconcile()
    ended = await place.now(job)
    assert ended is not None
    assert ended.failure == lifecycle.EXPIRED
    assert await stored(place) == []
    assert place.counts["jobs_expired"] == 1


async def test_blobs_without_a_job_are_swept(place: Place) -> None:
    job = await place.add()
    stray = f"{new_job_id(START)}.audio"
    old_result = f"{job.id}.1-1.result"
    for name in (stray, old_result):
        await place.blobs.write(name, once(b"x"), 10)
    for path in place.folder.glob("blobs/??/*"):
        os.utime(path, (START, START))
    place.clock.now = START + 1800
    await place.sweeper.orphans()
    assert len(await stored(place)) == 3, "they may belong to what is just being written"
    place.clock.now = START + 2 * 3600
    await place.sweeper.orphans()
    assert await stored(place) == [f"{job.id}.audio"]
    assert place.counts["orphans_deleted"] == 2


async def test_a_queue_that_is_away_is_tried_again(place: Place) -> None:
    class Away(LocalQueue):
        away = True

        async def put(self, job_id: str, priority: object) -> None:
            if self.away:
                raise Unavailable("away")
            await super().put(job_id, priority)  # type: ignore[arg-type]

    queue = Away(place.queue._database, clock=place.clock)
    reconciler = replace(place.reconciler, queue=queue)
    job = await place.add()
    await reconciler.reconcile()
    held = await place.now(job)
    assert held is not None
    assert held.put_at is None
    queue.away = False
    place.clock.now += POLICY.retry_s
    await reconciler.reconcile()
    assert await queue.lag() == 1


class Broken(FolderBlobs):
    """A store that deletes nothing, or does not answer."""

    silent = False
    tried = 0

    async def delete(self, name: str) -> bool:
        self.tried += 1
        if self.silent:
            await asyncio.sleep(3600)
        raise Unavailable("away")


@pytest.mark.parametrize("silent", [False, True])
async def test_what_can_not_be_deleted_holds_up_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    monkeypatch.setattr("zhiyin.core.jobs.reconciler._DELETIONS_S", 0.1)
    for _ in range(105):  # more than a round takes, and due for longer than the rest
        ended = await place.add(blob=False)
        recording = replace(ended.recording, blob=f"{ended.id}.audio", until=place.clock.now)
        await place.records.swap(replace(ended, recording=recording, state=JobState.CANCELLED))
    place.clock.now += 1
    job = await place.leased(await place.add())
    place.clock.now += POLICY.lease_s + 1
    blobs = Broken(place.folder / "blobs")
    blobs.silent = silent
    reconciler = replace(place.reconciler, blobs=blobs)
    assert await reconciler.reconcile()
    assert not await reconciler.reconcile()
    held = await place.now(job)
    assert held is not None
    assert held.state is JobState.QUEUED, "its lease was lost, and that was seen"
    assert blobs.tried == 1, "one attempt shows that the store is away"
    monkeypatch.undo()
    reconciler = replace(reconciler, blobs=place.blobs)
    for _ in range(2):
        place.clock.now += 31
        await reconciler.reconcile()
    assert place.counts["audio_deleted"] == 105, "later all of it is deleted"


async def test_a_deletion_that_failed_long_ago_is_found(place: Place) -> None:
    """Its blob is older than what an hourly look looks at."""
    await place.sweeper.orphans()
    job = await place.add()
    for path in place.folder.glob("blobs/??/*"):
        os.utime(path, (START, START))
    for _ in range(8):
        place.clock.now += 3600
        await place.sweeper.orphans()
    assert await place.records.store.remove(sure(await place.now(job)))
    broken = replace(place.sweeper, blobs=Broken(place.folder / "blobs"))
    for _ in range(24):
        place.clock.now += 3600
        await broken.orphans()
    assert len(await stored(place)) == 1
    place.clock.now += 3600
    await replace(broken, blobs=place.blobs).orphans()
    assert await stored(place) == []


async def test_what_a_running_job_is_fetching_is_not_swept(place: Place) -> None:
    job = await place.leased(await place.add(blob=False))
    name = f"{job.id}.audio"
    await place.blobs.write(name, once(b"half an hour of it"), 100)
    for path in place.folder.glob("blobs/??/*"):
        os.utime(path, (START, START))
    place.clock.now += 5 * 3600
    await place.sweeper.orphans()
    assert await stored(place) == [name]


async def test_a_receiver_that_does_not_answer_holds_up_nobody(
    place: Place, hook: Receiver
) -> None:
    silent = await asyncio.start_server(lambda *_: asyncio.sleep(60), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    for _ in range(120):
        await cancelled(place, f"http://localhost:{port}/h")
    place.clock.now += 1
    job = await cancelled(place, f"{hook.url}/h")
    lost = await place.leased(await place.add())
    place.clock.now += POLICY.lease_s + 1
    async with asyncio.timeout(60):
        assert await place.reconciler.reconcile()
        assert not await place.reconciler.reconcile()
        await until(lambda: hook.messages)
    assert hook.messages[0].content["data"]["id"] == job.id
    assert sure(await place.now(lost)).state is JobState.QUEUED
    assert len(place.reconciler.webhooks.tasks) <= 4 + 1, "of one host only so many"
    await place.reconciler.webhooks.close()
    silent.close()


async def cancelled(place: Place, webhook_url: str) -> Job:
    job = await place.add(webhook_url, blob=False)
    step = partial(lifecycle.cancelled, now=place.clock.now, policy=POLICY)
    return sure(await place.records.change(job.id, step))


async def stored(place: Place) -> list[str]:
    return sorted(path.name for path in place.folder.glob("blobs/??/*"))
