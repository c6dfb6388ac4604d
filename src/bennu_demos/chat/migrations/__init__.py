"""The migrations of the database, run by Alembic when the chat starts."""
