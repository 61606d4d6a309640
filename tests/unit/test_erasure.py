"""Erasing an owner, with real stores of two owners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.caption_rooms import final, reading, replicas
from tests.support.history_databases import HistoryDatabase as HistoryPlace
from tests.support.history_databases import entry, texts
from tests.support.job_records import made
from zhiyin.core.captions.rooms import Rooms
from zhiyin.core.erasure import Erasure
from zhiyin.core.history.erasure import OwnedHistory
from zhiyin.core.history.writer import HistoryWriter, HistoryWriterPolicy
from zhiyin.core.jobs.erasure import OwnedJobs, OwnedRecordings
from zhiyin.core.jobs.records import JobRecords
from zhiyin.core.jobs.service import JobRules, JobService
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import Unavailable
from zhiyin.domain.history import HistoryEntry
from zhiyin.domain.job import Job, JobPolicy, JobState
from zhiyin.ports.erasure import Erasable
from zhiyin.store.blobs_folder import FolderBlobs
from zhiyin.store.captions_memory import MemoryCaptions
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.history_sql.store import SqlHistory
from zhiyin.store.jobs_sql.database import jobs_database
from zhiyin.store.jobs_sql.queue import LocalQueue
from zhiyin.store.jobs_sql.store import SqlJobs

NOTHING = {"history": 0, "jobs": 0, "recordings": 0, "captions": 0, "cache": 0}


async def once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def traces(folder: Path, word: str) -> list[str]:
    """Files that have the word in them."""
    files = [p for p in folder.rglob("*") if p.is_file()]
    return sorted(p.name for p in files if word.encode() in p.read_bytes())


@dataclass
class Place:
    """All that is kept, without encryption, so that what is left can be seen."""

    history: SqlHistory
    history_writer: HistoryWriter
    service: JobService
    rooms: Rooms
    folder: Path

    @property
    def erasure(self) -> Erasure:
        jobs = OwnedRecordings(self.service), OwnedJobs(self.service)
        return Erasure([OwnedHistory(self.history_writer, self.history), *jobs, self.rooms])

    async def fill(self, owner: str, count: int) -> list[Job]:
        """Something of everything; jobs in different states."""
        await self.history.add([entry(f"{owner}-said", owner=owner) for _ in range(count)])
        states = list(JobState)
        jobs = []
        for number in range(count):
            job = made(number, owner=owner, state=states[number % len(states)])
            options = job.request.options
            options = replace(options, decode=replace(options.decode, prompt=f"{owner}-said"))
            audio, result = f"{job.id}.audio", f"{job.id}.1-1.result"
            for name in (audio, result):
                await self.service.blobs.write(name, once(f"{owner}-said".encode()), 1000)
            job = replace(
                job, request=replace(job.request, options=options), result=result, attempts=1,
                recording=replace(job.recording, blob=audio),
            )  # fmt: skip
            jobs.append(await self.service.records.add(job))
        speaker = await self.rooms.speak(owner, Caller(owner))
        for number in range(count):
            speaker.publish(final(number))
        await speaker.finish()
        return jobs


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    database = jobs_database(f"sqlite+aiosqlite:///{tmp_path / 'jobs.sqlite3'}")
    nothing = cast("Any", None)
    records = JobRecords(SqlJobs(database, PlainRing()), JobPolicy())
    rules = JobRules(False, False, 1 << 20, 1)
    service = JobService(
        nothing, nothing, records, LocalQueue(database), FolderBlobs(tmp_path / "blobs"), nothing,
        rules, nothing,
    )  # fmt: skip
    kept = HistoryPlace(f"sqlite+aiosqlite:///{tmp_path / 'history.db'}")
    async with kept.open() as history, replicas(MemoryCaptions()) as (rooms,):
        history_writer = HistoryWriter(history, HistoryWriterPolicy())
        yield Place(history, history_writer, service, rooms, tmp_path)
    await database.close()


async def test_everything_of_the_owner_is_gone_and_counted(place: Place) -> None:
    jobs = await place.fill("ann", 7)
    await place.fill("bob", 3)
    assert len(traces(place.folder, "ann-said")) >= 16
    before = datetime.now(UTC)
    receipt = await place.erasure.erase("ann")
    assert receipt.owner == "ann"
    assert before <= receipt.erased_at <= datetime.now(UTC)
    assert receipt.counts == NOTHING | {"history": 7, "jobs": 7, "recordings": 7, "captions": 7}
    assert traces(place.folder, "ann-said") == []
    assert [await place.service.records.store.get(job.id) for job in jobs] == [None] * 7
    assert await place.rooms.history("ann") == ()
    assert (await place.erasure.erase("ann")).counts == NOTHING


async def test_another_owners_data_stays(place: Place) -> None:
    await place.fill("ann", 2)
    jobs = await place.fill("bob", 5)
    left = traces(place.folder, "bob-said")
    await place.erasure.erase("ann")
    assert [await place.service.get("bob", job.id) for job in jobs] == jobs
    blobs = [name for name in left if name.startswith("job_")]
    assert len(blobs) == 10
    assert set(blobs) <= set(traces(place.folder, "bob-said"))
    assert await texts(place.history, owner="bob") == ["bob-said"] * 5
    assert len(await place.rooms.history("bob")) == 5
    assert (await place.erasure.erase("bob")).counts["jobs"] == 5


async def test_what_a_killed_worker_left_is_erased(place: Place) -> None:
    (job,) = await place.fill("ann", 1)
    await place.service.blobs.write(f"{job.id}.1-3.result", once(b"ann-said"), 100)
    await place.erasure.erase("ann")
    assert traces(place.folder, "ann-said") == []


async def test_what_can_not_be_deleted_is_found_the_next_time(place: Place) -> None:
    jobs = await place.fill("ann", 4)
    blobs, stuck = place.service.blobs, f"{jobs[1].id}.audio"
    delete = blobs.delete

    async def failing(name: str) -> bool:
        if name == stuck:
            raise Unavailable("away")
        return await delete(name)

    blobs.delete = failing  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="left: recordings, jobs"):
        await place.erasure.erase("ann")
    assert len(traces(place.folder / "blobs", "ann-said")) == 1, "all else is gone"
    with pytest.raises(Unavailable):
        await place.service.delete("ann", jobs[1].id)
    blobs.delete = delete  # type: ignore[method-assign]
    assert (await place.erasure.erase("ann")).counts["jobs"] == 1
    assert traces(place.folder, "ann-said") == []


async def test_more_jobs_than_a_page(place: Place) -> None:
    for number in range(205):
        await place.service.records.add(made(number))
    assert (await place.erasure.erase("ann")).counts["jobs"] == 205


async def test_transcripts_that_wait_are_not_written_later(place: Place) -> None:
    for owner in ("ann", "bob", "ann"):
        assert place.history_writer.enqueue(entry(f"{owner}-said", owner=owner))
    assert (await place.erasure.erase("ann")).counts["history"] == 2
    place.history_writer.start()
    await place.history_writer.close()
    assert await texts(place.history, owner="ann") == []
    assert await texts(place.history, owner="bob") == ["bob-said"]


async def test_a_transcript_that_is_being_written_is_erased_too(place: Place) -> None:
    begun = asyncio.Event()
    add = place.history.add

    async def slow(entries: list[HistoryEntry]) -> int:
        begun.set()
        await asyncio.sleep(0.2)
        return await add(entries)

    place.history.add = slow  # type: ignore[method-assign, assignment]
    place.history_writer.start()
    place.history_writer.enqueue(entry("ann-said", owner="ann"))
    await begun.wait()
    assert (await place.erasure.erase("ann")).counts["history"] == 1
    await place.history_writer.close()
    assert await texts(place.history, owner="ann") == []


async def test_a_speaker_goes_on_and_late_viewers_see_what_is_new(place: Place) -> None:
    speaker = await place.rooms.speak("hall", Caller("ann"))
    async with reading(place.rooms, "hall") as viewer:
        speaker.publish(final(0))
        await viewer.has("text 0")
        assert (await place.erasure.erase("ann")).counts["captions"] == 1
        await asyncio.sleep(0.1)
        speaker.publish(final(1))
        await viewer.has("text 0", "text 1")
        async with reading(place.rooms, "hall") as late:
            assert late.texts == ["text 1"]
    await speaker.finish()


async def test_what_can_not_be_reached_is_said_after_all_else_is_done() -> None:
    class Kept:
        def __init__(self, name: str, broken: bool = False) -> None:
            self.name, self.broken, self.asked = name, broken, 0

        async def erase(self, owner: str) -> int:
            self.asked += 1
            if self.broken:
                raise Unavailable("away")
            return 2

    first, second = Kept("jobs", broken=True), Kept("cache")
    places: list[Erasable] = [first, second]
    with pytest.raises(Unavailable, match="left: jobs") as caught:
        await Erasure(places).erase("ann")
    assert caught.value.code == "erasure_incomplete"
    first.broken = False
    assert (await Erasure(places).erase("ann")).counts == NOTHING | {"jobs": 2, "cache": 2}
    assert (first.asked, second.asked) == (2, 2)
