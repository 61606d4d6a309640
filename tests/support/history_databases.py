"""Databases of the history, of every kind, and entries to put in."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection
from tools.mariadb import MariaDb

from zhiyin.domain.caller import ANONYMOUS, Origin
from zhiyin.domain.history import HistoryEntry, HistoryQuery, new_id
from zhiyin.domain.search import terms
from zhiyin.domain.transcript import DecodingStats, Segment, Transcript, Word
from zhiyin.ports.cipher import KeyRing
from zhiyin.store.cipher_aesgcm import AesRing, generate, parse_keys
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.history_sql.database import history_database
from zhiyin.store.history_sql.store import SqlHistory
from zhiyin.store.sql.engine import DatabaseOptions

START = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
_numbers = itertools.count()


def ring(*names: str) -> AesRing:
    """Fresh keys of these names."""
    return AesRing(parse_keys(",".join(generate(name) for name in names)))


def entry(
    text: str = "打开客厅的灯",
    *,
    owner: str = ANONYMOUS,
    time: datetime | None = None,
    language: str = "zh",
    model: str = "whisper-base",
    request_id: str = "",
) -> HistoryEntry:
    """A transcript with everything that one can have; later ones are a second later each."""
    number = next(_numbers)
    when = time or START + timedelta(seconds=number)
    word = Word(text[:1], 0.25, 0.5, 0.75)
    stats = DecodingStats((1, 2), 0.2, -0.3, 1.1, 0.01)
    segment = Segment(text, 0.25, 1.5, 0.9, (word,), None, stats)
    made = Transcript((segment,), language, 0.99, 3.36, "whisper", model)
    caller = Origin(owner, request_id or f"req_{number}", "recognize")
    return HistoryEntry(new_id(when), when, caller, 0.125, made)


async def texts(history: SqlHistory, q: str = "", *, owner: str = ANONYMOUS) -> list[str | None]:
    """The texts of all pages, newest first."""
    found: list[str | None] = []
    before: int | None = None
    while True:
        page = await history.page(HistoryQuery(owner, terms(q), before=before, limit=37))
        found += [s.text for s in page.summaries]
        before = page.before
        if before is None:
            return found


@dataclass(slots=True)
class HistoryDatabase:
    """A database of a test's own, empty and migrated."""

    url: str
    file: Path | None = None
    server: MariaDb | None = None

    @asynccontextmanager
    async def open(
        self, keys: KeyRing | None = None, *, timeout_s: float = 10.0
    ) -> AsyncIterator[SqlHistory]:
        """The history with these keys, or without any."""
        database = history_database(self.url, DatabaseOptions(timeout_s=timeout_s))
        history = SqlHistory(database, keys or PlainRing())
        try:
            yield history
        finally:
            await history.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction past the store, whatever the tables' revision is."""
        database = history_database(self.url, DatabaseOptions())
        try:
            async with database.unchecked(write=True) as connection:
                yield connection
        finally:
            await database.close()

    def raw(self) -> bytes:
        """Everything that lies on the disk."""
        if self.file is not None:
            return b"".join(p.read_bytes() for p in self.file.parent.glob(f"{self.file.name}*"))
        assert self.server is not None
        self.server.flush()
        try:
            files = [p for p in self.server.data.rglob("*") if p.is_file()]
            return b"".join(p.read_bytes() for p in files)
        finally:
            self.server.start()
