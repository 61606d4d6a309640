"""Key rotation that is interrupted anywhere, or whose store fails: everything still opens."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.support.history_databases import entry, texts
from tests.support.interruptions import Interrupted
from tests.support.job_records import made
from tests.support.s3 import S3Server
from zhiyin.domain.errors import Unavailable
from zhiyin.domain.job import Job
from zhiyin.ports.blobs import BlobStore, Written
from zhiyin.ports.cipher import KeyRing
from zhiyin.store.blob_keys import BlobKeys
from zhiyin.store.blobs_folder import FolderBlobs
from zhiyin.store.blobs_s3 import S3Blobs
from zhiyin.store.blobs_sealed import CHUNK_BYTES, SealedBlobs
from zhiyin.store.cipher_aesgcm import AesRing, generate, parse_keys
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.history_sql.database import history_database
from zhiyin.store.history_sql.store import SqlHistory
from zhiyin.store.jobs_sql.database import jobs_database
from zhiyin.store.jobs_sql.keys import JobKeys
from zhiyin.store.jobs_sql.store import SqlJobs
from zhiyin.store.sql.database import Database

SOUND = b"what ann said " * (2 * CHUNK_BYTES // 14)
OLD, NEW = generate("k1"), generate("k2")
FIRST, BOTH = AesRing(parse_keys(OLD)), AesRing(parse_keys(f"{NEW},{OLD}"))
LAST = AesRing(parse_keys(NEW))
LATE = pytest.mark.parametrize("late", [False, True])


async def once(data: bytes) -> AsyncIterator[bytes]:
    yield data


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.stop()


class Place:
    """A database of jobs, with the blobs of one job beside it."""

    def __init__(self, folder: Path, make_blobs: Callable[[], BlobStore]) -> None:
        self.database = jobs_database(f"sqlite+aiosqlite:///{folder / 'jobs.sqlite3'}")
        self.make_blobs = make_blobs
        self.step = 1
        self.job = self.renamed()

    def renamed(self) -> Job:
        """A new job, with the name of a recording."""
        job = made()
        self.job = replace(job, recording=replace(job.recording, blob=f"{job.id}.audio"))
        return self.job

    def blobs(self, ring: KeyRing, inner: BlobStore | None = None) -> SealedBlobs:
        return SealedBlobs(inner or self.make_blobs(), BlobKeys(self.database, ring))

    async def fill(self) -> None:
        """A job and its recording, sealed with the old key."""
        job = self.renamed()
        await SqlJobs(self.database, FIRST).add(job)
        await self.blobs(FIRST).write(job.recording.blob, once(SOUND), 1 << 30)

    async def rotate(self, inner: BlobStore, new: KeyRing = BOTH) -> None:
        await JobKeys(self.database, inner, BOTH).reseal(new)

    async def check(self, ring: KeyRing) -> None:
        """Everything opens with these keys."""
        assert await SqlJobs(self.database, ring).get(self.job.id) == self.job
        with await self.blobs(ring).open(self.job.recording.blob) as stream:
            assert stream.read() == SOUND

    async def keys(self) -> int:
        return len(await BlobKeys(self.database, BOTH).names(0, time.time() + 60))


@pytest.fixture(params=["folder", "s3"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param == "s3":
        address = request.getfixturevalue("s3_server").address(f"at-{time.time_ns()}")
        made_place = Place(tmp_path, lambda: S3Blobs(address))
        made_place.step = 3  # else it takes long
    else:
        made_place = Place(tmp_path, lambda: FolderBlobs(tmp_path / "blobs"))
    yield made_place
    await made_place.database.close()


async def ended(blobs: BlobStore) -> None:
    """What a cancelled write left running on threads is done."""
    if isinstance(blobs, FolderBlobs):
        await asyncio.to_thread(blobs._pool.shutdown, wait=True)


@LATE
async def test_a_cancelled_rotation_of_jobs_loses_nothing(place: Place, late: bool) -> None:
    whole, at = False, 0
    while not whole:
        await place.fill()
        inner = place.make_blobs()
        whole = await Interrupted(place.rotate(inner), at, late=late)
        await ended(inner)
        await place.check(BOTH)
        await place.rotate(place.make_blobs())
        await place.check(LAST)
        await delete(place)
        at += place.step
    assert at > 15


async def delete(place: Place) -> None:
    await place.blobs(BOTH).delete(place.job.recording.blob)
    assert await SqlJobs(place.database, BOTH).remove(place.job)
    assert await place.keys() == 0


@LATE
async def test_a_cancelled_decryption_loses_nothing(place: Place, late: bool) -> None:
    whole, at = False, 0
    while not whole:
        await place.fill()
        inner = place.make_blobs()
        whole = await Interrupted(place.rotate(inner, PlainRing()), at, late=late)
        await ended(inner)
        await place.rotate(place.make_blobs())  # what is plain already is sealed, the rest anew
        await place.check(LAST)
        await delete(place)
        at += 7 * place.step


class LostAnswers:
    """A store that writes the value, and whose answer does not arrive."""

    def __init__(self, inner: BlobStore) -> None:
        self._inner = inner

    async def write(self, name: str, chunks: AsyncIterator[bytes], max_bytes: int) -> Written:
        await self._inner.write(name, chunks, max_bytes)
        raise Unavailable("It took too long.")

    async def open(self, name: str) -> BinaryIO:
        return await self._inner.open(name)

    async def free_bytes(self) -> int | None:
        return None

    async def delete(self, name: str) -> bool:
        return await self._inner.delete(name)

    async def names(self, after: float, before: float) -> Sequence[str]:
        return await self._inner.names(after, before)


async def test_a_write_whose_answer_is_lost_can_be_read(place: Place) -> None:
    await place.fill()
    with pytest.raises(Unavailable):
        await place.rotate(LostAnswers(place.make_blobs()))  # type: ignore[arg-type]
    await place.check(BOTH)
    await place.rotate(place.make_blobs())
    await place.check(LAST)
    assert await place.keys() == 1
    with pytest.raises(Unavailable):  # a new value, too
        await place.blobs(LAST, LostAnswers(place.make_blobs())).write(  # type: ignore[arg-type]
            place.job.recording.blob, once(SOUND), 1 << 30
        )
    await place.check(LAST)


async def test_a_rotation_whose_folder_fails_loses_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path, lambda: FolderBlobs(tmp_path / "blobs"))
    for number in range(4):
        await place.fill()
        with failing_sync(number) as calls:
            try:
                await place.rotate(place.make_blobs())
            except Unavailable:
                assert len(calls) > number
        await place.check(BOTH)
        await place.rotate(place.make_blobs())
        await place.check(LAST)
    await place.database.close()


@contextmanager
def failing_sync(number: int) -> Iterator[list[int]]:
    """The disk fails at one of the `fsync`s, with everything before it done."""
    real, calls = os.fsync, list[int]()

    def sync(file: int) -> None:
        calls.append(file)
        if len(calls) == number + 1:
            raise OSError(28, "No space left on device")
        real(file)

    os.fsync = sync  # type: ignore[assignment]
    try:
        yield calls
    finally:
        os.fsync = real


async def test_of_two_writers_the_last_can_be_read(place: Place) -> None:
    """A worker whose lease was lost may end its download after the next one."""
    name = place.job.recording.blob

    async def slow(data: bytes, go: asyncio.Event, begun: asyncio.Event) -> AsyncIterator[bytes]:
        yield data
        begun.set()
        await go.wait()

    for first in (0, 1):
        go, begun = [asyncio.Event(), asyncio.Event()], [asyncio.Event(), asyncio.Event()]
        writes = []
        for n in (0, 1):
            sound = slow(b"%d" % n, go[n], begun[n])
            writing = place.blobs(LAST).write(name, sound, 1 << 20)
            writes.append(asyncio.create_task(writing))
            await begun[n].wait()
        for n in (first, 1 - first):
            go[n].set()
            await writes[n]
            with await place.blobs(LAST).open(name) as stream:
                assert stream.read() == b"%d" % n


async def test_a_value_is_read_while_it_is_sealed_anew(place: Place) -> None:
    await place.fill()

    class Meanwhile(BlobKeys):
        """Between the looks at the value and at its key, another process rotates."""

        rotated = False

        async def held(self, name: str, key_id: str):  # type: ignore[no-untyped-def]
            if not self.rotated:
                self.rotated = True
                await place.rotate(place.make_blobs())
            return await super().held(name, key_id)

    blobs = SealedBlobs(place.make_blobs(), Meanwhile(place.database, BOTH))
    with await blobs.open(place.job.recording.blob) as stream:
        assert stream.read() == SOUND


@LATE
async def test_a_cancelled_rotation_of_the_history_loses_nothing(
    tmp_path: Path, late: bool
) -> None:
    database: Database = history_database(f"sqlite+aiosqlite:///{tmp_path / 'history.db'}")
    whole, at = False, 0

    async def rotate() -> None:
        after: int | None = 0
        history = SqlHistory(database, BOTH)
        while after is not None:
            after = (await history.reseal(after, 2, BOTH)).after

    while not whole:
        first = SqlHistory(database, FIRST)
        await first.add([entry("quokka one"), entry("quokka two"), entry("quokka three")])
        whole = await Interrupted(rotate(), at, late=late)
        kept = ["quokka three", "quokka two", "quokka one"]
        assert await texts(SqlHistory(database, BOTH), "quokka") == kept
        await rotate()
        assert await texts(SqlHistory(database, LAST), "quokka") == kept
        await SqlHistory(database, LAST).erase("anonymous")
        at += 3
    await database.close()
