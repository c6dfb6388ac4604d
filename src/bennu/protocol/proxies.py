"""Reads the client's address, scheme and host from the X-Forwarded headers of trusted proxies.

Any client can write any value into these headers. So they are read only if the connection itself comes from a trusted
proxy. X-Forwarded-For is read from its right end, where each proxy adds the address that it saw. The first address
from the right that is no trusted proxy is the client's. The client itself wrote the values to the left of that address.

    X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.0.0.7      from 10.0.0.1, both 10. trusted: 203.0.113.9

Each of the other headers is such a list if the proxies append to it, and one value if they replace it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from ..errors import DefinitionError

__all__ = ["Forwarded", "TrustedProxies"]

Address = tuple[str, int | None]

_UNIX: Final = "unix"
_BRACKETED: Final = re.compile(r"\[([^\]]*)\](?::([0-9]{1,5}))?")
_WITH_PORT: Final = re.compile(r"([^:]*):([0-9]{1,5})")
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_ENDING_PORT: Final = re.compile(r":[0-9]*\Z")
_SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The values that trusted proxies give for a request; None for a value that they do not give.

    Attributes:
        client: Address and port of the client.
        scheme: ``http`` or ``https``.
        authority: Host and port that the client asked for, as in a Host header.
        malformed: Names of the headers that could not be read, and were ignored.
    """

    client: Address | None
    scheme: str | None
    authority: str | None
    malformed: tuple[str, ...]


class TrustedProxies:
    """The proxies whose headers are read.

    Args:
        trusted: Addresses and networks, and ``"unix"`` for all connections by a Unix socket.

    Raises:
        DefinitionError: An entry is no address, no network and not ``"unix"``.
    """

    def __init__(self, trusted: Iterable[str]) -> None:
        entries = [trusted] if isinstance(trusted, str) else list(trusted)
        self._trusts_unix = _UNIX in entries
        self._networks = [_network(entry) for entry in entries if entry != _UNIX]

    def trusts(self, host: str | None) -> bool:
        """Return whether an address is a trusted proxy's; None stands for a Unix socket."""
        if not host:
            return self._trusts_unix
        address = _address(host)
        return address is not None and any(address in network for network in self._networks)

    def read(self, peer: str | None, headers: Sequence[tuple[bytes, bytes]]) -> Forwarded | None:
        """Return the proxies' values for a request; None if the connection comes from no trusted proxy.

        Args:
            peer: The address that the connection comes from; None for a Unix socket.
            headers: The headers of the request, with names in lower case.
        """
        if not self.trusts(peer):
            return None
        malformed: list[str] = []
        client, hops = self._client(_elements(headers, b"x-forwarded-for"), malformed)

        def said(name: str) -> str | None:
            """Return the value that the proxy nearest to the client gave."""
            values = _elements(headers, name.encode())
            return values[max(-hops, -len(values))] if values else None

        asked = next((value for name, value in headers if name == b"host"), b"").decode("latin-1")
        scheme = _scheme(said("x-forwarded-proto"), malformed)
        host, port = said("x-forwarded-host"), said("x-forwarded-port")
        authority = _authority(host, port, asked, malformed)
        return Forwarded(client, scheme, authority, tuple(malformed))

    def _client(self, chain: Sequence[str], malformed: list[str]) -> tuple[Address | None, int]:
        """Return the client's address, and the number of proxies between the client and the server."""
        client: Address | None = None
        for hops, element in enumerate(reversed(chain), 1):
            found = _client_address(element)
            if found is None:
                malformed.append("x-forwarded-for")
                return client, hops
            client = found
            if not self.trusts(found[0]):
                return client, hops
        return client, max(1, len(chain))


def _network(entry: object) -> IPv4Network | IPv6Network:
    try:
        if isinstance(entry, str):
            return ip_network(entry)
        problem = ""
    except ValueError as error:
        problem = f" ({error})"
    raise DefinitionError(
        "Endpoint(trusted_proxies=...)",
        expected='addresses and networks, or "unix"',
        got=f"{entry!r}{problem}",
        write='trusted_proxies=["10.0.0.0/8", "::1"]',
    )


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped  # a dual-stack socket shows IPv4 addresses so
    return address


def _elements(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> list[str]:
    """Return the elements of a list that can be split over several headers."""
    values = b",".join(value for key, value in headers if key == name).decode("latin-1")
    return [element.strip() for element in values.split(",")] if values.strip() else []


def _client_address(element: str) -> Address | None:
    found = _BRACKETED.fullmatch(element) or _WITH_PORT.fullmatch(element)
    host, port = (found[1], found[2]) if found else (element, None)
    address = _address(host)
    if address is None or not _is_port(port):
        return None
    return str(address), int(port) if port else None


def _is_port(text: str | None) -> bool:
    return text is None or 0 < int(text) < 65_536


def _scheme(said: str | None, malformed: list[str]) -> str | None:
    scheme = None if said is None else _SCHEMES.get(said.lower())
    if said is not None and scheme is None:
        malformed.append("x-forwarded-proto")
    return scheme


def _authority(host: str | None, port: str | None, asked: str, malformed: list[str]) -> str | None:
    """Return the host and port that the client asked for; None if no proxy says them."""
    found = None if host is None else _HOST.fullmatch(host)
    if host is not None and (found is None or not _is_port(found[1])):
        malformed.append("x-forwarded-host")
        host = found = None
    if port is not None and not (_PORT.fullmatch(port) and _is_port(port)):
        malformed.append("x-forwarded-port")
        port = None
    if port is None or (found is not None and found[1]):
        return host
    return f"{host or _ENDING_PORT.sub('', asked)}:{port}"
