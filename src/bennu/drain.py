"""How the clients of a server that stops are let go: how many, and when each. Protocol document, §1.15.

They leave in batches, since whoever is let go comes back at once, to another server or to this one's
successor, and that must not happen to all in the same moment. Within a batch they don't leave together
either: each has a slot of its own, and leaves at a random time in it. So no window of one interval sees
more than a batch of them, plus one.

Phoenix counts channels, and leaves connections without any alone. We count connections: it is they who
come back, and no client can tell the difference.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from .errors import DefinitionError
from .user_code.options import COUNT, FLAG, NUMBER, options

__all__ = ["Batch", "Drain", "DrainPolicy", "plan_drain"]


@options(batch_size=COUNT, batch_interval=NUMBER, timeout=NUMBER, log=FLAG)
@dataclass(frozen=True, slots=True)
class Drain:
    """How the clients of a socket are let go before the server stops.

    Args:
        batch_size: Connections of one batch.
        batch_interval: Seconds that a batch takes; one that is not full takes its share of them.
        timeout: Seconds that all may take; if there are too many for that, they leave faster.
        log: Whether each batch is logged; telemetry tells of it anyhow.

    Raises:
        DefinitionError: A number that can't be.

    Example:
        >>> Drain(batch_size=500, batch_interval=1.0).batch_size
        500
    """

    batch_size: int = 10_000
    batch_interval: float = 2.0
    timeout: float = 30.0
    log: bool = True

    def __post_init__(self) -> None:
        _expect(self.batch_size >= 1, "batch_size", self.batch_size, "a number from 1", 10_000)
        _expect(
            self.batch_interval >= 0, "batch_interval", self.batch_interval, "seconds, from 0", 2.0
        )
        _expect(self.timeout >= 0, "timeout", self.timeout, "seconds, from 0", 30.0)


DrainPolicy = (
    Drain
    | Callable[[], "Drain | Literal[False] | Awaitable[Drain | Literal[False]]"]
    | Literal[False]
)
"""How a socket drains; a function is asked when the endpoint starts; False leaves its clients alone."""


def _expect(fits: bool, name: str, got: float, expected: str, example: float) -> None:
    if not fits:
        raise DefinitionError(
            f"Drain({name}=...)", expected=expected, got=repr(got), write=f"{name}={example}"
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Some connections that leave one after another.

    Attributes:
        index: Which batch, from 1.
        rounds: How many batches there are.
        delays: When each connection leaves: seconds from the begin of the batch, in order.
        span: Seconds from its begin to that of the next.
    """

    index: int
    rounds: int
    delays: tuple[float, ...]
    span: float

    @property
    def count(self) -> int:
        """How many connections leave."""
        return len(self.delays)


def plan_drain(
    drain: Drain, total: int, within: float, random: Callable[[], float]
) -> Iterator[Batch]:
    """Plan when each of so many connections leaves.

    Args:
        drain: How fast they may.
        total: How many there are.
        within: Seconds that all may take together: if that is too short, the batches are.
        random: Returns numbers from 0 up to 1.

    Example:
        >>> [batch.count for batch in plan_drain(Drain(batch_size=2), 5, 30.0, lambda: 0.5)]
        [2, 2, 1]
    """
    size = drain.batch_size
    rounds = -(-total // size)
    slot = drain.batch_interval / size
    if slot * total > within:
        slot = within / total
    for index in range(rounds):
        count = min(size, total - index * size)
        delays = tuple(slot * (place + random()) for place in range(count))
        yield Batch(index + 1, rounds, delays, slot * count)
