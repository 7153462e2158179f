"""What Alembic executes: run on the connection that ``run.upgrade`` was given."""

from alembic import context

from collector.storage.sql.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=connection.dialect.name == "sqlite")
with context.begin_transaction():
    context.run_migrations()
