"""The store in NATS JetStream: ``nats://`` and ``tls://``."""

from __future__ import annotations

from ..store import Store
from .store import JetStreamStore

__all__ = ["JetStreamStore", "store_for"]


def store_for(address: str) -> Store:
    """Return the store for an address, not started. :mod:`.names` lists the parameters.

    Raises:
        DefinitionError: The address can't be used.
    """
    return JetStreamStore(address)
