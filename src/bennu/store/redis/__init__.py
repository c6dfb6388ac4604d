"""The store in Redis and Valkey: ``redis://``, Sentinel and Cluster."""

from __future__ import annotations

from ..store import Store
from .store import RedisStore

__all__ = ["RedisStore", "store_for"]


def store_for(address: str) -> Store:
    """Return the store for an address, not started. :mod:`.names` lists the addresses.

    Raises:
        DefinitionError: The address can't be used.
    """
    return RedisStore(address)
