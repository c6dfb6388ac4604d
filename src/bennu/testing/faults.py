"""What a bus in memory does to messages: it loses, delays, repeats and reorders them, by chance and under a seed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

__all__ = ["BusFaults"]

ONCE: Final = (0.0,)


class BusFaults:
    """The faults of a bus. Each can be set at any time.

    Args:
        random: The random numbers of the test.

    Attributes:
        loss: The part of the messages that is lost, from 0 to 1.
        repeats: The part of the messages that arrives twice.
        delay: The least and the most seconds that a message takes. If they differ, messages overtake each other.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self.clear()

    def clear(self) -> None:
        """End all faults."""
        self.loss = 0.0
        self.repeats = 0.0
        self.delay = (0.0, 0.0)

    def copies(self, sender: str, to: str) -> Sequence[float]:
        """Return the delay of each copy of a message that arrives, in seconds."""
        del sender, to
        random = self._random
        if self.loss and random.random() < self.loss:
            return ()
        delay = random.uniform(*self.delay) if self.delay[1] else 0.0
        if self.repeats and random.random() < self.repeats:
            return (delay, delay + random.uniform(*self.delay))
        return (delay,) if delay else ONCE
