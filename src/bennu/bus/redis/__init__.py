"""The buses of Redis and Valkey: ``redis://``, Sentinel and Cluster."""

from __future__ import annotations

from ..broker.adapter import BrokerAdapter
from ..bus import BusAdapter, unique_name
from ..spread import SpreadAdapter
from .drivers import drivers_for
from .options import read_address

__all__ = ["adapter_for"]


def adapter_for(address: str, node: str | None = None) -> BusAdapter:
    """Return the adapter for an address, not started. :mod:`.options` lists the addresses.

    Raises:
        DefinitionError: The address can't be used.
    """
    read = read_address(address)
    name = unique_name() if node is None else node
    adapters = {
        driver.name: BrokerAdapter(driver, name, prefix=read.prefix) for driver in drivers_for(read)
    }
    if len(adapters) == 1:
        return next(iter(adapters.values()))
    return SpreadAdapter(adapters)
