"""``postgresql://``: the bus over LISTEN and NOTIFY of a PostgreSQL server."""

from __future__ import annotations

from ..broker.adapter import BrokerAdapter
from ..bus import unique_name
from .address import parse_address
from .driver import PostgreSQLDriver

__all__ = ["PostgreSQLDriver", "adapter_for"]


def adapter_for(address: str, node: str | None = None) -> BrokerAdapter:
    """Return the adapter for ``postgresql://user:password@host:port/database?options``, not started.

    Args:
        address: The address, see docs/bus.md.
        node: The name of this node, also in the server's list of connections. Default: None, a unique name.

    Raises:
        DefinitionError: The address can't be used.
    """
    name = unique_name() if node is None else node
    parsed = parse_address(address, name)
    return BrokerAdapter(PostgreSQLDriver(parsed), name, prefix=parsed.prefix)
