"""Sealing rows anew, a bounded number at a time."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from zhiyin.domain.errors import CannotDecrypt
from zhiyin.domain.history import Resealed
from zhiyin.domain.sealing import PLAIN
from zhiyin.ports.cipher import Cipher, KeyRing, OwnerCipher
from zhiyin.store.history_sql import keys, rows
from zhiyin.store.history_sql.tables import tokens, transcripts

log = logging.getLogger(__name__)


async def reseal_rows(
    connection: AsyncConnection, old: KeyRing, new: KeyRing, after: int, limit: int
) -> Resealed:
    """One step; see `ports.history.Archive.reseal`."""
    chosen = select(transcripts.c.id, transcripts.c.owner, transcripts.c.key_id)
    chosen = chosen.where(transcripts.c.id > after).order_by(transcripts.c.id).limit(limit)
    found = (await connection.execute(chosen)).all()
    sealed = unreadable = 0
    ciphers: dict[str, tuple[Cipher, OwnerCipher] | None] = {}
    for row in found:
        if row.owner not in ciphers:
            ciphers[row.owner] = await _ciphers(connection, old, new, row.owner)
        pair = ciphers[row.owner]
        if pair is not None and pair[1].key_id == row.key_id:
            continue
        if pair is None or not await _reseal(connection, row.id, *pair):
            unreadable += 1
        else:
            sealed += 1
    return Resealed(found[-1].id if len(found) == limit else None, sealed, unreadable)


async def _ciphers(
    connection: AsyncConnection, old: KeyRing, new: KeyRing, owner: str
) -> tuple[Cipher, OwnerCipher] | None:
    """What opens and what seals; None when the owner's keys don't open."""
    try:
        if not new.key_id:
            return await keys.cipher(connection, old, owner), new.of(owner, ())
        writing = await keys.writing(connection, new, owner)
    except CannotDecrypt as error:
        log.error("an owner's keys can't be opened: %s", error.message)
        return None
    return writing, writing


async def _reseal(connection: AsyncConnection, entry: int, old: Cipher, new: OwnerCipher) -> bool:
    """Whether the row could be opened."""
    same = transcripts.c.id == entry
    row = (await connection.execute(select(transcripts).where(same))).one()
    try:
        text, details = (_opened(row, old, column) for column in ("text", "details"))
    except CannotDecrypt as error:
        log.error("entry %d of the history can't be opened: %s", entry, error.message)
        return False
    values = rows.sealed(row.owner, entry, new, text=text, details=details)
    await connection.execute(update(transcripts).where(same).values(values))
    await connection.execute(delete(tokens).where(tokens.c.transcript == entry))
    if token_rows := rows.token_rows_of(entry, text.decode(), new):
        await connection.execute(insert(tokens), token_rows)
    return True


def _opened(row: Row[Any], cipher: Cipher, column: str) -> bytes:
    stored: bytes = getattr(row, column)
    if row.key_id == "" and stored[:1] == PLAIN:
        return stored[1:]  # from before there was a key; a key that is in use would refuse it
    return cipher.open(stored, rows.identity(row.owner, row.id, column))
