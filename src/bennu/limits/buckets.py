"""Token buckets of many clients, by the network or name of each. The time is an argument.

The buckets are kept in the order of their last use. A bucket that is full again is forgotten. If there are too many that
are not full, the bucket that was used longest ago is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict

from .rate import Bucket, Rate

__all__ = ["MAX_BUCKETS", "Buckets"]

MAX_BUCKETS = 50_000
"""Clients whose rates are remembered: some 15 MB."""


class Buckets:
    """The buckets of all clients.

    Args:
        rate: The rate of each client.
        most: Clients whose rates are remembered.
    """

    def __init__(self, rate: Rate, most: int = MAX_BUCKETS) -> None:
        self._rate = rate
        self._most = most
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of clients whose rates are remembered."""
        return len(self._buckets)

    def of(self, name: str, now: float) -> Bucket:
        """Return the bucket of a client.

        Args:
            name: The client.
            now: The time in seconds.
        """
        buckets = self._buckets
        bucket = buckets.get(name)
        if bucket is None:
            bucket = buckets[name] = Bucket(self._rate)
        buckets.move_to_end(name)
        while True:
            oldest = next(iter(buckets))
            is_needless = buckets[oldest].is_full(now) and oldest != name
            if not is_needless and len(buckets) <= self._most:
                return bucket
            del buckets[oldest]

    def clear(self) -> None:
        """Forget all clients."""
        self._buckets.clear()
