"""The owners' data keys: read with every transaction, never kept, so that one deleted is gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from zhiyin.domain.sealing import WrappedKey
from zhiyin.ports.cipher import KeyRing, OwnerCipher
from zhiyin.store.history_sql.tables import owner_keys, transcripts


async def of_owner(
    connection: AsyncConnection, owner: str, *, lock: bool = False
) -> list[WrappedKey]:
    """The owner's keys, the newest first; with `lock`, they can't be deleted before the end."""
    rows = select(owner_keys).where(owner_keys.c.owner == owner)
    rows = rows.order_by(owner_keys.c.generation.desc())
    found = await connection.execute(rows.with_for_update(read=True) if lock else rows)
    return [WrappedKey(row.id, row.owner, row.ring_key, row.sealed) for row in found]


async def cipher(connection: AsyncConnection, ring: KeyRing, owner: str) -> OwnerCipher:
    """For reading. Raises CannotDecrypt."""
    keys = await of_owner(connection, owner)
    return ring.of(owner, keys or await _made(connection, ring, owner, write=False))


async def writing(connection: AsyncConnection, ring: KeyRing, owner: str) -> OwnerCipher:
    """For writing; the owner gets a first key. Raises CannotDecrypt, IntegrityError in a race."""
    keys = await of_owner(connection, owner, lock=True)
    return ring.of(owner, keys or await _made(connection, ring, owner, write=True))


async def _made(
    connection: AsyncConnection, ring: KeyRing, owner: str, *, write: bool
) -> Sequence[WrappedKey]:
    """A key that opens nothing yet; stored when something is about to be sealed."""
    key = ring.new_key(owner)
    if key is None:
        return ()
    if write:
        await add(connection, key)
    return (key,)


async def add(connection: AsyncConnection, key: WrappedKey) -> None:
    """A new generation."""
    last = select(func.max(owner_keys.c.generation)).where(owner_keys.c.owner == key.owner)
    number = ((await connection.execute(last)).scalar() or 0) + 1
    await connection.execute(
        insert(owner_keys).values(
            owner=key.owner, generation=number, id=key.id, ring_key=key.ring_key,
            sealed=key.sealed, created=datetime.now(UTC),
        )
    )  # fmt: skip


async def renew(connection: AsyncConnection, ring: KeyRing) -> None:
    """A new key for every owner whose newest one is not sealed by the ring's first key."""
    newest = select(owner_keys.c.owner, func.max(owner_keys.c.generation).label("generation"))
    latest = newest.group_by(owner_keys.c.owner).subquery()
    stale = select(owner_keys.c.owner).join(
        latest,
        (latest.c.owner == owner_keys.c.owner) & (latest.c.generation == owner_keys.c.generation),
    )
    for (owner,) in await connection.execute(stale.where(owner_keys.c.ring_key != ring.key_id)):
        key = ring.new_key(owner)
        if key is not None:
            await add(connection, key)


async def drop_unused(connection: AsyncConnection, ring: KeyRing) -> None:
    """Delete the keys that seal no entry; the newest stays as long as the ring encrypts."""
    locked = select(owner_keys).order_by(owner_keys.c.owner, owner_keys.c.generation.desc())
    last = ""
    for row in (await connection.execute(locked.with_for_update())).all():
        newest, last = row.owner != last, row.owner
        if newest and ring.key_id:
            continue
        used = select(transcripts.c.id).where(
            transcripts.c.owner == row.owner, transcripts.c.key_id == row.id
        )
        if (await connection.execute(used.limit(1))).first() is None:
            same = (owner_keys.c.owner == row.owner) & (owner_keys.c.generation == row.generation)
            await connection.execute(delete(owner_keys).where(same))
