"""Records of jobs, their queue, and the keys of their blobs.

Versions before the first migration made these tables without a version. They are adopted as they
are, if they have the columns that they should have.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0001"
down_revision: str | None = None

_METADATA = sa.MetaData()
_MYSQL: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_engine": "InnoDB"}


def _text(length: int) -> sa.String:
    return sa.String(length).with_variant(
        sa.String(length, collation="utf8mb4_bin"), "mysql", "mariadb"
    )


_JOBS = sa.Table(
    "jobs",
    _METADATA,
    sa.Column("id", _text(36), primary_key=True),
    sa.Column("owner", _text(128), nullable=False),
    sa.Column("idempotency", _text(64)),
    sa.Column("state", _text(16), nullable=False),
    sa.Column("priority", sa.SmallInteger, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("run", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("due_at", sa.Double, nullable=False),
    sa.Column("put_at", sa.Double),
    sa.Column("started_at", sa.Double),
    sa.Column("ended_at", sa.Double),
    sa.Column("until", sa.Double),
    sa.Column("attend_at", sa.Double),
    sa.Column("lease_token", _text(64)),
    sa.Column("lease_until", sa.Double),
    sa.Column("audio", _text(96), nullable=False),
    sa.Column("audio_bytes", sa.BigInteger, nullable=False),
    sa.Column("audio_until", sa.Double, nullable=False),
    sa.Column("duration_s", sa.Double),
    sa.Column("processed_s", sa.Double, nullable=False),
    sa.Column("result", _text(96), nullable=False),
    sa.Column("failure_code", _text(64)),
    sa.Column("failure_message", sa.LargeBinary(1 << 13)),
    sa.Column("webhook", _text(16), nullable=False),
    sa.Column("webhook_attempts", sa.Integer, nullable=False),
    sa.Column("webhook_due_at", sa.Double),
    sa.Column("key_id", _text(32), nullable=False),
    sa.Column("payload", sa.LargeBinary(1 << 20), nullable=False),
    sa.UniqueConstraint("owner", "idempotency", name="jobs_once"),
    sa.Index("jobs_by_owner", "owner", "id"),
    sa.Index("jobs_to_attend", "attend_at"),
    sa.Index("jobs_by_state", "state", "priority", "id"),
    **_MYSQL,
)
_QUEUE = sa.Table(
    "job_queue",
    _METADATA,
    sa.Column("job_id", _text(36), primary_key=True),
    sa.Column("rank_", sa.SmallInteger, nullable=False),
    sa.Column("visible_at", sa.Double, nullable=False),
    sa.Column("receipt", _text(32), nullable=False),
    sa.Column("dead", sa.Boolean, nullable=False),
    sa.Column("reason", _text(64), nullable=False),
    sa.Index("job_queue_next", "dead", "rank_", "job_id"),
    **_MYSQL,
)
_BLOB_KEYS = sa.Table(
    "job_blob_keys",
    _METADATA,
    sa.Column("name", _text(96), primary_key=True),
    sa.Column("id", _text(32), primary_key=True),
    sa.Column("ring_key", _text(32), nullable=False),
    sa.Column("sealed", sa.LargeBinary(255), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Index("job_blob_keys_made", "created_at"),
    **_MYSQL,
)


def upgrade() -> None:
    """What is missing of all three: an older version may have been ended while it made them."""
    connection = op.get_bind()
    found = sa.inspect(connection)
    there = [table for table in _METADATA.sorted_tables if found.has_table(table.name)]
    for table in there:
        columns = {column["name"] for column in found.get_columns(table.name)}
        if columns != set(table.columns.keys()):
            raise CommandError(f"the table {table.name} has other columns than expected")
    _METADATA.create_all(connection)
    for table in there:
        indexes = {index["name"] for index in found.get_indexes(table.name)}
        for index in table.indexes:
            if index.name not in indexes:
                index.create(connection)


def downgrade() -> None:
    """None of them."""
    _METADATA.drop_all(op.get_bind())
