"""Run the steps on the connection that ``database.migrate`` opened."""

from alembic import context

from drawdown.storage.sql import tables
from drawdown.storage.sql.metadata import metadata

assert tables  # importing them fills the metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
