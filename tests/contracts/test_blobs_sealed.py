"""Sealed blobs, looked at from outside: raw files, moved and missing chunks, lost keys."""

from __future__ import annotations

import io
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update

from tests.support import media
from tests.support.history_databases import ring
from zhiyin.audio.decode import AvDecoder
from zhiyin.domain.audio import SAMPLE_RATE as RATE
from zhiyin.domain.audio import AudioLimits
from zhiyin.domain.errors import CannotDecrypt, TooLarge, Unavailable
from zhiyin.domain.source import AudioSource
from zhiyin.ports.cipher import KeyRing
from zhiyin.store.blob_keys import BlobKeys, NewKey
from zhiyin.store.blobs_folder import FolderBlobs
from zhiyin.store.blobs_sealed import _SHAPE, CHUNK_BYTES, SealedBlobs
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.jobs_sql.database import jobs_database
from zhiyin.store.jobs_sql.tables import BLOB_KEYS

NAME = "job_019ab3f0d1c2a1b2c3d4e5f60718293a.audio"
OTHER = NAME.replace("019a", "119a")
WORDS = "打开客厅的灯 and quokkas ".encode()
LONG = WORDS * (3 * CHUNK_BYTES // len(WORDS))
SEALED_BYTES = CHUNK_BYTES + 2 + len("d0123456789ab") + 12 + 16
LENGTHS = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, len(LONG)]


async def parts(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


class Place:
    """A folder, and the keys of who looks at it."""

    def __init__(self, folder: Path) -> None:
        self.folder = FolderBlobs(folder / "blobs")
        self.database = jobs_database(f"sqlite+aiosqlite:///{folder / 'jobs.sqlite3'}")
        self.ring: KeyRing = ring("k1")

    def blobs(self, keys: KeyRing | None = None) -> SealedBlobs:
        return SealedBlobs(self.folder, BlobKeys(self.database, keys or self.ring))

    async def write(self, data: bytes, name: str = NAME) -> Path:
        """The raw file of a new blob."""
        written = await self.blobs().write(name, parts(data, 70_001), 1 << 30)
        assert written.size_bytes == len(data)
        return self.folder._path(name)

    async def read(self, name: str = NAME, keys: KeyRing | None = None) -> bytes:
        with await self.blobs(keys).open(name) as stream:
            return stream.read()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    yield made
    await made.database.close()


def cut(raw: bytes) -> tuple[bytes, list[bytes]]:
    """Header and sealed chunks."""
    body = raw[_SHAPE.size :]
    starts = range(0, len(body), SEALED_BYTES)
    return raw[: _SHAPE.size], [body[s : s + SEALED_BYTES] for s in starts]


@pytest.mark.parametrize("length", LENGTHS)
async def test_values_of_all_lengths_come_back(place: Place, length: int) -> None:
    file = await place.write(LONG[:length])
    assert await place.read() == LONG[:length]
    assert len(cut(file.read_bytes())[1]) == max(1, -(-length // CHUNK_BYTES))


async def test_any_part_can_be_read(place: Place) -> None:
    await place.write(LONG)
    draw = random.Random(1)
    with await place.blobs().open(NAME) as stream:
        assert stream.seekable()
        assert stream.seek(0, io.SEEK_END) == len(LONG)
        assert stream.read() == b""
        for _ in range(300):
            start, count = draw.randrange(len(LONG) + 10), draw.randrange(2 * CHUNK_BYTES)
            stream.seek(start)
            assert stream.read(count) == LONG[start : start + count]
            assert stream.tell() == start + len(LONG[start : start + count])
        stream.seek(-5, io.SEEK_END)
        assert stream.read() == LONG[-5:]


async def test_limits_count_what_was_given(place: Place) -> None:
    blobs = place.blobs()
    await blobs.write(NAME, parts(LONG, 1 << 20), len(LONG))
    with pytest.raises(TooLarge):
        await blobs.write(OTHER, parts(LONG, 1 << 20), len(LONG) - 1)


async def test_nothing_can_be_read_in_the_file(place: Place) -> None:
    file = await place.write(LONG)
    # Short ones turn up in random bytes by chance.
    words = [word for word in WORDS.split() if len(word) > 6]
    assert not any(word in file.read_bytes() for word in words)
    place.ring = PlainRing()
    await place.write(LONG)
    assert WORDS in file.read_bytes(), "it looks in the right place"


async def test_what_is_cut_off_is_refused_at_once(place: Place) -> None:
    whole = (await place.write(LONG)).read_bytes()
    file = place.folder._path(NAME)
    ends = [0, 5, _SHAPE.size, _SHAPE.size + 10, _SHAPE.size + SEALED_BYTES]
    for end in [*ends, _SHAPE.size + 2 * SEALED_BYTES, len(whole) - 1]:
        file.write_bytes(whole[:end])
        with pytest.raises(CannotDecrypt):
            await place.blobs().open(NAME)
    for more in (b"x", whole[-100:], whole[_SHAPE.size :]):
        file.write_bytes(whole + more)
        with pytest.raises(CannotDecrypt):
            await place.read()


async def test_chunks_can_not_be_moved(place: Place) -> None:
    other = cut((await place.write(LONG, OTHER)).read_bytes())[1]
    older = cut((await place.write(LONG)).read_bytes())[1]
    file = await place.write(LONG)
    header, (one, two, three) = cut(file.read_bytes())
    forgeries = [
        [two, one, three], [one, one, three], [one, three], [two, three], [one, two], [three],
        [one, two, two], [one, other[1], three], [one, older[1], three], [*older], [*other],
        [one, two, older[2]], [one, bytes(SEALED_BYTES), three],
        [one, two[:-1] + bytes([two[-1] ^ 1]), three],
    ]  # fmt: skip
    for chunks in forgeries:
        file.write_bytes(header + b"".join(chunks))
        with pytest.raises(CannotDecrypt):
            await place.read()
    file.write_bytes(header + one + two + three)
    assert await place.read() == LONG


async def test_a_header_can_not_be_changed(place: Place) -> None:
    file = await place.write(LONG)
    whole = file.read_bytes()
    for at in range(_SHAPE.size):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(CannotDecrypt):
            await place.read()


async def test_another_blobs_value_is_refused(place: Place) -> None:
    one, two = await place.write(WORDS), await place.write(b"what bob said", OTHER)
    one.write_bytes(two.read_bytes())
    with pytest.raises(CannotDecrypt, match="lost"):
        await place.read()
    async with place.database.transaction(write=True) as db:  # not with its key either
        await db.execute(update(BLOB_KEYS).where(BLOB_KEYS.c.name == OTHER).values(name=NAME))
    with pytest.raises(CannotDecrypt, match="another record"):
        await place.read()


async def test_a_wrong_or_lost_key_is_an_error(place: Place) -> None:
    file = await place.write(LONG)
    for keys in (ring("k1"), ring("k2"), PlainRing()):
        with pytest.raises(CannotDecrypt):
            await place.read(keys=keys)
    await place.blobs(PlainRing()).write(NAME, parts(WORDS, 10), 1 << 20)
    assert WORDS in file.read_bytes()
    with pytest.raises(CannotDecrypt, match="without encryption"):
        await place.read()


async def test_without_its_key_no_copy_of_a_blob_opens(place: Place) -> None:
    file, other = await place.write(LONG), await place.write(WORDS, OTHER)
    copy = file.read_bytes()
    assert await place.blobs().delete(NAME)
    file.write_bytes(copy)
    with pytest.raises(CannotDecrypt, match="lost"):
        await place.read()
    assert await place.read(OTHER) == WORDS
    assert other.exists()


async def test_a_blob_that_can_not_be_deleted_can_not_be_read_either(place: Place) -> None:
    file = await place.write(WORDS)
    held = file.read_bytes()
    file.unlink()
    file.mkdir()  # the store fails
    (file / "in the way").touch()
    with pytest.raises(Unavailable):
        await place.blobs().delete(NAME)
    (file / "in the way").unlink()
    file.rmdir()
    file.write_bytes(held)
    with pytest.raises(CannotDecrypt, match="lost"):
        await place.read()
    assert await place.blobs().delete(NAME), "it may be repeated"


async def test_a_blob_that_is_written_again_leaves_one_key(place: Place) -> None:
    before = (await place.write(LONG)).read_bytes()
    file = await place.write(WORDS)
    assert await place.read() == WORDS
    file.write_bytes(before)
    with pytest.raises(CannotDecrypt, match="lost"):
        await place.read()


async def test_what_is_deleted_while_it_is_written_can_not_be_read(place: Place) -> None:
    async def erased() -> AsyncIterator[bytes]:
        yield LONG
        await place.blobs().delete(NAME)

    await place.blobs().write(NAME, erased(), 1 << 30)
    with pytest.raises(CannotDecrypt, match="lost"):
        await place.read()


async def test_what_was_killed_before_its_first_byte_is_swept_by_its_key(place: Place) -> None:
    await BlobKeys(place.database, place.ring).new(NAME)
    now = time.time()
    assert await place.blobs().names(now - 60, now + 60) == [NAME]
    assert not await place.blobs().delete(NAME)
    assert await place.blobs().names(now - 60, now + 60) == []


async def test_what_was_sealed_by_the_ring_itself_still_opens(place: Place) -> None:
    class ByRing(BlobKeys):
        async def new(self, name: str) -> NewKey:
            return NewKey(place.ring)

    older = SealedBlobs(place.folder, ByRing(place.database, place.ring))
    await older.write(NAME, parts(LONG, 70_001), 1 << 30)
    assert await place.read() == LONG
    assert await place.blobs().key_of(NAME) == "k1"


async def test_a_recording_is_decoded_from_it(place: Place) -> None:
    sound = media.wav(np.linspace(-0.5, 0.5, 40 * RATE, dtype=np.float32))
    file = await place.write(sound)
    assert await decoded(place, len(sound)) == 40 * RATE
    header, chunks = cut(file.read_bytes())
    chunks[2] = chunks[3]
    file.write_bytes(header + b"".join(chunks))
    with pytest.raises(CannotDecrypt):
        await decoded(place, len(sound))


async def decoded(place: Place, size: int) -> int:
    """Samples that the decoder finds in the blob."""
    with await place.blobs().open(NAME) as stream:
        audio = AvDecoder().open(AudioSource(stream, size), AudioLimits(100))
        try:
            return sum(len(block) for block in audio.blocks())
        finally:
            audio.close()
