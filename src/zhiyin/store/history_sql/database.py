"""The database of the history."""

from __future__ import annotations

from pathlib import Path

from zhiyin.store.sql.database import Database, Schema
from zhiyin.store.sql.engine import DatabaseOptions
from zhiyin.store.sql.migrations import Migrations

MIGRATIONS = Migrations(Path(__file__).parent / "migrations/versions", "alembic_version")
SCHEMA = Schema(
    name="history",
    tables="The history's tables",
    migrations=MIGRATIONS,
    lock="zhiyin_migrate",
    usage="history.url: use sqlite+aiosqlite:///FILE or mysql+asyncmy://USER:PASSWORD@HOST/NAME.",
    away="The history can't be reached at the moment. Recognition goes on.",
    code="history_unavailable",
    retry_after_s=5.0,
)


def history_database(url: str, options: DatabaseOptions | None = None) -> Database:
    """Unopened. Raises ConfigError or MissingExtra."""
    return Database(url, SCHEMA, options or DatabaseOptions())
