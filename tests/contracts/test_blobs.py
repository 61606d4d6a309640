"""Every store of big values keeps the promises of `ports.blobs`."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.histories import ring
from zhiyin.domain.errors import MissingBlob, TooLarge, Unavailable
from zhiyin.ports.blobs import BlobStore
from zhiyin.store.blobs_folder import FolderBlobs
from zhiyin.store.blobs_sealed import SealedBlobs
from zhiyin.store.cipher_plain import PlainRing

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


@pytest.fixture(params=["folder", "marked", "sealed"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    folder = FolderBlobs(tmp_path / "blobs")
    if request.param == "folder":
        return folder
    return SealedBlobs(folder, ring("k1") if request.param == "sealed" else PlainRing())


def files(blobs: BlobStore) -> list[Path]:
    folder = blobs._inner if isinstance(blobs, SealedBlobs) else blobs
    assert isinstance(folder, FolderBlobs)
    return [p for p in folder._folder.rglob("*") if p.is_file()]


async def test_what_is_written_is_read(blobs: BlobStore) -> None:
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
    assert len(files(blobs)) == 1


async def test_too_much_leaves_nothing(blobs: BlobStore) -> None:
    await blobs.write(NAME, chunks(bytes(10)), 10)
    with pytest.raises(TooLarge):
        await blobs.write(NAME.replace("a1", "b2"), chunks(bytes(6), bytes(6)), 10)
    assert len(files(blobs)) == 1


async def test_a_source_that_fails_leaves_nothing(blobs: BlobStore) -> None:
    with pytest.raises(RuntimeError):
        await blobs.write(NAME, failing(), 100)
    assert files(blobs) == []
    with pytest.raises(MissingBlob):
        await blobs.open(NAME)


async def test_a_writer_that_is_cancelled_leaves_nothing(blobs: BlobStore) -> None:
    begun = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x"
        begun.set()
        await asyncio.sleep(60)

    writing = asyncio.create_task(blobs.write(NAME, slow(), 100))
    await begun.wait()
    assert len(files(blobs)) == 1
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert files(blobs) == []


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


async def test_what_a_killed_writer_left_is_swept(blobs: BlobStore) -> None:
    await blobs.write(NAME, chunks(b"x"), 10)
    left = files(blobs)[0].parent / ".tmpabc"
    left.write_bytes(b"half")
    await blobs.names(0, time.time() + 60)
    assert not left.exists()
    assert len(files(blobs)) == 1


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_names_can_not_lead_elsewhere(blobs: BlobStore, name: str) -> None:
    for verb in (blobs.open(name), blobs.delete(name), blobs.write(name, chunks(b"x"), 10)):
        with pytest.raises(MissingBlob):
            await verb
    assert files(blobs) == []


async def test_a_folder_that_can_not_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable):
        await FolderBlobs(tmp_path / "file").write(NAME, chunks(b"x"), 10)
