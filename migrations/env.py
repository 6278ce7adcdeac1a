"""Alembic's entry: the connection, its transaction and its lock come from `migrations.run`."""

from alembic import context

from core.db.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
