"""Which rules the tokens of a text were made by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """A column; the servers index anew what has an old version there, in the background."""
    op.add_column(
        "transcripts", sa.Column("indexed", sa.SmallInteger, nullable=False, server_default="0")
    )
    op.create_index("transcripts_indexed", "transcripts", ["owner", "indexed", "id"])


def downgrade() -> None:
    """Without it."""
    op.drop_index("transcripts_indexed", "transcripts")
    op.drop_column("transcripts", "indexed")
