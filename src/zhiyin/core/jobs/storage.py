"""Bytes on disk: how much the recordings of jobs may take, and how much has to stay free."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from zhiyin.domain.errors import StorageFull
from zhiyin.ports.blobs import BlobStore
from zhiyin.ports.jobs import JobStore

_STEP_BYTES = 16 << 20
_RETRY_S = 60.0


@dataclass(slots=True)
class Storage:
    """Room for recordings; what is being written counts too. 0: no limit."""

    store: JobStore
    blobs: BlobStore
    max_bytes: int
    min_free_bytes: int
    _writing: int = 0

    async def check(self, more_bytes: int = 0) -> None:
        """Raises StorageFull when there is no room for so many bytes, Unavailable."""
        wanted = self._writing + more_bytes
        if self.max_bytes and await self.store.stored_bytes() + wanted > self.max_bytes:
            raise StorageFull(
                "The server keeps as many recordings as it may. Try again later, or delete jobs.",
                retry_after_s=_RETRY_S,
            )
        free = await self.blobs.free_bytes() if self.min_free_bytes else None
        if free is not None and free - wanted < self.min_free_bytes:
            raise StorageFull("The server's disk is almost full. Try again later.")

    @asynccontextmanager
    async def room(self, size_bytes: int, *, replayed: bool = False) -> AsyncIterator[None]:
        """Keep room for a recording until its record is stored. Raises as `check`.

        What is `replayed` will not be kept.
        """
        if not replayed:
            await self.check(size_bytes)
        self._writing += size_bytes
        try:
            yield
        finally:
            self._writing -= size_bytes

    async def bounded(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
        """Chunks of a recording whose size is unknown, as long as there is room. Close it."""
        await self.check()
        counted = seen = 0
        try:
            async for chunk in chunks:
                seen += len(chunk)
                if seen > counted:
                    more = seen - counted + _STEP_BYTES
                    await self.check(more)
                    self._writing += more
                    counted += more
                yield chunk
        finally:
            self._writing -= counted
