"""Runs the migrations on the connection that ``open_database`` has opened."""

from alembic import context

from bennu_demos.chat.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite can't alter a table: Alembic makes a new one, and copies the rows
)
with context.begin_transaction():
    context.run_migrations()
