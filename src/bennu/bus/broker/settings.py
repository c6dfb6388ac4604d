"""What the parts of a node on a broker share: its times and limits, and the names of the channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["MAX_PREFIX", "BrokerSettings", "Channels"]

MAX_PREFIX: Final = 60
"""Bytes of the prefix of channels."""


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """The times and limits of a node. All times are in seconds.

    Attributes:
        beat: Between two heartbeats. Marks are sent as often.
        gone: Without a heartbeat after which another node is gone. It is greater than ``beat``.
        deaf: Without an own heartbeat that comes back after which the connection is given up.
        patience: For which ``publish`` waits while the queue is full, and ``stop`` for the broker.
        connect: For one step of a connection.
        first_delay: Before the second attempt to connect, at most.
        last_delay: Before a later attempt, at most. It doubles from ``first_delay``.
        max_queue: Bytes that wait for the broker, at most. One more message can follow.
        max_streams: Topics whose numbers a publishing node keeps.
        max_known: Numbers that a receiving node keeps, over all topics and publishing nodes.
    """

    beat: float = 1.0
    gone: float = 5.0
    deaf: float = 3.0
    patience: float = 5.0
    connect: float = 5.0
    first_delay: float = 0.1
    last_delay: float = 5.0
    max_queue: int = 1024 * 1024
    max_streams: int = 100_000
    max_known: int = 1_000_000


class Channels:
    """The names of the channels on the broker.

    Args:
        prefix: What all names begin with. Applications that share a broker have different prefixes.

    Attributes:
        control: The channel of all nodes.
    """

    __slots__ = ("_node", "_topic", "control")

    def __init__(self, prefix: str) -> None:
        self.control = f"{prefix}:c"
        self._topic = f"{prefix}:t:"
        self._node = f"{prefix}:n:"

    def of_topic(self, topic: str) -> str:
        """Return the channel of a topic."""
        return self._topic + topic

    def of_node(self, node: str) -> str:
        """Return the channel of what is for one node alone."""
        return self._node + node

    def topic_of(self, channel: str) -> str | None:
        """Return the topic of a channel; None for another channel."""
        start = len(self._topic)
        return channel[start:] if channel[:start] == self._topic else None
