"""Transactions on tables of the right revision, and the driver's errors as ours."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

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
_AWAY_S = 1.0
_JOURNAL_PAUSE_S, _JOURNAL_BUSY_MS = 0.1, 250
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
        self._journal = Path(f"{parsed.database}-wal") if self._embedded else None
        self._options = options
        self._engine = make_engine(parsed, options)
        self._ready = False
        self._away = False  # whether the last check failed
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

    async def truncate_journal(self, *, wait: bool = True) -> None:
        """Remove deleted rows from SQLite's journal; other databases have no such journal.

        Raises Unavailable when that was not possible, with `wait` for some seconds: a reader that
        has begun before the deletion still needs them.
        """
        end = time.monotonic() + (self._options.journal_s if wait else 0.0)
        collected = False
        while self._has_journal() and not await self._truncated():
            if not collected:  # a statement that was cancelled reads on until it is collected
                gc.collect()
                collected = True
            elif time.monotonic() > end:
                raise self._unavailable(
                    f"What was deleted is still in the journal of the {self.schema.name} database, "
                    "because somebody reads it. The server tries again later."
                )
            await asyncio.sleep(_JOURNAL_PAUSE_S)

    def _has_journal(self) -> bool:
        """Whether there is anything in it."""
        try:
            return self._journal is not None and self._journal.stat().st_size > 0
        except OSError:
            return False

    async def _truncated(self) -> bool:
        """Whether nobody was in the way."""
        async with self.transaction() as connection:
            execute = connection.exec_driver_sql
            await execute("COMMIT")
            busy_ms = (await execute("PRAGMA busy_timeout")).scalar_one()
            await execute(f"PRAGMA busy_timeout={_JOURNAL_BUSY_MS}")  # writers wait meanwhile
            busy = int((await execute("PRAGMA wal_checkpoint(TRUNCATE)")).scalar_one())
            await execute(f"PRAGMA busy_timeout={busy_ms}")
            await execute("BEGIN")
        return busy == 0

    async def close(self) -> None:
        """Close all connections; a migration that was begun is finished before."""
        if self._preparing is not None:
            await asyncio.gather(self._preparing, return_exceptions=True)
        await self._engine.dispose()

    async def _prepare(self) -> None:
        """One attempt for all waiting requests; a cancelled one must not end it half way.

        After one that failed nobody waits for long: the next goes on by itself.
        """
        if self._preparing is None:
            self._preparing = asyncio.create_task(self._check())
            self._preparing.add_done_callback(self._prepared)
        checking = self._preparing
        if self._away:
            done, _ = await asyncio.wait({checking}, timeout=_AWAY_S)
            if not done:
                raise self._unavailable(self.schema.away, self.schema.retry_after_s)
        await asyncio.shield(checking)

    def _prepared(self, checking: asyncio.Task[None]) -> None:
        self._preparing = None
        self._ready = not checking.cancelled() and checking.exception() is None
        self._away = not self._ready

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
