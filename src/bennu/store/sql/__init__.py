"""The store in PostgreSQL and SQLite, by SQLAlchemy: ``postgresql+asyncpg://``, ``sqlite+aiosqlite:///chat.db``."""

from __future__ import annotations

from ..store import Store
from .outbox import SQLOutbox
from .store import SQLStore
from .tables import metadata

__all__ = ["SQLOutbox", "SQLStore", "metadata", "store_for"]


def store_for(address: str) -> Store:
    """Return the store for an address, not started. :mod:`.address` lists the addresses.

    Raises:
        DefinitionError: The address can't be used, or its driver is not installed.
    """
    return SQLStore(address)
