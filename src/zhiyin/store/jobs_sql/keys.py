"""Key rotation of jobs and their blobs: which keys are used, and re-encryption."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any, BinaryIO

from sqlalchemy import Row, select, update

from zhiyin.domain.errors import CannotDecrypt, MissingBlob
from zhiyin.domain.sealing import PLAIN, KeyUse, WrappedKey
from zhiyin.ports.blobs import BlobStore
from zhiyin.ports.cipher import KeyRing, OwnerCipher
from zhiyin.store.blob_keys import BlobKeys
from zhiyin.store.blobs_sealed import CHUNK_BYTES, SealedBlobs
from zhiyin.store.jobs_sql.store import identity
from zhiyin.store.jobs_sql.tables import JOBS
from zhiyin.store.sql.database import Database

log = logging.getLogger(__name__)

_BATCH = 100
_C = JOBS.c
_SEALED = ("payload", "failure_message")


class JobKeys:
    """Looks at all jobs; `ring` opens what they have now."""

    def __init__(self, database: Database, blobs: BlobStore, ring: KeyRing) -> None:
        self._database = database
        self._blobs = blobs
        self._ring = _AlsoPlain(ring)

    async def uses(self) -> list[KeyUse]:
        """How many records and blobs each key seals. Needs no key. Raises Unavailable."""
        found: Counter[str] = Counter()
        blobs = self._sealed(self._ring)
        async for row in self._rows():
            found[row.key_id] += 1
            for name in filter(None, (row.audio, row.result)):
                try:
                    found[await blobs.key_of(name)] += 1
                except (MissingBlob, CannotDecrypt):
                    continue
        return [KeyUse(name, count) for name, count in found.items()]

    async def reseal(self, new: KeyRing) -> tuple[int, int]:
        """Seal everything with `new`: how many values it were, and how many don't open."""
        sealed = unreadable = 0
        async for row in self._rows():
            names = filter(None, (row.audio, row.result))
            works = [self._reseal_record(row.id, new)]
            works += [self._reseal_blob(row.id, name, new) for name in names]
            for work in works:
                try:
                    sealed += await work
                except MissingBlob:
                    continue
                except CannotDecrypt as error:
                    log.error("something of %s can't be opened: %s", row.id, error.message)
                    unreadable += 1
        return sealed, unreadable

    async def _rows(self) -> AsyncIterator[Any]:
        last = ""
        wanted = select(_C.id, _C.key_id, _C.audio, _C.result).order_by(_C.id).limit(_BATCH)
        while True:
            async with self._database.transaction() as db:
                rows = (await db.execute(wanted.where(_C.id > last))).all()
            for row in rows:
                yield row
            if len(rows) < _BATCH:
                return
            last = rows[-1].id

    async def _reseal_record(self, job_id: str, new: KeyRing) -> bool:
        """Whether there was something to do; retried after a concurrent write."""
        while True:
            async with self._database.transaction(write=True) as db:
                row = (await db.execute(select(JOBS).where(_C.id == job_id))).first()
                if row is None or row.key_id == new.key_id:
                    return False
                values: dict[str, Any] = {c: self._resealed(row, c, new) for c in _SEALED}
                same = (_C.id == job_id) & (_C.version == row.version)
                values |= {"key_id": new.key_id}
                if (await db.execute(update(JOBS).where(same).values(values))).rowcount == 1:
                    return True

    def _resealed(self, row: Row[Any], column: str, new: KeyRing) -> bytes | None:
        sealed = getattr(row, column)
        if sealed is None:
            return None
        name = identity(row.owner, row.id, column)
        return new.seal(self._ring.open(bytes(sealed), name), name)

    async def _reseal_blob(self, job_id: str, name: str, new: KeyRing) -> bool:
        """Whether there was something to do."""
        old = self._sealed(self._ring)
        if await old.key_of(name) == new.key_id:
            await old.tidy(name)  # an earlier rotation was interrupted after it had written
            return False
        with await old.open(name) as stream:
            await self._sealed(new).write(name, _chunks(stream), sys.maxsize)
        async with self._database.transaction() as db:
            kept = (await db.execute(select(_C.id).where(_C.id == job_id))).first()
        if kept is None:  # deleted meanwhile
            await old.delete(name)
        return True

    def _sealed(self, ring: KeyRing) -> SealedBlobs:
        return SealedBlobs(self._blobs, BlobKeys(self._database, ring))


class _AlsoPlain:
    """A ring that opens what was stored before there was a key, too; one in use refuses it."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self.key_id = ring.key_id
        self.names = ring.names

    def seal(self, plaintext: bytes, identity: str) -> bytes:
        """As the other does."""
        return self._ring.seal(plaintext, identity)

    def open(self, sealed: bytes, identity: str) -> bytes:
        """Without the mark, or as the other does."""
        return sealed[1:] if sealed[:1] == PLAIN else self._ring.open(sealed, identity)

    def new_key(self, owner: str) -> WrappedKey | None:
        """As the other does."""
        return self._ring.new_key(owner)

    def of(self, owner: str, keys: Sequence[WrappedKey]) -> OwnerCipher:
        """As the other does."""
        return self._ring.of(owner, keys)


async def _chunks(stream: BinaryIO) -> AsyncIterator[bytes]:
    while data := await asyncio.to_thread(stream.read, CHUNK_BYTES):
        yield data
