"""The addresses of a TCP connection, as ASGI writes them. The transport knows them, so no Python socket is made."""

from __future__ import annotations

import asyncio
from typing import Any, cast

__all__ = ["address_of", "client_of"]


def address_of(given: Any) -> tuple[str, int | None] | None:
    """Return an address as ASGI writes it: a host with its port, or the path of a Unix socket."""
    if isinstance(given, tuple):
        host, port = cast("tuple[Any, ...]", given)[:2]  # an address of IPv6 has two parts more
        return (str(host), int(port))
    return (given, None) if isinstance(given, str) and given else None


def client_of(transport: asyncio.BaseTransport) -> tuple[str, int] | None:
    """Return the address of a client as ASGI writes it; None for a client of a Unix socket."""
    address = address_of(transport.get_extra_info("peername"))
    return None if address is None or address[1] is None else (address[0], address[1])
