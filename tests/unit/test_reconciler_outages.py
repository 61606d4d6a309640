"""What fails in reconciling jobs holds up nothing else, and is done later."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.support.job_place import POLICY, START, Place, job_place, once
from tests.support.job_records import sure
from tests.support.waiting import until
from tests.support.webhook_receiver import Receiver, receiver
from zhiyin.core.jobs import lifecycle
from zhiyin.domain.errors import Unavailable
from zhiyin.domain.job import (
    Job,
    JobState,
)
from zhiyin.store.blobs_folder import FolderBlobs


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as started:
        yield started


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with job_place(tmp_path) as made:
        yield made


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
    assert blobs.tried <= 3, "few attempts show that the store is away"
    monkeypatch.undo()
    reconciler = replace(reconciler, blobs=place.blobs)
    for _ in range(6):
        place.clock.now += 31
        await reconciler.reconcile()
    assert place.counts["audio_deleted"] == 105, "later all of it is deleted"


async def test_one_that_can_not_be_deleted_keeps_no_other(place: Place, hook: Receiver) -> None:
    """Nor its own message, though its recording is due to be deleted."""

    class Partly(FolderBlobs):
        async def delete(self, name: str) -> bool:
            if name.split(".", 1)[0] in stuck:
                raise Unavailable("no permission")
            return await super().delete(name)

    jobs = [await place.add(f"{hook.url}/h") for _ in range(10)]
    stuck = {job.id for job in jobs[:5]}
    for job in jobs:
        step = partial(lifecycle.cancelled, now=place.clock.now, policy=POLICY)
        await place.records.change(job.id, step)
    blobs = Partly(place.folder / "blobs")
    place = replace(place, reconciler=replace(place.reconciler, blobs=blobs))
    place.clock.now += POLICY.cancelled_ttl_s
    for _ in range(12):
        await place.reconcile(31)
    assert await stored(place) == sorted(f"{name}.audio" for name in stuck)
    assert len(hook.by_job()) == 10


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
