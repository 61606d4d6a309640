"""Blobs that are encrypted at rest, in chunks, over any other store of blobs.

Each has a data key of its own, kept elsewhere (`store.blob_keys`) and deleted with it.
A stored value is a header and chunks. Each chunk is sealed for the blob's name, the whole header
(which has random bytes), its number, and whether it is the last one; so chunks can't be changed,
swapped, repeated, taken from another value or left out, at the end either (the STREAM construction
of Hoang, Reyhanitabar, Rogaway and Vizár, 2015).
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import secrets
import struct
import sys
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from zhiyin.domain.errors import AsrError, CannotDecrypt, TooLarge, Unavailable
from zhiyin.ports.blobs import BlobStore, Written
from zhiyin.ports.cipher import Cipher
from zhiyin.store.blob_keys import BlobKeys

CHUNK_BYTES = 1 << 18
_MAGIC = b"zhiyin-1"
_SHAPE = struct.Struct(">8s16sII32s")  # magic, random, bytes of a chunk open and sealed, key id
_DAMAGED = "This recording or transcript is damaged: it is no sealed data, or its end is missing."


@dataclass(frozen=True, slots=True)
class _Header:
    """How the value is cut; `key_id` says who sealed it, without any promise."""

    raw: bytes
    open_bytes: int
    sealed_bytes: int
    key_id: str

    @classmethod
    def read(cls, file: BinaryIO) -> _Header:
        raw = file.read(_SHAPE.size)
        if len(raw) != _SHAPE.size or not raw.startswith(_MAGIC):
            raise CannotDecrypt(_DAMAGED)
        _, _, opened, sealed, key_id = _SHAPE.unpack(raw)
        if not 0 < opened < sealed:
            raise CannotDecrypt(_DAMAGED)
        return cls(raw, opened, sealed, key_id.rstrip(b"\0").decode("ascii", "replace"))

    @classmethod
    def made(cls, cipher: Cipher) -> _Header:
        sealed = CHUNK_BYTES + len(cipher.seal(b"", ""))
        key_id = cipher.key_id.encode()
        raw = _SHAPE.pack(_MAGIC, secrets.token_bytes(16), CHUNK_BYTES, sealed, key_id)
        return cls(raw, CHUNK_BYTES, sealed, cipher.key_id)

    def identity(self, name: str, number: int, last: bool) -> str:
        """What a chunk is bound to."""
        return f"blob/{name}/{self.raw.hex()}/{number}/{'last' if last else 'more'}"


class SealedBlobs:
    """Implements `ports.blobs.BlobStore`; sizes, digests and limits are of what was given.

    `open` and reading what it gives raise CannotDecrypt.
    """

    def __init__(self, inner: BlobStore, keys: BlobKeys) -> None:
        self._inner = inner
        self._keys = keys

    async def write(self, name: str, chunks: AsyncIterable[bytes], max_bytes: int) -> Written:
        """See the port.

        Once the store has been given the end, an error does not mean that nothing was stored: an
        answer may be lost, a cancellation come too late. Then all keys of the name are kept, so
        that whichever value is there opens; the next `write`, `tidy` or `delete` tidies up.
        """
        tally = _Tally(max_bytes)
        key = await self._keys.new(name)
        cipher = key.cipher
        try:
            await self._inner.write(name, self._sealed(name, chunks, tally, cipher), sys.maxsize)
        except BaseException:
            tally.abandoned = True
            if key.row is not None and not tally.complete:
                with suppress(AsrError):  # the reconciler's sweep finds it
                    await self._keys.drop(name, cipher.key_id)
            raise
        await self._keys.settle(name, key)
        return Written(tally.size, tally.digest.hexdigest())

    async def open(self, name: str) -> BinaryIO:
        """See the port."""
        try:
            return await self._open(name)
        except CannotDecrypt:  # written again between the look at the value and that at its key?
            return await self._open(name)

    async def tidy(self, name: str) -> None:
        """Delete the keys that a stored value has left. Raises MissingBlob, CannotDecrypt."""
        await self._keys.tidy(name, (await self._header(name)).key_id)

    async def delete(self, name: str) -> bool:
        """See the port. The keys go first: what is left when that fails can't be read any more."""
        await self._keys.drop(name)
        return await self._inner.delete(name)

    async def free_bytes(self) -> int | None:
        """See the port."""
        return await self._inner.free_bytes()

    async def names(self, after: float, before: float) -> Sequence[str]:
        """See the port; those too of which there is nothing but a key."""
        written = await self._inner.names(after, before)
        return sorted({*written, *await self._keys.names(after, before)})

    async def key_of(self, name: str) -> str:
        """Which key of the ring the value says to be sealed with, in the end.

        Raises MissingBlob, CannotDecrypt.
        """
        return await self._keys.ring_key(name, (await self._header(name)).key_id)

    async def _header(self, name: str) -> _Header:
        with await self._inner.open(name) as file:
            return await asyncio.to_thread(_Header.read, file)

    async def _open(self, name: str) -> BinaryIO:
        file = await self._inner.open(name)
        try:
            header = await asyncio.to_thread(_Header.read, file)
            cipher = await self._keys.held(name, header.key_id)
            raw = await asyncio.to_thread(_Opened, file, name, header, cipher)
        except BaseException:
            file.close()
            raise
        return io.BufferedReader(raw, CHUNK_BYTES)

    async def _sealed(
        self, name: str, chunks: AsyncIterable[bytes], tally: _Tally, cipher: Cipher
    ) -> AsyncIterator[bytes]:
        """Header and chunks. Something is held back until it is known whether it is the last."""
        header, held, number = _Header.made(cipher), bytearray(), 0
        yield header.raw
        async for chunk in chunks:
            tally.add(chunk)
            held += chunk
            while len(held) > CHUNK_BYTES:
                part = bytes(held[:CHUNK_BYTES])
                del held[:CHUNK_BYTES]
                yield cipher.seal(part, header.identity(name, number, last=False))
                number += 1
        if tally.abandoned:  # a store that goes on by itself after a cancellation
            raise Unavailable("This was given up.")
        tally.complete = True
        yield cipher.seal(bytes(held), header.identity(name, number, last=True))


class _Tally:
    """Size and SHA-256 of what is written, and whether that is all. Raises TooLarge.

    What is abandoned before it is complete gets no end, so no key opens it.
    """

    def __init__(self, max_bytes: int) -> None:
        self.size = 0
        self.complete = self.abandoned = False
        self.digest = hashlib.sha256()
        self._max_bytes = max_bytes

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.size > self._max_bytes:
            raise TooLarge(f"The recording is larger than {self._max_bytes} bytes.", param="file")
        self.digest.update(chunk)


class _Opened(io.RawIOBase):
    """The open value, a chunk at a time; the last one is looked at first, so that it is whole."""

    def __init__(self, file: BinaryIO, name: str, header: _Header, cipher: Cipher) -> None:
        super().__init__()
        self._file, self._name, self._cipher = file, name, cipher
        self._header = header
        body = file.seek(0, os.SEEK_END) - _SHAPE.size
        self._last = max(0, -(-body // self._header.sealed_bytes) - 1)
        self._at, self._number, self._chunk = 0, -1, b""
        self._size = self._last * self._header.open_bytes + len(self._read_chunk(self._last))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("negative position")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """As much as fits of the chunk at the position; 0 at the end."""
        if self._at >= self._size:
            return 0
        number, offset = divmod(self._at, self._header.open_bytes)
        part = self._read_chunk(number)[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _read_chunk(self, number: int) -> bytes:
        if number != self._number:
            self._file.seek(_SHAPE.size + number * self._header.sealed_bytes)
            sealed = self._file.read(self._header.sealed_bytes)
            identity = self._header.identity(self._name, number, number == self._last)
            self._chunk, self._number = self._cipher.open(sealed, identity), number
        return self._chunk
