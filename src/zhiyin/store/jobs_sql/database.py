"""The database of jobs."""

from __future__ import annotations

from pathlib import Path

from zhiyin.store.sql.database import Database, Schema
from zhiyin.store.sql.engine import DatabaseOptions
from zhiyin.store.sql.migrations import Migrations

MIGRATIONS = Migrations(Path(__file__).parent / "migrations/versions", "job_schema_version")
SCHEMA = Schema(
    name="jobs",
    tables="The tables of jobs",
    migrations=MIGRATIONS,
    lock="zhiyin_migrate_jobs",
    usage="jobs.database: use sqlite+aiosqlite:///FILE or mysql+asyncmy://USER@HOST/NAME.",
    away="The database does not answer. Try again later.",
    by_itself=True,
)
# A job that was accepted is not lost, so its record is on the disk before the answer.
OPTIONS = DatabaseOptions(overflow=10, timeout_s=30.0, connect_s=5.0, durable=True)


def jobs_database(url: str, options: DatabaseOptions = OPTIONS) -> Database:
    """Unopened. Raises ConfigError or MissingExtra."""
    return Database(url, SCHEMA, options)
