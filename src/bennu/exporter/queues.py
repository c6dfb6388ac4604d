"""Looks at the queues of all connections, in parts, so that 50,000 connections don't hold the event loop."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappush, heappushpop
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ..server.connection import ServerConnection

__all__ = ["QueueLook"]

PART: Final = 2000
"""Connections that are looked at in one part."""


class QueueLook:
    """What was found at the connections, while they are looked at.

    Args:
        connections: The connections.
        most_slow: How many slow clients are kept.

    Attributes:
        slow: Clients that read too slowly.
        messages: Messages that wait for them, and can be dropped.
        bytes: Bytes that wait for them.
        items: Items that wait for busy channels.
        longest: Items that wait for the busiest channel.
        boxes: Items and bytes of the mailboxes, by the identity of a definition.
    """

    def __init__(self, connections: Sequence[ServerConnection[Any]], most_slow: int = 0) -> None:
        self._connections = connections
        self._next = 0
        self._most_slow = most_slow
        self._slowest: list[tuple[int, int, int, ServerConnection[Any]]] = []
        self.slow = 0
        self.messages = 0
        self.bytes = 0
        self.items = 0
        self.longest = 0
        self.boxes: dict[int, tuple[int, int]] = {}

    def part(self) -> bool:
        """Look at some of the connections. Return whether all were looked at."""
        end = self._next + PART
        for number, connection in enumerate(self._connections[self._next : end], self._next):
            if connection.backpressure is not None:
                messages, size = connection.backpressure.waiting
                self.slow += 1
                self.messages += messages
                self.bytes += size
                self._keep((size, messages, number, connection))
            for definition, box in connection.mailboxes():
                items, size = self.boxes.get(id(definition), (0, 0))
                self.boxes[id(definition)] = items + len(box), size + box.bytes
                self.items += len(box)
                self.longest = max(self.longest, len(box))
        self._next = end
        return end >= len(self._connections)

    def _keep(self, found: tuple[int, int, int, ServerConnection[Any]]) -> None:
        if len(self._slowest) < self._most_slow:
            heappush(self._slowest, found)
        elif self._most_slow:
            heappushpop(self._slowest, found)

    def slowest(self) -> list[tuple[ServerConnection[Any], int, int]]:
        """Return the slowest clients: their connections, and the messages and bytes that wait. Most bytes come first."""
        found = sorted(self._slowest, reverse=True)
        return [(connection, messages, size) for size, messages, _, connection in found]
