"""Alembic's entry point: runs the steps on the connection (and in the transaction) of `db.migrate`."""

from alembic import context

from outdial.db.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
