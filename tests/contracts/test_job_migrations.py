"""The tables of jobs get to the revision of the code, whoever made them."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, LargeBinary, inspect, text

from tests.support.history_databases import entry, texts
from tests.support.job_records import made
from tests.support.processes import environment
from zhiyin.domain.errors import ConfigError, Unavailable
from zhiyin.domain.job import (
    Failure,
    Job,
    JobQuery,
    JobRequest,
    Priority,
    Recording,
    Webhook,
    WebhookState,
)
from zhiyin.domain.options import DecodeOptions, TranscribeOptions
from zhiyin.store.blob_keys import BlobKeys
from zhiyin.store.cipher_aesgcm import AesRing, parse_keys
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.history_sql.database import history_database
from zhiyin.store.history_sql.store import SqlHistory
from zhiyin.store.jobs_sql.database import MIGRATIONS, SCHEMA, jobs_database
from zhiyin.store.jobs_sql.queue import LocalQueue
from zhiyin.store.jobs_sql.store import SqlJobs
from zhiyin.store.jobs_sql.tables import METADATA
from zhiyin.store.sql.database import Database
from zhiyin.store.sql.engine import DatabaseOptions
from zhiyin.store.sql.migrations import Migrations

DATA = Path(__file__).parents[1] / "data"
SEALED = AesRing(parse_keys("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="))
NOW = 1_795_000_000.25
SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.add_column("jobs", sa.Column("colour", sa.String(16), nullable=False, server_default="red"))


def downgrade():
    op.drop_column("jobs", "colour")
"""


def old_job(number: int) -> Job:
    """What the dumps of tests/data have: job 1 is not encrypted, job 2 is."""
    decode = DecodeOptions("zh", "translate", "提示 ' \" %s", "热词", 3, 0.5, words=True)
    request = JobRequest(
        TranscribeOptions("m", decode, vad=False, previous_text=True),
        Priority.HIGH, "https://example.com/a?b=c", "https://example.com/hook", store=False,
    )  # fmt: skip
    name = f"job_{number:032x}"
    return Job(
        name, "ann", request, Recording(f"{name}.audio", 1 << 40, NOW + 9, 12.5), NOW, NOW,
        key="k" * 63 + str(number), fingerprint="f" * 64, version=3, run=2, attempts=1,
        put_at=NOW + 0.25, failure=Failure("engine_failed", "Es ging nicht 😀"),
        webhook=Webhook(WebhookState.PENDING, 2, NOW + 6), next_check_at=NOW + 5,
    )  # fmt: skip


@pytest.fixture
async def old_url(database_url: str) -> str:
    """A database as the last version without migrations left it: dumped from a real one."""
    kind, _, file = database_url.partition("+aiosqlite:///")
    if kind == "sqlite":
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript((DATA / "jobs_unversioned_sqlite.sql").read_text("utf-8"))
        return database_url
    dump = (DATA / "jobs_unversioned_mariadb.sql").read_text("utf-8")
    await run(database_url, *dump.strip().split(";\n"))
    return database_url


@asynccontextmanager
async def opened(url: str, migrations: Migrations = MIGRATIONS) -> AsyncIterator[Database]:
    """The database, as code with these migrations opens it."""
    database = Database(url, replace(SCHEMA, migrations=migrations), DatabaseOptions(timeout_s=60))
    try:
        yield database
    finally:
        await database.close()


async def run(url: str, *statements: str) -> None:
    """Whatever the tables are."""
    async with opened(url) as database, database.unchecked(write=True) as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)


async def revision(database: Database) -> str | None:
    async with database.unchecked() as connection:
        return await connection.run_sync(database.schema.migrations.revision)


def differences(connection: Connection) -> list[object]:
    """Between the tables and those of the code."""
    options = {
        "compare_type": _other_type,
        "include_name": lambda name, kind, _: kind != "table" or name in METADATA.tables,
    }
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))


def _other_type(*given: Any) -> bool | None:
    """Alembic's own answer (None), but for bytes: MariaDB takes a kind of BLOB by the length."""
    return False if isinstance(given[-1], LargeBinary) else None


async def check_old(database: Database) -> None:
    """All of the old database is there, at the revision of the code."""
    for number, ring in ((1, PlainRing()), (2, SEALED)):
        assert await SqlJobs(database, ring).get(old_job(number).id) == old_job(number)
    unreadable = await SqlJobs(database, PlainRing()).get(old_job(2).id)
    assert unreadable is not None
    assert unreadable.unreadable
    name = old_job(2).recording.blob
    assert await BlobKeys(database, SEALED).names(0, 9e9) == [name]
    async with database.transaction() as connection:
        assert await connection.run_sync(differences) == []
    assert await revision(database) == MIGRATIONS.head()


async def test_an_old_database_is_adopted_as_it_is(old_url: str) -> None:
    async with opened(old_url) as database:
        await check_old(database)
        queue = LocalQueue(database)
        taken = [await queue.take(1), await queue.take(1)]
        assert [t and t.job_id for t in taken] == [old_job(1).id, old_job(2).id]
    async with opened(old_url) as again:
        store = SqlJobs(again, SEALED)
        job = await store.add(made(7))
        assert await store.get(job.id) == job


async def test_what_an_old_version_had_not_finished_is_finished(old_url: str) -> None:
    where = "" if old_url.startswith("sqlite") else " ON jobs"
    await run(old_url, "DROP TABLE job_queue", f"DROP INDEX jobs_to_attend{where}")
    async with opened(old_url) as database:
        await check_old(database)
        assert await LocalQueue(database).lag() == 0


async def test_a_client_that_leaves_does_not_end_a_migration_half_way(old_url: str) -> None:
    async with opened(old_url) as database:
        store = SqlJobs(database, PlainRing())
        clients = [asyncio.create_task(store.get(old_job(1).id)) for _ in range(2)]
        await asyncio.sleep(0)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        assert all(client.cancelled() for client in clients)
    async with opened(old_url) as database:
        assert await revision(database) == MIGRATIONS.head()


async def test_strange_tables_are_left_alone(old_url: str) -> None:
    await run(old_url, "ALTER TABLE jobs RENAME COLUMN audio TO sound")
    async with opened(old_url) as database:
        with pytest.raises(Unavailable, match="jobs has other columns"):
            await SqlJobs(database, PlainRing()).list(JobQuery("ann"))
        assert await revision(database) is None
    await run(old_url, "ALTER TABLE jobs RENAME COLUMN sound TO audio")
    async with opened(old_url) as database:
        await check_old(database)


async def test_migrations_go_up_and_down(database: Database) -> None:
    async with database.unchecked(write=True) as connection:
        for _ in range(2):
            await connection.run_sync(MIGRATIONS.upgrade)
            assert await connection.run_sync(MIGRATIONS.is_current)
            assert await connection.run_sync(differences) == []
            await connection.run_sync(MIGRATIONS.downgrade, "base")
            assert not await connection.run_sync(MIGRATIONS.is_current)
            found = await connection.run_sync(lambda c: inspect(c).get_table_names())
            assert found == [MIGRATIONS.version_table]


@pytest.fixture
def newer(tmp_path: Path) -> Migrations:
    """Those of a next version, whose jobs have a colour."""
    folder = tmp_path / "100% next" / "versions"
    shutil.copytree(MIGRATIONS.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "0002_colour.py").write_text(SECOND)
    return replace(MIGRATIONS, folder=folder)


@pytest.mark.parametrize("versioned", [True, False])
async def test_a_new_column_reaches_an_old_database(
    old_url: str, newer: Migrations, versioned: bool
) -> None:
    if versioned:
        async with opened(old_url) as database:
            await check_old(database)
    async with opened(old_url, newer) as database:
        assert await SqlJobs(database, SEALED).get(old_job(2).id) == old_job(2)
        async with database.transaction() as connection:
            found = (await connection.execute(text("SELECT colour FROM jobs"))).scalars().all()
        assert found == ["red", "red"]
        assert await revision(database) == "0002"
    async with opened(old_url) as older:
        with pytest.raises(Unavailable, match="newer zhiyin"):
            await SqlJobs(older, SEALED).get(old_job(2).id)


OPENER = """
import asyncio, sys
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.jobs_sql.database import jobs_database
from zhiyin.store.jobs_sql.store import SqlJobs
from tests.support.job_records import made
async def main():
    database = jobs_database(sys.argv[1])
    for number in range(10):
        await SqlJobs(database, PlainRing()).add(made(number))
    await database.close()
asyncio.run(main())
"""


async def test_several_processes_adopt_it_at_once(old_url: str) -> None:
    root = Path(__file__).parents[2]
    started = [
        subprocess.Popen(  # noqa: ASYNC220 (it only starts)
            [sys.executable, "-c", OPENER, old_url],
            cwd=root, env=environment(PYTHONPATH=f"{root / 'src'}:{root}"),
        )
        for _ in range(3)
    ]  # fmt: skip
    codes = [await asyncio.to_thread(process.wait, 120) for process in started]
    assert codes == [0, 0, 0]
    async with opened(old_url) as database:
        await check_old(database)
        jobs = await SqlJobs(database, PlainRing()).list(JobQuery("ann", limit=100))
        assert len(jobs) == 2 + 3 * 10


async def test_jobs_and_history_may_share_a_database(old_url: str) -> None:
    history = SqlHistory(history_database(old_url), PlainRing())
    async with opened(old_url) as database:
        # At once, as at the start of a server.
        await asyncio.gather(check_old(database), history.migrate())
        await history.add([entry("both")])
    async with opened(old_url) as database:
        assert await SqlJobs(database, SEALED).get(old_job(2).id) == old_job(2)
    assert await texts(history) == ["both"]
    await history.close()


@pytest.mark.parametrize("url", ["nonsense", "postgresql://a/b", "sqlite+aiosqlite://", "mysql://"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"jobs\.database: use"):
        jobs_database(url)
