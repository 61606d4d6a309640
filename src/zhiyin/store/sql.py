"""A SQL database, SQLite or MariaDB, that may be away for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    SQLAlchemyError,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from zhiyin.domain.errors import ConfigError, MissingExtra, Unavailable

_AWAY = "The database does not answer. Try again later."
_BUSY_MS = 10_000
_PRAGMAS = (
    f"busy_timeout = {_BUSY_MS}",
    "journal_mode = WAL",
    "synchronous = FULL",
    "secure_delete = ON",  # what is deleted is overwritten, not just forgotten
)
_RACES = 5
_CONNECT_S = 5
_PATIENCE_S = 30.0
_MADE_BY_OTHERS = ("already exists", "Duplicate key name")


class Database:
    """Connections to one database; the tables are made before the first use."""

    def __init__(self, url: str, metadata: MetaData) -> None:
        """Raises ConfigError or MissingExtra; connects to nothing yet."""
        self._engine = _engine(url)
        self._metadata = metadata
        self._created = False
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction. Raises Unavailable for all that the driver raises but IntegrityError."""
        try:
            await self._create()
            async with asyncio.timeout(_PATIENCE_S), self._engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise Unavailable(_AWAY) from error

    async def truncate_journal(self) -> None:
        """Let SQLite's journal forget what was deleted; another database has none of this kind."""
        if self._engine.dialect.name == "sqlite":
            async with self.begin() as connection:
                await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()

    async def _create(self) -> None:
        if self._created:
            return
        async with self._lock:
            for left in reversed(range(_RACES)):
                try:
                    async with self._engine.begin() as connection:
                        await connection.run_sync(self._metadata.create_all)
                    break
                except DBAPIError as error:  # another process may make the same table now
                    if not left or not any(said in str(error.orig) for said in _MADE_BY_OTHERS):
                        raise
                    await asyncio.sleep(0.1)
            self._created = True


def _engine(url: str) -> AsyncEngine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            if parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            engine = create_async_engine(parsed, hide_parameters=True)
            event.listen(engine.sync_engine, "connect", _tune_sqlite)
            event.listen(engine.sync_engine, "do_connect", lambda *_: _make_file(parsed.database))
            return engine
        return create_async_engine(
            parsed, hide_parameters=True, pool_pre_ping=True, pool_recycle=1800,
            connect_args={"connect_timeout": _CONNECT_S},
        )  # fmt: skip
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigError(
            "jobs.database: use sqlite+aiosqlite:///FILE or mysql+asyncmy://USER@HOST/NAME."
        ) from error
    except ImportError as error:
        raise MissingExtra(
            f"The database driver is not installed ({error.name}). "
            "Install it with: pip install 'zhiyin[mysql]'"
        ) from error


def _make_file(name: str | None) -> None:
    """For its owner's eyes only; SQLite's own files beside it follow its mode."""
    if name and name != ":memory:":
        Path(name).touch(mode=0o600)


def _tune_sqlite(connection: Any, _: object) -> None:
    """Readers beside one writer, and every commit on the disk before it counts."""
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
