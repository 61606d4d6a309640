"""The SQL tables of jobs, for SQLite and MariaDB. Times are unix seconds in doubles.

Every change here needs a migration; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
)

METADATA = MetaData()

_MOST_PAYLOAD_BYTES = 1 << 20
_MOST_MESSAGE_BYTES = 1 << 13
_MOST_KEY_BYTES = 255


def _text(length: int) -> String:
    """Identifiers compare by their bytes in both databases."""
    return String(length, collation=None).with_variant(
        String(length, collation="utf8mb4_bin"), "mysql", "mariadb"
    )


JOBS = Table(
    "jobs",
    METADATA,
    Column("id", _text(36), primary_key=True),
    Column("owner", _text(128), nullable=False),
    Column("idempotency", _text(64)),
    Column("state", _text(16), nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("run", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("put_at", Double),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("until", Double),
    Column("attend_at", Double),
    Column("lease_token", _text(64)),
    Column("lease_until", Double),
    Column("audio", _text(96), nullable=False),
    Column("audio_bytes", BigInteger, nullable=False),
    Column("audio_until", Double, nullable=False),
    Column("duration_s", Double),
    Column("processed_s", Double, nullable=False),
    Column("result", _text(96), nullable=False),
    Column("failure_code", _text(64)),
    # Sealed, as it may quote the request.
    Column("failure_message", LargeBinary(_MOST_MESSAGE_BYTES)),
    Column("webhook", _text(16), nullable=False),
    Column("webhook_attempts", Integer, nullable=False),
    Column("webhook_due_at", Double),
    # Sealed with the key `key_id`: what the client wrote (options with prompt and hotwords,
    # addresses), and its fingerprint.
    Column("key_id", _text(32), nullable=False),
    Column("payload", LargeBinary(_MOST_PAYLOAD_BYTES), nullable=False),
    UniqueConstraint("owner", "idempotency", name="jobs_once"),
    Index("jobs_by_owner", "owner", "id"),
    Index("jobs_to_attend", "attend_at"),
    Index("jobs_by_state", "state", "priority", "id"),
    mysql_charset="utf8mb4",
    mysql_engine="InnoDB",
)

QUEUE = Table(
    "job_queue",
    METADATA,
    Column("job_id", _text(36), primary_key=True),
    # The priority, negated: the order of the index is that of the queue.
    Column("rank_", SmallInteger, nullable=False),
    # Taken rows are invisible until then.
    Column("visible_at", Double, nullable=False),
    Column("receipt", _text(32), nullable=False),
    Column("dead", Boolean, nullable=False),
    Column("reason", _text(64), nullable=False),
    Index("job_queue_next", "dead", "rank_", "job_id"),
    mysql_charset="utf8mb4",
    mysql_engine="InnoDB",
)

BLOB_KEYS = Table(
    "job_blob_keys",
    METADATA,
    Column("name", _text(96), primary_key=True),
    Column("id", _text(32), primary_key=True),
    Column("ring_key", _text(32), nullable=False),
    Column("sealed", LargeBinary(_MOST_KEY_BYTES), nullable=False),
    Column("created_at", Double, nullable=False),
    Index("job_blob_keys_made", "created_at"),
    mysql_charset="utf8mb4",
    mysql_engine="InnoDB",
)
"""Data keys of recordings and results, sealed by a key of the ring."""
