"""The tables. Every change here needs a migration; a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator, TypeEngine

# Names are compared byte by byte: MySQL's default takes 'Ann' and 'ann' for the same owner.
MYSQL: dict[str, Any] = {
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_engine": "InnoDB",
}

metadata = MetaData()


class UtcDateTime(TypeDecorator[datetime]):
    """Aware times in UTC, to the microsecond, in columns that know no zone."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """DATETIME(6) where the plain one has whole seconds."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Naive UTC."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware again."""
        return None if value is None else value.replace(tzinfo=UTC)


def long_bytes() -> TypeEngine[bytes]:
    """Up to 4 GB; MySQL's plain BLOB ends at 64 KB."""
    return LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")


transcripts = Table(
    "transcripts",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("owner", String(64), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("time", UtcDateTime, nullable=False),
    Column("door", String(16), nullable=False),
    Column("language", String(16), nullable=False),
    Column("model", String(200), nullable=False),
    Column("engine", String(64), nullable=False),
    Column("task", String(16), nullable=False),
    Column("duration_s", Double, nullable=False),
    Column("latency_s", Double, nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("text", long_bytes(), nullable=False),
    Column("details", long_bytes(), nullable=False),
    Column("indexed", SmallInteger, nullable=False, server_default="0"),
    Index("transcripts_owner", "owner", "id"),
    Index("transcripts_language", "owner", "language", "id"),
    Index("transcripts_model", "owner", "model", "id"),
    Index("transcripts_request", "owner", "request_id"),
    Index("transcripts_indexed", "owner", "indexed", "id"),
    **MYSQL,
)
"""`text` and `details` (the whole transcript as JSON) are sealed with the owner's key `key_id`.

`indexed` is the `INDEX_VERSION` of the tokens.
"""

tokens = Table(
    "transcript_tokens",
    metadata,
    Column("token", BigInteger, primary_key=True, autoincrement=False),
    Column("transcript", BigInteger, primary_key=True, autoincrement=False),
    Index("transcript_tokens_transcript", "transcript"),
    sqlite_with_rowid=False,
    **MYSQL,
)
"""Which grams stand in which text, by tokens that depend on the owner's key."""

owner_keys = Table(
    "owner_keys",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("id", String(32), nullable=False),
    Column("ring_key", String(32), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    **MYSQL,
)
"""Data keys, sealed by a key of the ring; the highest generation is in use."""
