"""How long a client waits before it connects or joins again. Pure: the random number is handed in."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["RECONNECT", "REJOIN", "Backoff"]


class Backoff(NamedTuple):
    """Delays that grow with the number of tries.

    Attributes:
        delays: The seconds before each try. All later tries wait for the last one.
        jitter: The part of a delay by which it varies, from 0 to 1. With 0.5 a delay of 2 s takes from 1 to 3 s. Clients
            that lost their server together come back spread over this time.

    Example:
        ``Client(url, reconnect=Backoff((1, 5, 30)))``
    """

    delays: tuple[float, ...]
    jitter: float = 0.5

    def delay(self, tries: int, random: float) -> float:
        """Return the seconds before the next try.

        Args:
            tries: The tries that have failed since the last success; 0 before the first try.
            random: A number from 0 to 1.

        Example:
            >>> Backoff((1, 2, 5)).delay(0, 0.5), Backoff((1, 2, 5)).delay(9, 1.0)
            (1.0, 7.5)
        """
        delay = self.delays[min(tries, len(self.delays) - 1)]
        return delay * (1 + self.jitter * (2 * random - 1))


RECONNECT: Final = Backoff((0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1, 2, 5))
"""The schedule of phoenix.js for connections."""

REJOIN: Final = Backoff((1, 2, 5, 10))
"""The schedule of phoenix.js for joins."""
