"""Limits how many connections are open, in all and from each network, and how fast new clients come.

Theory of operation. Everything is counted by the *network* of a client: its address, or the first 64 bits of an IPv6
address, since a client that has one address of these has them all. There are two tables:

- the open connections of each network;
- the buckets of each network, in the order of their last use. A bucket that is full again is forgotten. If there are
  too many that are not full, the bucket that was used longest ago is forgotten.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

from ..reasons import Limit
from .rate import Bucket, Rate

__all__ = ["ConnectionLimits", "Refusal", "network_of"]

RETRY_AFTER: Final = 5.0
"""Seconds after which a refused client can try again, if the time until a connection is free is unknown."""

MAX_BUCKETS: Final = 50_000
"""Networks whose rates are remembered: some 15 MB."""

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
        self._rate = connects_per_ip
        self._max_buckets = max_buckets
        self._open = 0
        self._open_of: Counter[str] = Counter()
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

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
            if self._rate is not None:
                wait = self._bucket(network, self._rate, now).take(now)
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
        self._buckets.clear()

    @property
    def size(self) -> int:
        """The number of entries in both tables."""
        return len(self._open_of) + len(self._buckets)

    def _bucket(self, network: str, rate: Rate, now: float) -> Bucket:
        buckets = self._buckets
        bucket = buckets.get(network)
        if bucket is None:
            bucket = buckets[network] = Bucket(rate)
        buckets.move_to_end(network)
        while True:
            oldest = next(iter(buckets))
            is_needless = buckets[oldest].is_full(now) and oldest != network
            if not is_needless and len(buckets) <= self._max_buckets:
                return bucket
            del buckets[oldest]
