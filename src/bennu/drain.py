"""Plans when a server that stops closes each of its connections. Protocol document, §1.15.

A client whose connection is closed connects again at once, to another server or to this server's successor. So
connections are closed in batches. Within a batch each connection has its own slot, and is closed at a random time in
that slot. So no window of one interval has more than a batch of closes, plus one.

Phoenix counts channels, and does not drain connections without channels. Bennu counts connections, because each
connection connects again. No client can tell the difference.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from .errors import DefinitionError
from .user_code.options import COUNT, FLAG, NUMBER, options

__all__ = ["Drain", "DrainBatch", "DrainPolicy", "plan_drain"]


@options(batch_size=COUNT, batch_interval=NUMBER, timeout=NUMBER, log=FLAG)
@dataclass(frozen=True, slots=True)
class Drain:
    """How fast a socket's connections are closed before the server stops.

    Args:
        batch_size: Connections in one batch. Default: 10,000.
        batch_interval: Seconds that a full batch takes; a smaller batch takes its share of them. Default: 2.0.
        timeout: Seconds that all batches can take together. If this is too short, connections are closed faster.
            Default: 30.0.
        log: Whether each batch is logged. Telemetry reports each batch in any case. Default: True.

    Raises:
        DefinitionError: ``batch_size`` is below 1, or a number of seconds is below 0.

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
"""How a socket drains. A function is called when the endpoint starts. False means that the socket does not drain."""


def _expect(fits: bool, name: str, got: float, expected: str, example: float) -> None:
    if not fits:
        raise DefinitionError(
            f"Drain({name}=...)", expected=expected, got=repr(got), write=f"{name}={example}"
        )


@dataclass(frozen=True, slots=True)
class DrainBatch:
    """Connections that are closed one after another.

    Attributes:
        index: The number of the batch, from 1.
        rounds: The number of batches.
        delays: For each connection the seconds from the start of the batch to its close, in order.
        span: Seconds from the start of this batch to the start of the next batch.
    """

    index: int
    rounds: int
    delays: tuple[float, ...]
    span: float

    @property
    def count(self) -> int:
        """The number of connections."""
        return len(self.delays)


def plan_drain(
    drain: Drain, total: int, within: float, random: Callable[[], float]
) -> Iterator[DrainBatch]:
    """Yield batches with the time at which each connection is closed.

    Args:
        drain: How fast connections are closed.
        total: The number of connections.
        within: Seconds that all batches can take together. If this is too short, the batches are shortened.
        random: Returns random numbers from 0 up to, but not including, 1.

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
        yield DrainBatch(index + 1, rounds, delays, slot * count)
