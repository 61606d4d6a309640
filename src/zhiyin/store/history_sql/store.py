"""The adapter of `ports.history`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from zhiyin.domain.errors import AsrError, NotFound, Unavailable
from zhiyin.domain.history import (
    Erased,
    HistoryEntry,
    HistoryPage,
    HistoryQuery,
    Resealed,
    first_id,
)
from zhiyin.domain.sealing import KeyUse
from zhiyin.ports.cipher import KeyRing, OwnerCipher
from zhiyin.store.history_sql import keys, rows
from zhiyin.store.history_sql.pages import Pager
from zhiyin.store.history_sql.reindexing import reindex_rows
from zhiyin.store.history_sql.resealing import reseal_rows
from zhiyin.store.history_sql.tables import owner_keys, tokens, transcripts
from zhiyin.store.sql.database import Database

_ERASED_AT_ONCE = 500
_TRIES = 3


class SqlHistory:
    """Transcripts in a database, see `history_sql.database`."""

    def __init__(self, database: Database, ring: KeyRing) -> None:
        self._database = database
        self._ring = ring

    async def prepare(self) -> None:
        """Check the tables, or make them where the database is a file of ours; try the keys."""
        async with self._database.transaction() as connection:
            some = await connection.execute(select(owner_keys.c.owner).limit(1))
            for (owner,) in some.all():
                await keys.cipher(connection, self._ring, owner)

    async def migrate(self) -> str:
        """See `ports.history`."""
        return await self._database.migrate()

    async def add(self, entries: Sequence[HistoryEntry]) -> int:
        """See `ports.history`."""
        for _ in range(_TRIES):
            with suppress(IntegrityError):  # a concurrent write of the id or the owner's key
                return await self._add(entries)
        raise Unavailable("The history is busy. Recognition goes on.", code="history_unavailable")

    async def page(self, query: HistoryQuery) -> HistoryPage:
        """See `ports.history`."""
        async with self._database.transaction() as connection:
            cipher = await keys.cipher(connection, self._ring, query.owner)
            return await Pager(connection, cipher, query).page()

    async def get(self, owner: str, entry: int | str) -> HistoryEntry:
        """See `ports.history`."""
        async with self._database.transaction() as connection:
            cipher = await keys.cipher(connection, self._ring, owner)
            found = await connection.execute(_one(select(transcripts), owner, entry))
            row = found.first()
            if row is None:
                raise _missing()
            return rows.entry_of(row, cipher)

    async def delete(self, owner: str, entry: int | str) -> None:
        """See `ports.history`."""
        async with self._database.transaction(write=True) as connection:
            found = await connection.execute(_one(select(transcripts.c.id), owner, entry))
            known = found.scalar()
            if known is None:
                raise _missing()
            await _remove(connection, [known])

    async def erase(self, owner: str) -> Erased:
        """See `ports.history`."""
        async with self._database.transaction(write=True) as connection:
            gone = await connection.execute(delete(owner_keys).where(owner_keys.c.owner == owner))
        removed = 0
        while some := await self._remove_some(transcripts.c.owner == owner, _ERASED_AT_ONCE):
            removed += some
        await self._database.truncate_journal()
        return Erased(removed, gone.rowcount)

    async def expire(self, before: datetime, limit: int) -> int:
        """See `ports.history`."""
        return await self._remove_some(transcripts.c.id < first_id(before), limit)

    async def scrub(self) -> None:
        """See `ports.history`; does not wait for readers."""
        await self._database.truncate_journal(wait=False)

    async def reindex(self, after: int, limit: int) -> int | None:
        """See `ports.history`."""
        async with self._database.transaction(write=True) as connection:
            return await reindex_rows(connection, self._ring, after, limit)

    async def cipher(self, owner: str) -> OwnerCipher:
        """See `ports.cipher.OwnerKeys`."""
        async with self._database.transaction(write=True) as connection:
            return await keys.writing(connection, self._ring, owner)

    async def entries(self, after: int, limit: int) -> list[HistoryEntry]:
        """See `ports.history`."""
        chosen = select(transcripts).where(transcripts.c.id > after)
        async with self._database.transaction() as connection:
            found = await connection.execute(chosen.order_by(transcripts.c.id).limit(limit))
            some = found.all()
            owners = {row.owner for row in some}
            ciphers = {o: await keys.cipher(connection, self._ring, o) for o in owners}
            return [rows.entry_of(row, ciphers[row.owner]) for row in some]

    async def reseal(self, after: int, limit: int, ring: KeyRing) -> Resealed:
        """See `ports.history`."""
        async with self._database.transaction(write=True) as connection:
            if after == 0:
                await keys.renew(connection, ring)
            done = await reseal_rows(connection, self._ring, ring, after, limit)
            if done.after is None:
                await keys.drop_unused(connection, ring)
        if done.after is None:
            await self._database.truncate_journal()
        return done

    async def keys(self) -> list[KeyUse]:
        """See `ports.history`."""
        number = func.count()
        held = select(owner_keys.c.ring_key, number).group_by(owner_keys.c.ring_key)
        plain = select(number).select_from(transcripts).where(transcripts.c.key_id == "")
        async with self._database.transaction() as connection:
            found = [KeyUse(name, count) for name, count in await connection.execute(held)]
            unsealed = (await connection.execute(plain)).scalar() or 0
        return found + ([KeyUse("", unsealed)] if unsealed else [])

    async def close(self) -> None:
        """See `ports.history`."""
        await self._database.close()

    async def _add(self, entries: Sequence[HistoryEntry]) -> int:
        wanted = {entry.id: entry for entry in entries}
        async with self._database.transaction(write=True) as connection:
            known = await connection.execute(
                select(transcripts.c.id).where(transcripts.c.id.in_(wanted))
            )
            for (old,) in known.all():
                del wanted[old]
            if not wanted:
                return 0
            owners = sorted({entry.caller.owner for entry in wanted.values()})
            ciphers = {o: await keys.writing(connection, self._ring, o) for o in owners}
            made, token_rows = await asyncio.to_thread(_rows_of, list(wanted.values()), ciphers)
            await connection.execute(insert(transcripts), made)
            if token_rows:
                await connection.execute(insert(tokens), token_rows)
        return len(wanted)

    async def _remove_some(self, chosen: ColumnElement[bool], limit: int) -> int:
        async with self._database.transaction(write=True) as connection:
            ids = select(transcripts.c.id).where(chosen).order_by(transcripts.c.id).limit(limit)
            found = [number for (number,) in await connection.execute(ids)]
            if found:
                await _remove(connection, found)
            return len(found)


def _rows_of(
    entries: Sequence[HistoryEntry], ciphers: dict[str, OwnerCipher]
) -> tuple[list[rows.Values], list[rows.Values]]:
    """The rows of both tables."""
    made: list[rows.Values] = []
    token_rows: list[rows.Values] = []
    for entry in entries:
        cipher = ciphers[entry.caller.owner]
        try:
            made.append(rows.values_of(entry, cipher))
        except ValueError as error:  # an unpaired surrogate, say
            raise AsrError("A transcript can't be written as UTF-8.") from error
        token_rows += rows.token_rows_of(entry.id, entry.transcript.text, cipher)
    return made, token_rows


async def _remove(connection: AsyncConnection, ids: Sequence[int]) -> None:
    await connection.execute(delete(tokens).where(tokens.c.transcript.in_(ids)))
    await connection.execute(delete(transcripts).where(transcripts.c.id.in_(ids)))


def _one(chosen: Select[Any], owner: str, entry: int | str) -> Select[Any]:
    same = (
        transcripts.c.id == entry if isinstance(entry, int) else transcripts.c.request_id == entry
    )
    return (
        chosen.where(transcripts.c.owner == owner, same).order_by(transcripts.c.id.desc()).limit(1)
    )


def _missing() -> NotFound:
    return NotFound("There is no transcript of this id.", param="id")
