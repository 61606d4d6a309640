"""Making the tokens of old entries by the rules of now, a bounded number at a time."""

from __future__ import annotations

import asyncio

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from zhiyin.domain.errors import CannotDecrypt
from zhiyin.domain.search import INDEX_VERSION
from zhiyin.ports.cipher import KeyRing, OwnerCipher
from zhiyin.store.history_sql import keys, rows
from zhiyin.store.history_sql.search import outdated
from zhiyin.store.history_sql.tables import tokens, transcripts

_C = transcripts.c


async def reindex_rows(
    connection: AsyncConnection, ring: KeyRing, after: int, limit: int
) -> int | None:
    """One step; see `ports.history.History.reindex`."""
    some = select(_C.id, _C.owner, _C.text).where(_C.id > after, outdated(_C.indexed))
    found = (await connection.execute(some.order_by(_C.id).limit(limit))).all()
    for row in found:
        try:
            cipher = await keys.cipher(connection, ring, row.owner)
            text = cipher.open(bytes(row.text), rows.identity(row.owner, row.id, "text")).decode()
        except CannotDecrypt:
            continue  # nobody can read it; should the key come back, it is searched as a whole
        await _reindex(connection, row.id, text, cipher)
    return found[-1].id if len(found) == limit else None


async def _reindex(connection: AsyncConnection, entry: int, text: str, cipher: OwnerCipher) -> None:
    same = (_C.id == entry) & outdated(_C.indexed)
    done = await connection.execute(update(transcripts).where(same).values(indexed=INDEX_VERSION))
    if done.rowcount != 1:  # another server was faster, or it was deleted
        return
    made = await asyncio.to_thread(rows.token_rows_of, entry, text, cipher)
    await connection.execute(delete(tokens).where(tokens.c.transcript == entry))
    if made:
        await connection.execute(insert(tokens), made)
