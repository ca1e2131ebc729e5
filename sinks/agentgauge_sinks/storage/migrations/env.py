"""Alembic's entry: the caller gives the connection, and holds the lock."""

from alembic import context

from agentgauge_sinks.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True
)
context.run_migrations()
