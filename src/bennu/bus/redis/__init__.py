"""The buses of Redis and Valkey: ``redis://``, Sentinel and Cluster."""

from __future__ import annotations

from ..broker.adapter import BrokerAdapter
from ..bus import BusAdapter
from .drivers import drivers_for

__all__ = ["adapter_for"]


def adapter_for(address: str, node: str | None = None) -> BusAdapter:
    """Return the adapter for an address, not started. :mod:`.options` lists the addresses.

    Raises:
        DefinitionError: The address can't be used.
    """
    (driver,) = drivers_for(address)
    return BrokerAdapter(driver, node)
