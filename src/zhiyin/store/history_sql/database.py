"""Connections, transactions, and the driver's errors as ours."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from zhiyin.domain.errors import ConfigError, MissingExtra, Unavailable

log = logging.getLogger(__name__)

_BUSY_MS = 5_000
_PRAGMAS = (
    f"busy_timeout={_BUSY_MS}",
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "secure_delete=ON",  # what is deleted is overwritten, not just forgotten
)
_KINDS = {"sqlite+aiosqlite": "sqlite", "mysql+asyncmy": "mysql", "mariadb+asyncmy": "mysql"}


@dataclass(frozen=True, slots=True)
class DatabaseOptions:
    """`connections` at once; a connection or transaction may take `timeout_s` seconds."""

    connections: int = 5
    timeout_s: float = 10.0


class Database:
    """An engine and its transactions. Nothing is opened before the first of them."""

    def __init__(self, url: str, options: DatabaseOptions) -> None:
        self.url = _parsed(url)
        self.embedded = _KINDS[self.url.drivername] == "sqlite"
        self._options = options
        self._engine = self._make_engine()

    @asynccontextmanager
    async def transaction(
        self, *, write: bool = False, timeout_s: float | None = None
    ) -> AsyncIterator[AsyncConnection]:
        """A connection; committed at the end. Raises Unavailable for all but IntegrityError."""
        engine = self._engine.execution_options(zhiyin_write=write)
        try:
            async with asyncio.timeout(timeout_s or self._options.timeout_s):
                async with engine.begin() as connection:
                    yield connection
        except IntegrityError:
            raise
        except (SQLAlchemyError, OSError, asyncio.IncompleteReadError) as error:
            raise Unavailable(
                "The history can't be reached at the moment. Recognition goes on.",
                code="history_unavailable", retry_after_s=5.0,
            ) from _told(error)  # fmt: skip

    async def truncate_journal(self) -> None:
        """Let SQLite's journal forget what was deleted; another database has none of this kind."""
        if self.embedded:
            async with self.transaction() as connection:
                await connection.exec_driver_sql("COMMIT")
                await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                await connection.exec_driver_sql("BEGIN")

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()

    def _make_engine(self) -> AsyncEngine:
        options: dict[str, Any] = {"pool_size": self._options.connections, "max_overflow": 0}
        options |= {"pool_timeout": self._options.timeout_s, "hide_parameters": True}
        if not self.embedded:
            seconds = int(self._options.timeout_s) or 1
            options |= {"pool_pre_ping": True, "pool_recycle": 1800}
            options |= {"isolation_level": "READ COMMITTED"}
            options |= {"connect_args": {"connect_timeout": seconds, "charset": "utf8mb4"}}
        try:
            engine = create_async_engine(self.url, **options)
        except ImportError as error:
            raise MissingExtra(
                "MariaDB and MySQL need a driver: pip install 'zhiyin[mysql]'"
            ) from error
        if self.embedded:
            event.listen(engine.sync_engine, "connect", _set_up)
            event.listen(engine.sync_engine, "begin", _begin)
            event.listen(engine.sync_engine, "do_connect", self._make_file)
        return engine

    def _make_file(self, *_: object) -> None:
        """The file, for its owner's eyes only; SQLite's own files beside it follow its mode."""
        path = Path(self.url.database or "")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)


def _parsed(text: str) -> URL:
    try:
        url = make_url(text)
        known = url.drivername in _KINDS
    except ArgumentError:
        known = False
    if not known:
        raise ConfigError(
            "history.url must begin with sqlite+aiosqlite:/// or mysql+asyncmy://USER:PASSWORD@"
        )
    if not url.database or url.database == ":memory:":
        raise ConfigError("history.url must name a file or database.")
    return url


def _set_up(connection: Any, _: ConnectionPoolEntry) -> None:
    # The driver must not begin transactions by itself: it leaves DDL and SELECT outside.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A writer takes the lock at once: one that reads first can't wait for another writer.
    write = connection.get_execution_options().get("zhiyin_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _told(error: BaseException) -> BaseException:
    """The error, after a line in the log, without values, hosts and users.

    The first argument is a number where the driver is MySQL's, and words about the file's state
    where it is SQLite's.
    """
    said = error.orig.args[:1] if isinstance(error, OperationalError) and error.orig else ()
    log.warning("the history database failed: %s %s", type(error).__name__, *(said or ("",)))
    return error
