"""Run by Alembic, on the connection that `store.sql.migrations` hands over."""

from __future__ import annotations

from alembic import context

given = context.config.attributes
context.configure(
    connection=given["connection"],
    version_table=given["version_table"],
    render_as_batch=True,
    version_table_pk=False,  # MySQL warns that it ignores the name of this key
)
with context.begin_transaction():
    context.run_migrations()
