"""Limits how many connections are open, in all and from each network, and how fast new clients come.

Theory of operation. Everything is counted by the *network* of a client: its address, or the first 64 bits of an IPv6
address, since a client that has one address of these has them all. There are two tables: the open connections of each
network, and the buckets of each network (:mod:`.buckets`).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

from ..reasons import Limit
from .buckets import MAX_BUCKETS, Buckets
from .rate import Rate

__all__ = ["ConnectionLimits", "Refusal", "network_of"]

RETRY_AFTER: Final = 5.0
"""Seconds after which a refused client can try again, if the time until a connection is free is unknown."""

UNREADABLE: Final = "?"
"""The network of all clients with an unreadable address: they share their limits."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A client that must try again later.

    Attributes:
        limit: The limit that the client would exceed.
        retry_after: Whole seconds after which the client can try again.
    """

    limit: Limit
    retry_after: int


def network_of(host: str | None) -> str | None:
    """Return the network of a client; None if its address is unknown.

    Args:
        host: The client's address.

    Example:
        >>> network_of("2001:db8:1:2:3:4:5:6"), network_of("::ffff:192.0.2.1")
        ('2001:db8:1:2::/64', '192.0.2.1')
    """
    if host is None:
        return None
    try:
        address = ip_address(host)
    except ValueError:
        return UNREADABLE
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"


class ConnectionLimits:
    """Counts the clients of one endpoint, and refuses those that exceed a limit.

    Args:
        connections: Open connections; None is no limit, here and below.
        connections_per_ip: Open connections of one network.
        connects_per_ip: How fast clients of one network can connect.
        max_buckets: Networks whose rates are remembered.
    """

    def __init__(
        self,
        *,
        connections: int | None = None,
        connections_per_ip: int | None = None,
        connects_per_ip: Rate | None = None,
        max_buckets: int = MAX_BUCKETS,
    ) -> None:
        self._limit = math.inf if connections is None else connections
        self._limit_per_ip = math.inf if connections_per_ip is None else connections_per_ip
        self._buckets = None if connects_per_ip is None else Buckets(connects_per_ip, max_buckets)
        self._open = 0
        self._open_of: Counter[str] = Counter()

    def enter(self, network: str | None, now: float) -> Refusal | None:
        """Count a client until :meth:`leave`; or return a refusal, without counting the client.

        Args:
            network: The client's network; None counts the client only among all connections.
            now: The time in seconds.
        """
        if self._open >= self._limit:
            return Refusal(Limit.CONNECTIONS, math.ceil(RETRY_AFTER))
        if network is not None:
            if self._open_of[network] >= self._limit_per_ip:
                return Refusal(Limit.CONNECTIONS_PER_IP, math.ceil(RETRY_AFTER))
            if self._buckets is not None:
                wait = self._buckets.of(network, now).take(now)
                if wait:
                    return Refusal(Limit.CONNECTS_PER_IP, math.ceil(wait))
        self.add(network)
        return None

    def add(self, network: str | None) -> None:
        """Count a client that has been accepted before."""
        self._open += 1
        if network is not None:
            self._open_of[network] += 1

    def leave(self, network: str | None) -> None:
        """Stop counting a client."""
        self._open -= 1
        if network is not None:
            self._open_of[network] -= 1
            if not self._open_of[network]:
                del self._open_of[network]

    def forget_rates(self) -> None:
        """Forget the rates of clients: the clock of another event loop starts at another time."""
        if self._buckets is not None:
            self._buckets.clear()

    @property
    def size(self) -> int:
        """The number of entries in both tables."""
        return len(self._open_of) + (0 if self._buckets is None else len(self._buckets))
