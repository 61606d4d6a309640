"""SQLAlchemy's engine, tuned for SQLite and for MariaDB."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from zhiyin.domain.errors import ConfigError, MissingExtra

WRITE = "zhiyin_write"
"""The execution option of a transaction that writes."""

_MOST_BUSY_S = 10.0
_KINDS = {"sqlite+aiosqlite": "sqlite", "mysql+asyncmy": "mysql", "mariadb+asyncmy": "mysql"}


@dataclass(frozen=True, slots=True)
class DatabaseOptions:
    """`connections` stay open, `overflow` more come in a rush.

    To connect may take `connect_s` seconds, a transaction `timeout_s`. `durable` transactions of
    SQLite are on the disk before they count; others survive the process, not a loss of power.
    An erasure waits `journal_s` for readers of SQLite's journal.
    """

    connections: int = 5
    overflow: int = 0
    timeout_s: float = 10.0
    connect_s: float = 10.0
    durable: bool = False
    journal_s: float = 10.0


def parse_url(text: str, usage: str) -> URL:
    """An address of SQLite or MariaDB. Raises ConfigError with the `usage`."""
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise ConfigError(usage) from error
    if url.drivername not in _KINDS or not url.database or url.database == ":memory:":
        raise ConfigError(usage)
    return url


def embedded(url: URL) -> bool:
    """Whether it is a file that this program makes by itself."""
    return _KINDS[url.drivername] == "sqlite"


def make_engine(url: URL, options: DatabaseOptions) -> AsyncEngine:
    """Opens nothing yet. Raises MissingExtra."""
    more: dict[str, Any] = {"pool_size": options.connections, "max_overflow": options.overflow}
    more |= {"pool_timeout": options.timeout_s, "hide_parameters": True}
    if not embedded(url):
        more |= {"pool_pre_ping": True, "pool_recycle": 1800}
        more |= {"isolation_level": "READ COMMITTED"}
        seconds = int(options.connect_s) or 1
        more |= {"connect_args": {"connect_timeout": seconds, "charset": "utf8mb4"}}
    try:
        engine = create_async_engine(url, **more)
    except ImportError as error:
        raise MissingExtra(
            f"The database driver is not installed ({error.name}). "
            "Install it with: pip install 'zhiyin[mysql]'"
        ) from error
    if embedded(url):
        _tune(engine, Path(url.database or ""), options)
    return engine


def _tune(engine: AsyncEngine, file: Path, options: DatabaseOptions) -> None:
    """SQLite: readers beside one writer, in transactions that begin where we say so."""
    # Waiting for the lock fails before the transaction's own timeout.
    busy_ms = int(min(_MOST_BUSY_S, options.timeout_s / 2) * 1000)
    pragmas = (
        f"busy_timeout={busy_ms}",
        "journal_mode=WAL",
        f"synchronous={'FULL' if options.durable else 'NORMAL'}",
        "secure_delete=ON",  # what is deleted is overwritten, not just unlinked
    )

    def make_file(*_: object) -> None:
        """For its owner's eyes only; SQLite's own files beside it follow its mode."""
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)

    def set_up(connection: Any, _: object) -> None:
        # The driver must not begin transactions by itself: it leaves DDL and SELECT outside.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def end_transaction(connection: Any, *_: object) -> None:
        # A connection that is closed after a cancellation, with a statement not read to its end,
        # lives on as a zombie and keeps the file locked until Python's garbage collector comes by.
        with suppress(SQLAlchemyError, sqlite3.Error):
            connection.rollback()

    event.listen(engine.sync_engine, "invalidate", end_transaction)
    event.listen(engine.sync_engine, "do_connect", make_file)
    event.listen(engine.sync_engine, "connect", set_up)
    event.listen(engine.sync_engine, "begin", _begin)


def _begin(connection: Connection) -> None:
    # A writer takes the lock at once: one that reads first can't wait for another writer.
    write = connection.get_execution_options().get(WRITE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
