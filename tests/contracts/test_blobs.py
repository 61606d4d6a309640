"""Every store of big values keeps the promises of `ports.blobs`."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.history_databases import ring
from tests.support.s3 import S3Server
from zhiyin.domain.errors import MissingBlob, TooLarge, Unavailable
from zhiyin.ports.blobs import BlobStore
from zhiyin.store.blob_keys import BlobKeys
from zhiyin.store.blobs_folder import FolderBlobs
from zhiyin.store.blobs_s3 import S3Blobs
from zhiyin.store.blobs_sealed import SealedBlobs
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.jobs_sql.database import jobs_database

_NUMBERS = itertools.count()
Files = Callable[[], list[Path]]
NAME = "job_019ab3f0d1c2a1b2c3d4e5f60718293a.audio"
BAD_NAMES = [
    "", ".", "..", "../x", "a/b", "/etc/passwd", "a\\b", "a..b", "a.b.c.d", "a\0b", "a" * 200,
    ".hidden", "a b", "a\n", "ä" * 4, "%2e%2e",
]  # fmt: skip


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def failing() -> AsyncIterator[bytes]:
    yield b"half"
    raise RuntimeError("the client left")


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.stop()


@dataclass
class Place:
    """A store, and the folder where its values are in the end."""

    blobs: BlobStore
    folder: Path


@pytest.fixture(params=["folder", "marked", "sealed", "s3", "sealed-s3"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    kind, folder = str(request.param), tmp_path / "blobs"
    inner: BlobStore = FolderBlobs(folder)
    if "s3" in kind:
        server: S3Server = request.getfixturevalue("s3_server")
        prefix = f"test-{next(_NUMBERS)}"
        inner, folder = S3Blobs(server.address(prefix)), server.files / prefix
    if kind in ("folder", "s3"):
        yield Place(inner, folder)
        return
    database = jobs_database(f"sqlite+aiosqlite:///{tmp_path / 'jobs.sqlite3'}")
    keys = BlobKeys(database, PlainRing() if kind == "marked" else ring("k1"))
    yield Place(SealedBlobs(inner, keys), folder)
    held = await keys.names(0, time.time() + 60)
    assert len(held) <= len([p for p in folder.rglob("*") if p.is_file()]), "a key without a blob"
    await database.close()


@pytest.fixture
def blobs(place: Place) -> BlobStore:
    return place.blobs


@pytest.fixture
def files(place: Place) -> Files:
    return lambda: [p for p in place.folder.rglob("*") if p.is_file()]


async def test_what_is_written_is_read(blobs: BlobStore, files: Files) -> None:
    written = await blobs.write(NAME, chunks(b"ab", b"", b"cd" * 100_000), 1 << 20)
    data = b"ab" + b"cd" * 100_000
    assert written.size_bytes == len(data)
    assert written.digest == hashlib.sha256(data).hexdigest()
    with await blobs.open(NAME) as stream:
        assert stream.read(1) == b"a"
        stream.seek(0)
        assert stream.read() == data
    await blobs.write(NAME, chunks(b"new"), 10)
    with await blobs.open(NAME) as stream:
        assert stream.read() == b"new"
    assert len(files()) == 1


async def test_too_much_leaves_nothing(blobs: BlobStore, files: Files) -> None:
    await blobs.write(NAME, chunks(bytes(10)), 10)
    with pytest.raises(TooLarge):
        await blobs.write(NAME.replace("a1", "b2"), chunks(bytes(6), bytes(6)), 10)
    assert len(files()) == 1


async def test_a_source_that_fails_leaves_nothing(blobs: BlobStore, files: Files) -> None:
    with pytest.raises(RuntimeError):
        await blobs.write(NAME, failing(), 100)
    assert files() == []
    with pytest.raises(MissingBlob):
        await blobs.open(NAME)


async def test_a_writer_that_is_cancelled_leaves_nothing(blobs: BlobStore, files: Files) -> None:
    begun = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x"
        begun.set()
        await asyncio.sleep(60)

    writing = asyncio.create_task(blobs.write(NAME, slow(), 100))
    await begun.wait()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert files() == []


async def test_deleting_forgets_and_may_be_repeated(blobs: BlobStore) -> None:
    await blobs.write(NAME, chunks(b"x"), 10)
    reader = await blobs.open(NAME)
    assert await blobs.delete(NAME)
    assert not await blobs.delete(NAME)
    assert reader.read() == b"x", "whoever reads it now reads on"
    reader.close()
    with pytest.raises(MissingBlob):
        await blobs.open(NAME)


async def test_names_by_the_time_of_writing(blobs: BlobStore) -> None:
    await blobs.write(NAME, chunks(b"x"), 10)
    now = time.time()
    assert await blobs.names(now - 60, now + 60) == [NAME]
    assert await blobs.names(now + 60, now + 120) == []
    assert await blobs.names(0, now - 60) == []


@pytest.mark.parametrize("place", ["folder"], indirect=True)
async def test_what_a_killed_writer_left_is_swept(blobs: BlobStore, files: Files) -> None:
    await blobs.write(NAME, chunks(b"x"), 10)
    left = files()[0].parent / ".tmpabc"
    left.write_bytes(b"half")
    await blobs.names(0, time.time() + 60)
    assert not left.exists()
    assert len(files()) == 1


async def test_large_values_go_in_parts(blobs: BlobStore) -> None:
    part = bytes(range(256)) * 4096
    written = await blobs.write(NAME, chunks(*[part] * 20), 1 << 30)
    with await blobs.open(NAME) as stream:
        stream.seek(-3, 2)
        assert stream.read() == part[-3:]
        stream.seek(0)
        assert hashlib.sha256(stream.read()).hexdigest() == written.digest


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_names_can_not_lead_elsewhere(blobs: BlobStore, files: Files, name: str) -> None:
    for verb in (blobs.open(name), blobs.delete(name), blobs.write(name, chunks(b"x"), 10)):
        with pytest.raises(MissingBlob):
            await verb
    assert files() == []


async def test_a_folder_that_can_not_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable):
        await FolderBlobs(tmp_path / "file").write(NAME, chunks(b"x"), 10)


async def test_a_bucket_that_is_away_is_unavailable_until_it_is_back(tmp_path: Path) -> None:
    server = S3Server(tmp_path)
    blobs = S3Blobs(server.address())
    now = time.time()
    for verb in (
        blobs.open(NAME), blobs.delete(NAME), blobs.write(NAME, chunks(b"x"), 10),
        blobs.names(0, now),
    ):  # fmt: skip
        with pytest.raises(Unavailable):
            await verb
    server.start()
    try:
        await blobs.write(NAME, chunks(b"x"), 10)
        with await blobs.open(NAME) as stream:
            assert stream.read() == b"x"
    finally:
        server.stop()


@pytest.mark.parametrize("what", ["secret", "bucket"])
async def test_a_wrong_address_is_unavailable_and_says_nothing(
    s3_server: S3Server, what: str
) -> None:
    good = s3_server.address()
    wrong = {"secret": replace(good, secret="wrong"), "bucket": replace(good, bucket="wrong")}
    blobs = S3Blobs(wrong[what])
    with pytest.raises(Unavailable) as refused:
        await blobs.write(NAME, chunks(b"x"), 10)
    assert "wrong" not in str(refused.value)
