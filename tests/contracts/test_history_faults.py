"""Databases that are away, full, not migrated, or used by several processes at once."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from tools.mariadb import MariaDb, MariaDbClient

from tests.support.history_databases import HistoryDatabase, entry, texts
from tests.support.processes import environment, free_port
from tests.support.run_servers import unique
from tests.support.waiting import until
from zhiyin.core.history.writer import HistoryWriter, HistoryWriterPolicy
from zhiyin.domain.caller import ANONYMOUS
from zhiyin.domain.errors import ConfigError, Unavailable
from zhiyin.domain.history import HistoryQuery
from zhiyin.ops.observer_memory import MemoryObserver
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.history_sql.database import MIGRATIONS, history_database
from zhiyin.store.history_sql.store import SqlHistory
from zhiyin.store.history_sql.tables import metadata
from zhiyin.store.sql.engine import DatabaseOptions

QUICK = HistoryWriterPolicy(linger_s=0.0, retry_s=0.05, max_retry_s=0.2)


@pytest.fixture
def own_mariadb(tmp_path: Path) -> Iterator[MariaDb]:
    """A server that a test may stop."""
    with MariaDb(tmp_path / "server") as server:
        server.sql("CREATE DATABASE history")
        yield server


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


async def test_migrations_go_up_and_down(history_db: HistoryDatabase) -> None:
    async with history_db.transaction() as connection:
        for target in ("base", "head", "base", "0001", "head"):
            if target == "base":
                await connection.run_sync(MIGRATIONS.downgrade, target)
                assert await connection.run_sync(tables) == set()
            else:
                await connection.run_sync(MIGRATIONS.upgrade, target)
        assert await connection.run_sync(MIGRATIONS.is_current)
        assert await connection.run_sync(tables) == set(metadata.tables)


async def test_migrations_make_the_tables_of_the_code(history_db: HistoryDatabase) -> None:
    def differences(connection: Connection) -> list[object]:
        MIGRATIONS.upgrade(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    async with history_db.transaction() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_database_that_does_not_answer_holds_up_no_request() -> None:
    """It was away; now it takes connections and says nothing. Nobody waits for the whole time."""
    port = free_port()
    database = history_database(
        f"mysql+asyncmy://root@127.0.0.1:{port}/x", DatabaseOptions(timeout_s=300, connect_s=300)
    )
    history = SqlHistory(database, PlainRing())
    query = HistoryQuery(ANONYMOUS)
    with pytest.raises(Unavailable):
        await history.page(query)
    server = await asyncio.start_server(lambda *_: asyncio.sleep(300), "127.0.0.1", port)
    found = await asyncio.gather(*(history.page(query) for _ in range(50)), return_exceptions=True)
    assert all(isinstance(error, Unavailable) for error in found)
    checking = database._preparing
    assert checking is not None
    assert not checking.done(), "one attempt goes on for all of them"
    checking.cancel()
    await history.close()
    server.close()


async def test_data_survives_a_migration(history_db: HistoryDatabase) -> None:
    kept = [entry(f"{n} 客厅") for n in range(20)]
    async with history_db.open() as history:
        await history.add(kept)
        async with history_db.transaction() as connection:
            await connection.run_sync(MIGRATIONS.downgrade, "0001")
        await history.migrate()
        assert await history.entries(0, 100) == kept
        assert len(await texts(history, "客厅")) == 20, "found before it is indexed again"


async def test_many_migrate_at_once(history_db: HistoryDatabase) -> None:
    async with history_db.transaction() as connection:
        await connection.run_sync(MIGRATIONS.downgrade, "base")

    async def one() -> str:
        async with history_db.open(timeout_s=60) as history:
            return await history.migrate()

    assert set(await asyncio.gather(*(one() for _ in range(4)))) == {MIGRATIONS.head()}


async def test_tables_of_a_newer_zhiyin_are_refused(history_db: HistoryDatabase) -> None:
    async with history_db.open() as history:
        await history.prepare()
        async with history_db.transaction() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    async with history_db.open() as history:
        with pytest.raises(Unavailable, match=r"newer|not up to date"):
            await history.prepare()


async def test_a_server_is_migrated_by_its_operator_only(mariadb: MariaDbClient) -> None:
    async with HistoryDatabase(mariadb.database(unique("unmigrated"))).open() as history:
        with pytest.raises(Unavailable, match="zhiyin migrate"):
            await history.add([entry()])
        await history.migrate()
        await history.add([entry()])


@pytest.mark.parametrize(
    "url",
    ["postgresql://x/y", "nonsense", "sqlite+aiosqlite://", "mysql+asyncmy://u@h", "mysql://"],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        history_database(url, DatabaseOptions())


async def test_away_at_the_start_and_in_mid_run(own_mariadb: MariaDb) -> None:
    history_db = HistoryDatabase(own_mariadb.url("history"))
    async with history_db.open() as history:
        await history.migrate()
    own_mariadb.stop()
    async with history_db.open(timeout_s=2) as history:
        observer = MemoryObserver()
        history_writer = HistoryWriter(history, QUICK, observer)
        history_writer.start()
        assert history_writer.enqueue(entry("said while it was away"))
        with pytest.raises(Unavailable):
            await texts(history)
        await until(lambda: bool(history_writer.degraded_reason))
        own_mariadb.start()
        await until(lambda: observer.totals("history")["kept"] == 1)
        assert history_writer.degraded_reason == ""
        assert await texts(history) == ["said while it was away"]
        own_mariadb.stop()
        assert history_writer.enqueue(entry("said while it was away again"))
        await until(lambda: bool(history_writer.degraded_reason))
        own_mariadb.start()
        await until(lambda: observer.totals("history")["kept"] == 2)
        assert len(await texts(history)) == 2
        await history_writer.close()


@contextmanager
def full_disk(file: Path) -> Iterator[None]:
    """No file of this process may grow beyond the size that this one has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_survived(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    history_db = HistoryDatabase(f"sqlite+aiosqlite:///{file}")
    async with history_db.open() as history:
        observer = MemoryObserver()
        history_writer = HistoryWriter(history, QUICK, observer)
        history_writer.start()
        history_writer.enqueue(entry("before"))
        await until(lambda: observer.totals("history")["kept"] == 1)
        with full_disk(file):
            history_writer.enqueue(entry("while it was full " * 20_000))
            await until(lambda: bool(history_writer.degraded_reason))
        await until(lambda: observer.totals("history")["kept"] == 2)
        assert len(await texts(history)) == 2
        await history_writer.close()


async def test_a_file_that_was_taken_away_comes_back_empty(tmp_path: Path) -> None:
    history_db = HistoryDatabase(f"sqlite+aiosqlite:///{tmp_path}/deep/er/history.db")
    async with history_db.open() as history:
        await history.add([entry("one")])
    mode = (tmp_path / "deep/er/history.db").stat().st_mode
    assert mode & 0o077 == 0, "for the owner of the process alone"
    (tmp_path / "deep/er/history.db").unlink()
    async with history_db.open() as history:
        assert await texts(history) == []


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    file.write_bytes(b"no database at all" * 100)
    async with HistoryDatabase(f"sqlite+aiosqlite:///{file}").open() as history:
        with pytest.raises(Unavailable):
            await history.prepare()


WRITER = """
import asyncio, sys
from datetime import timedelta
from tests.support.history_databases import START, HistoryDatabase, entry
async def main():
    name = sys.argv[2]  # nobody writes in the same microsecond: ids are times, and a little chance
    async with HistoryDatabase(sys.argv[1]).open() as history:
        for n in range(40):
            time = START + timedelta(seconds=n, microseconds=ord(name))
            await history.add([entry(f"{name} {n}", time=time)])
asyncio.run(main())
"""


async def test_several_processes_write_at_once(history_db: HistoryDatabase) -> None:
    root = Path(__file__).parents[2]
    started = [
        subprocess.Popen(  # noqa: ASYNC220 (it only starts)
            [sys.executable, "-c", WRITER, history_db.url, name],
            cwd=root, env=environment(PYTHONPATH=f"{root / 'src'}:{root}"),
        )
        for name in ("a", "b", "c")
    ]  # fmt: skip
    codes = [await asyncio.to_thread(process.wait, 120) for process in started]
    assert codes == [0, 0, 0]
    async with history_db.open() as history:
        found = await texts(history)
        assert sorted(map(str, found)) == sorted(f"{w} {n}" for w in "abc" for n in range(40))
        assert ANONYMOUS
