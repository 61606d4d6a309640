"""SQLite's journal: what was deleted is gone from it too, or the receipt says that it is not."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.history_databases import START, entry, texts
from tests.support.job_records import made
from tests.support.waiting import until
from zhiyin.core.erasure import Erasure
from zhiyin.core.history.erasure import OwnedHistory
from zhiyin.core.history.retention import RetentionPolicy, Sweeper
from zhiyin.core.history.writer import HistoryWriter, HistoryWriterPolicy
from zhiyin.core.jobs.erasure import OwnedJobs
from zhiyin.core.jobs.records import JobRecords
from zhiyin.core.jobs.service import JobRules, JobService
from zhiyin.core.jobs.sweeping import JobSweeper
from zhiyin.domain.errors import Unavailable
from zhiyin.domain.job import JobPolicy
from zhiyin.store.blobs_folder import FolderBlobs
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.history_sql.database import history_database
from zhiyin.store.history_sql.store import SqlHistory
from zhiyin.store.jobs_sql.database import OPTIONS, jobs_database
from zhiyin.store.jobs_sql.queue import LocalQueue
from zhiyin.store.jobs_sql.store import SqlJobs
from zhiyin.store.sql.engine import DatabaseOptions

SECRET = b"quokka-in-the-journal"
NOTHING = cast("Any", None)


@dataclass
class Place:
    """History and jobs in files, without encryption, so that what is left can be seen."""

    folder: Path
    history: SqlHistory
    service: JobService

    @property
    def erasure(self) -> Erasure:
        writer = HistoryWriter(self.history, HistoryWriterPolicy())
        return Erasure([OwnedHistory(writer, self.history), OwnedJobs(self.service)])

    async def fill(self) -> None:
        await self.history.add([entry(SECRET.decode(), owner="ann") for _ in range(3)])
        job = made(owner="ann")
        options = job.request.options
        options = replace(options, decode=replace(options.decode, prompt=SECRET.decode()))
        await self.service.records.add(replace(job, request=replace(job.request, options=options)))

    async def erased(self) -> bool:
        return not await texts(self.history, owner="ann")

    def left(self) -> list[str]:
        """Files that have it in them."""
        return sorted(p.name for p in self.folder.glob("*") if SECRET in seen(p))

    @contextmanager
    def reader(self, name: str) -> Iterator[sqlite3.Connection]:
        """Somebody reads the database, as a backup does."""
        with closing(sqlite3.connect(self.folder / name, isolation_level=None)) as reading:
            reading.execute("BEGIN")
            reading.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            yield reading


def seen(file: Path) -> bytes:
    return file.read_bytes() if file.is_file() else b""


@pytest.fixture(params=[0.0, 30.0], ids=["short", "long"])
async def place(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    jobs = jobs_database(
        f"sqlite+aiosqlite:///{tmp_path / 'jobs.db'}", replace(OPTIONS, journal_s=request.param)
    )
    options = DatabaseOptions(journal_s=request.param)
    history = SqlHistory(
        history_database(f"sqlite+aiosqlite:///{tmp_path / 'history.db'}", options), PlainRing()
    )
    records = JobRecords(SqlJobs(jobs, PlainRing()), JobPolicy())
    rules = JobRules(False, False, 1 << 20, 1)
    blobs = FolderBlobs(tmp_path / "blobs")
    queue, none = LocalQueue(jobs), NOTHING
    service = JobService(none, none, records, queue, blobs, none, rules, none)
    yield Place(tmp_path, history, service)
    await history.close()
    await jobs.close()


async def sweep(place: Place, keep_s: float = 0.0) -> None:
    await Sweeper(place.history, RetentionPolicy(keep_s)).sweep()
    await JobSweeper(place.service.records, place.service.blobs).journal()


@pytest.mark.parametrize("place", [0.0], indirect=True)
@pytest.mark.parametrize(("name", "kind"), [("history.db", "history"), ("jobs.db", "jobs")])
async def test_what_a_reader_keeps_is_named_and_swept_later(
    place: Place, name: str, kind: str
) -> None:
    await place.fill()
    with place.reader(name):
        with pytest.raises(Unavailable, match=f"left: {kind}\\.") as caught:
            await place.erasure.erase("ann")
        assert caught.value.code == "erasure_incomplete"
        assert place.left(), "it is still there, so the answer was right"
        with pytest.raises(Unavailable, match="somebody reads"):
            await sweep(place)
    await sweep(place)
    assert place.left() == []


@pytest.mark.parametrize("place", [30.0], indirect=True)
async def test_a_reader_that_leaves_is_waited_for(place: Place) -> None:
    await place.fill()
    with place.reader("history.db") as one, place.reader("jobs.db") as two:
        erasing = asyncio.create_task(place.erasure.erase("ann"))
        await until(place.erased)
        assert SECRET in seen(place.folder / "history.db-wal")
        one.execute("COMMIT")
        two.execute("COMMIT")
        receipt = await erasing
    assert (receipt.counts["history"], receipt.counts["jobs"]) == (3, 1)
    assert place.left() == []


@pytest.mark.parametrize("place", [0.0], indirect=True)
async def test_what_is_deleted_by_its_age_or_alone_leaves_the_journal_too(place: Place) -> None:
    await place.fill()
    kept = entry(SECRET.decode(), owner="ann", time=START + timedelta(days=1))
    await place.history.add([kept])
    await place.history.delete("ann", kept.id)
    (job,) = await place.service.records.store.due(2e9, 10)
    await place.service.delete("ann", job.id)
    assert set(place.left()) >= {"history.db-wal", "jobs.db-wal"}
    await sweep(place, keep_s=1.0)
    assert place.left() == []


@pytest.mark.parametrize("place", [0.0], indirect=True)
async def test_the_sweeper_runs_also_when_transcripts_are_kept_for_ever(place: Place) -> None:
    await place.fill()
    (first, *_) = await place.history.entries(0, 1)
    await place.history.erase("ann")
    await place.history.add([first])
    await place.history.delete("ann", first.id)
    assert "history.db-wal" in place.left()
    sweeper = Sweeper(place.history, RetentionPolicy(0.0))
    sweeper.start()
    await until(lambda: "history.db-wal" not in place.left())
    await sweeper.close()
