"""``nats://``: the bus over a NATS server, or a cluster of them."""

from __future__ import annotations

from ..broker.adapter import BrokerAdapter
from ..bus import unique_name
from .address import NATSAddress
from .driver import NATSDriver

__all__ = ["NATSDriver", "adapter_for"]


def adapter_for(address: str, node: str | None = None) -> BrokerAdapter:
    """Return the adapter for ``nats://[user:password@]host:port,host:port[?option=...]``, or ``tls://...``.

    Args:
        address: The address, see docs/bus.md.
        node: The name of this node, also in the server's monitoring. Default: None, a unique name.

    Raises:
        DefinitionError: The address can't be used.
    """
    name = unique_name() if node is None else node
    # The subjects have the prefix of the address, so that of the channels is as short as can be.
    return BrokerAdapter(NATSDriver(NATSAddress.parse(address), name), name, prefix="b")
