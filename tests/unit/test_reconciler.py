"""Reconciler and sweeper with real stores in a folder, a real receiver, and a fake clock."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.support.job_place import POLICY, START, Place, job_place, once
from tests.support.webhook_receiver import Receiver, receiver
from zhiyin.core.jobs import lifecycle
from zhiyin.domain.errors import Unavailable
from zhiyin.domain.job import (
    JobState,
    WebhookState,
    new_job_id,
)
from zhiyin.store.jobs_sql.queue import LocalQueue


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as started:
        yield started


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with job_place(tmp_path) as made:
        yield made


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


async def stored(place: Place) -> list[str]:
    return sorted(path.name for path in place.folder.glob("blobs/??/*"))
