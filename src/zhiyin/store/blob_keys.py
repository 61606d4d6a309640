"""A data key for every blob, kept in the database of jobs; without it no copy of the blob opens."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, insert, select

from zhiyin.domain.sealing import WrappedKey
from zhiyin.ports.cipher import Cipher, KeyRing
from zhiyin.store.jobs_sql.tables import BLOB_KEYS
from zhiyin.store.sql.database import Database

_C = BLOB_KEYS.c


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is stored, and what seals with it; no `row`: the ring itself seals."""

    cipher: Cipher
    row: Mapping[str, Any] | None = None


class BlobKeys:
    """The keys of blobs by name, sealed by the ring; all verbs raise Unavailable.

    A blob says which of its name's keys it is sealed with, so that it can be written again under
    a new one. What has no key here is a matter of the ring: it is not encrypted, or older.
    """

    def __init__(self, database: Database, ring: KeyRing) -> None:
        self._database = database
        self._ring = ring

    async def new(self, name: str) -> NewKey:
        """For writing the blob."""
        key = self._ring.new_key(_owner(name))
        if key is None:
            return NewKey(self._ring)
        row = {
            "name": name, "id": key.id, "ring_key": key.ring_key, "sealed": key.sealed,
            "created_at": time.time(),
        }  # fmt: skip
        async with self._database.transaction(write=True) as db:
            await db.execute(insert(BLOB_KEYS).values(row))
        return NewKey(self._ring.of(key.owner, [key]), row)

    async def held(self, name: str, key_id: str) -> Cipher:
        """For reading what says to be sealed with that key. Raises CannotDecrypt."""
        row = await self._row(name, key_id)
        if row is None:
            return self._ring
        key = WrappedKey(row.id, _owner(name), row.ring_key, bytes(row.sealed))
        return self._ring.of(key.owner, [key])

    async def ring_key(self, name: str, key_id: str) -> str:
        """Which key of the ring that is in the end; needs none of them."""
        row = await self._row(name, key_id)
        return key_id if row is None else str(row.ring_key)

    async def settle(self, name: str, key: NewKey) -> None:
        """The blob is written: its older keys are of no use any more.

        Newer ones belong to another writer. When that was done before, it has deleted this key,
        which is stored again then: the value that came last is this one. When there is no key at
        all, the blob was deleted meanwhile, and stays unreadable.
        """
        if key.row is None:
            await self._delete(_C.name == name)
            return
        async with self._database.transaction(write=True) as db:
            await db.execute(delete(BLOB_KEYS).where(_older(name, key.row)))
            left = {row.id for row in await db.execute(select(_C.id).where(_C.name == name))}
            if left and key.row["id"] not in left:
                await db.execute(insert(BLOB_KEYS).values(key.row))

    async def tidy(self, name: str, key_id: str) -> None:
        """Delete the keys that are older than that of the stored value, all if it has none."""
        row = await self._row(name, key_id)
        await self._delete(_C.name == name if row is None else _older(name, row._mapping))

    async def drop(self, name: str, key_id: str = "") -> None:
        """Delete one key, or all: what they seal is unreadable for good, wherever a copy is."""
        await self._delete(and_(_C.name == name, *([_C.id == key_id] if key_id else [])))

    async def names(self, after: float, before: float) -> Sequence[str]:
        """Blobs whose keys were made between those times (unix seconds)."""
        made = select(_C.name).where(_C.created_at >= after, _C.created_at < before).distinct()
        async with self._database.transaction() as db:
            return [row.name for row in await db.execute(made)]

    async def _row(self, name: str, key_id: str) -> Any:
        if not key_id:
            return None
        async with self._database.transaction() as db:
            one = select(BLOB_KEYS).where(_C.name == name, _C.id == key_id)
            return (await db.execute(one)).first()

    async def _delete(self, which: ColumnElement[bool]) -> None:
        async with self._database.transaction(write=True) as db:
            await db.execute(delete(BLOB_KEYS).where(which))


def _older(name: str, row: Mapping[str, Any]) -> ColumnElement[bool]:
    """The keys of the name before that one."""
    return and_(_C.name == name, _C.id != row["id"], _C.created_at <= row["created_at"])


def _owner(name: str) -> str:
    """What the sealed key is bound to."""
    return f"blob/{name}"
