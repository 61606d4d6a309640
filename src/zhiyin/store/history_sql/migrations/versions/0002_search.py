"""The index of grams."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from zhiyin.store.history_sql.tables import MYSQL

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """One table, in the order of its tokens."""
    op.create_table(
        "transcript_tokens",
        sa.Column("token", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("transcript", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
        **MYSQL,
    )
    op.create_index("transcript_tokens_transcript", "transcript_tokens", ["transcript"])


def downgrade() -> None:
    """Without it."""
    op.drop_table("transcript_tokens")
