"""The addresses of a TCP connection, as ASGI writes them."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.cli.addresses import address_of, client_of
from bennu.testing.memory_socket import MemoryTransport

from .memory import Client


class Transport(MemoryTransport):
    """A transport with an address."""

    def __init__(self, address: Any) -> None:
        super().__init__(Client())
        self._peer_address = address

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the client's address."""
        return self._peer_address if name == "peername" else default


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (("127.0.0.1", 80), ("127.0.0.1", 80)),
        (("::1", 80, 0, 2), ("::1", 80)),
        ("/run/bennu.sock", ("/run/bennu.sock", None)),
        ("", None),
        (None, None),
    ],
)
async def test_an_address_is_a_host_with_a_port_or_a_path(given: Any, address: Any) -> None:
    assert address_of(given) == address
    has_port = address is not None and address[1] is not None
    assert client_of(Transport(given)) == (address if has_port else None)
