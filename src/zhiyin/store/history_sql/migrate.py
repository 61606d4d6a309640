"""The tables' revisions, by Alembic; see `migrations/versions`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from zhiyin.domain.errors import Unavailable

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = "zhiyin_migrate"  # DDL is no part of a transaction in MySQL: only one may migrate
_LOCK_S = 60


def head() -> str:
    """The revision that this code needs."""
    return str(ScriptDirectory(str(_FOLDER)).get_current_head())


def is_current(connection: Connection) -> bool:
    """Whether the tables have that revision."""
    return MigrationContext.configure(connection).get_current_revision() == head()


def upgrade(connection: Connection, target: str = "head") -> str:
    """Bring the tables up to date; the revision. Raises Unavailable."""
    _lock(connection)
    _run(connection, lambda config: command.upgrade(config, target))
    return str(MigrationContext.configure(connection).get_current_revision())


def downgrade(connection: Connection, target: str) -> None:
    """Bring the tables back to an older revision; "base" removes them. Raises Unavailable."""
    _lock(connection)
    _run(connection, lambda config: command.downgrade(config, target))


def _run(connection: Connection, work: Callable[[Config], None]) -> None:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        work(config)
    except CommandError as error:
        raise Unavailable(
            f"The history's tables can't be migrated: {error}. Were they made by a newer zhiyin?",
            code="history_unavailable",
        ) from error


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        return  # the transaction holds the file
    got = connection.exec_driver_sql(f"SELECT GET_LOCK('{_LOCK}', {_LOCK_S})").scalar()
    if got != 1:
        raise Unavailable("Another process migrates the history.", code="history_unavailable")
