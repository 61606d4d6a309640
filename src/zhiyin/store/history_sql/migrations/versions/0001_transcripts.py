"""Transcripts and their owners' keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from zhiyin.store.history_sql.tables import MYSQL, UtcDateTime, long_bytes

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Both tables."""
    op.create_table(
        "transcripts",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("time", UtcDateTime, nullable=False),
        sa.Column("door", sa.String(16), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("engine", sa.String(64), nullable=False),
        sa.Column("task", sa.String(16), nullable=False),
        sa.Column("duration_s", sa.Double, nullable=False),
        sa.Column("latency_s", sa.Double, nullable=False),
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("text", long_bytes(), nullable=False),
        sa.Column("details", long_bytes(), nullable=False),
        **MYSQL,
    )
    op.create_index("transcripts_owner", "transcripts", ["owner", "id"])
    op.create_index("transcripts_language", "transcripts", ["owner", "language", "id"])
    op.create_index("transcripts_model", "transcripts", ["owner", "model", "id"])
    op.create_index("transcripts_request", "transcripts", ["owner", "request_id"])
    op.create_table(
        "owner_keys",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("ring_key", sa.String(32), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created", UtcDateTime, nullable=False),
        **MYSQL,
    )


def downgrade() -> None:
    """None of them."""
    op.drop_table("owner_keys")
    op.drop_table("transcripts")
