"""Transactions on tables of the right revision, and the driver's errors as ours."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from alembic.util import CommandError
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from zhiyin.domain.errors import Unavailable
from zhiyin.store.sql.engine import WRITE, DatabaseOptions, embedded, make_engine, parse_url
from zhiyin.store.sql.migrations import Migrations

log = logging.getLogger(__name__)

_LOCK_S = 60
_MIGRATION_S = 3600.0
_LOCK_POLL_S = 0.05
_ALEMBIC = threading.Lock()  # its context is one for the whole process


@dataclass(frozen=True, slots=True)
class Schema:
    """A set of tables, with the texts of its errors.

    `usage` is the ConfigError about its address, `away` and `code` are the Unavailable of a
    database that can't be reached, `lock` is the name of the server's lock for migrations. Tables
    on a server are migrated by an operator, unless `by_itself`.
    """

    name: str
    tables: str
    migrations: Migrations
    lock: str
    usage: str
    away: str
    code: str = Unavailable.code
    retry_after_s: float | None = None
    by_itself: bool = False


class Database:
    """An engine and its transactions. Nothing is opened before the first of them.

    The revision of the tables is checked before the first use and after failures.
    """

    def __init__(self, url: str, schema: Schema, options: DatabaseOptions) -> None:
        """Raises ConfigError or MissingExtra."""
        parsed = parse_url(url, schema.usage)
        self.schema = schema
        self._embedded = embedded(parsed)
        self._options = options
        self._engine = make_engine(parsed, options)
        self._ready = False
        self._preparing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def transaction(self, *, write: bool = False) -> AsyncIterator[AsyncConnection]:
        """A connection; committed at the end. Raises Unavailable for all but IntegrityError.

        One that writes has to say so: SQLite's can't wait for another writer once it has read.
        """
        if not self._ready:
            await self._prepare()
        try:
            async with self.unchecked(write=write) as connection:
                yield connection
        except Unavailable:
            self._ready = False
            raise

    @asynccontextmanager
    async def unchecked(self, *, write: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction that does not check the tables' revision."""
        timeout_s = self._options.timeout_s
        async with self._connected(write, timeout_s) as connection, connection.begin():
            yield connection

    async def migrate(self) -> str:
        """Bring the tables up to date, as the only one at it; the revision. Raises Unavailable."""
        async with _alembic_lock(), self._connected(True, _MIGRATION_S) as connection:
            try:
                if not self._embedded:  # of a file, the transaction itself holds the lock
                    await self._lock(connection)
                revision = await connection.run_sync(self.schema.migrations.upgrade)
                await connection.commit()
            except CommandError as error:
                raise self._unavailable(
                    f"{self.schema.tables} can't be migrated: {error}. "
                    "Were they made by a newer zhiyin?"
                ) from error
            finally:
                await connection.invalidate()  # the server's lock goes with the connection
        return revision

    async def truncate_journal(self) -> None:
        """Remove deleted rows from SQLite's journal; other databases have no such journal."""
        if self._embedded:
            async with self.transaction() as connection:
                await connection.exec_driver_sql("COMMIT")
                await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                await connection.exec_driver_sql("BEGIN")

    async def close(self) -> None:
        """Close all connections; a migration that was begun is finished before."""
        if self._preparing is not None:
            await asyncio.gather(self._preparing, return_exceptions=True)
        await self._engine.dispose()

    async def _prepare(self) -> None:
        """One attempt for all waiting requests; a cancelled one must not end it half way."""
        if self._preparing is None:
            self._preparing = asyncio.create_task(self._check())
            self._preparing.add_done_callback(self._prepared)
        await asyncio.shield(self._preparing)

    def _prepared(self, checking: asyncio.Task[None]) -> None:
        self._preparing = None
        self._ready = not checking.cancelled() and checking.exception() is None

    async def _check(self) -> None:
        async with self.unchecked() as connection:
            if await connection.run_sync(self.schema.migrations.is_current):
                return
        if not (self._embedded or self.schema.by_itself):
            raise self._unavailable(f"{self.schema.tables} are not up to date: zhiyin migrate")
        await self.migrate()

    async def _lock(self, connection: AsyncConnection) -> None:
        """DDL is no part of a transaction in MySQL: only one process may migrate."""
        wanted = f"SELECT GET_LOCK('{self.schema.lock}', {_LOCK_S})"
        if (await connection.exec_driver_sql(wanted)).scalar() != 1:
            raise self._unavailable(f"{self.schema.tables} are being migrated by another process.")

    @asynccontextmanager
    async def _connected(self, write: bool, timeout_s: float) -> AsyncIterator[AsyncConnection]:
        engine = self._engine.execution_options(**{WRITE: write})
        try:
            async with asyncio.timeout(timeout_s), engine.connect() as connection:
                yield connection
        except IntegrityError:
            raise
        except (SQLAlchemyError, OSError, asyncio.IncompleteReadError) as error:
            self._report(error)
            away = self._unavailable(self.schema.away, self.schema.retry_after_s)
            raise away from error

    def _unavailable(self, message: str, retry_after_s: float | None = None) -> Unavailable:
        return Unavailable(message, code=self.schema.code, retry_after_s=retry_after_s)

    def _report(self, error: BaseException) -> None:
        """A line in the log, without values, hosts and users.

        The first argument is a number where the driver is MySQL's, and words about the file's
        state where it is SQLite's.
        """
        details = error.orig.args[:1] if isinstance(error, OperationalError) and error.orig else ()
        reason = details[0] if details else ""
        log.warning("the %s database failed: %s %s", self.schema.name, type(error).__name__, reason)


@asynccontextmanager
async def _alembic_lock() -> AsyncIterator[None]:
    """Lock around Alembic in this process, across event loops."""
    while not _ALEMBIC.acquire(blocking=False):  # noqa: ASYNC110 (an Event belongs to one loop)
        await asyncio.sleep(_LOCK_POLL_S)
    try:
        yield
    finally:
        _ALEMBIC.release()
