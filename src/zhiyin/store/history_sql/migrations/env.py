"""Run by Alembic, on the connection that `migrate` hands over."""

from __future__ import annotations

from alembic import context

from zhiyin.store.history_sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    version_table_pk=False,  # MySQL warns that it ignores the name of this key
)
with context.begin_transaction():
    context.run_migrations()
