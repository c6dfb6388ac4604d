"""The rates of the topics of a node, and the topics to show. Pure.

A node can have ten thousand topics with accounts. They are counted one by one, so that the caller can let the event loop do other
work in between, and only those to show are kept: one half by their deliveries, the others by their subscribers.
"""

from __future__ import annotations

from heapq import heappush, heappushpop
from typing import Final

from msgspec import Struct

__all__ = ["MAX_TEXT", "TopicFigures", "TopicRates"]

MAX_TEXT: Final = 200
"""Characters of a topic or an id that a page gets."""

Ranked = tuple[int, int, int, str]


class TopicFigures(Struct, frozen=True):
    """A topic on one node, or on several.

    Attributes:
        topic: The topic; ``"*"`` has all topics without an account of their own.
        subscribers: Joined channels and listeners.
        messages: Broadcasts by the second.
        deliveries: Deliveries to clients by the second.
        nodes: How many nodes have the topic.
    """

    topic: str
    subscribers: int
    messages: float
    deliveries: float
    nodes: int = 1


class TopicRates:
    """The topics of one node between two counts.

    Args:
        most: The most topics to show.

    Attributes:
        messages: Broadcasts since the last count.
        deliveries: Deliveries since the last count.
        topics: Topics in this count that have subscribers, or had messages.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._last: dict[str, tuple[int, int]] = {}
        self._begin()

    def _begin(self) -> None:
        self.messages = self.deliveries = self.topics = 0
        self._busiest: list[Ranked] = []
        self._largest: list[Ranked] = []

    def count(self, topic: str, messages: int, deliveries: int, subscribers: int) -> None:
        """Count a topic. Each topic is counted once in each count.

        Args:
            topic: The topic.
            messages: Its messages since the start of the node.
            deliveries: Its deliveries since the start of the node.
            subscribers: Its subscribers now.
        """
        before = self._last.get(topic)
        self._last[topic] = (messages, deliveries)
        new = 0 if before is None else messages - before[0]
        delivered = 0 if before is None else deliveries - before[1]
        self.messages += new
        self.deliveries += delivered
        if not (new or delivered or subscribers):
            return
        self.topics += 1
        if new or delivered:
            _keep(self._busiest, (delivered, new, subscribers, topic), self._most)
        if subscribers:
            _keep(self._largest, (subscribers, delivered, new, topic), self._most)

    def finish(self, seconds: float) -> list[TopicFigures]:
        """Return the topics to show, and begin the next count.

        Args:
            seconds: The time since the last count.
        """
        half = self._most - self._most // 2
        found: dict[str, TopicFigures] = {}
        for delivered, new, subscribers, topic in sorted(self._busiest, reverse=True)[:half]:
            found[topic] = _figures(topic, subscribers, new, delivered, seconds)
        for subscribers, delivered, new, topic in sorted(self._largest, reverse=True):
            if len(found) >= self._most:
                break
            found.setdefault(topic, _figures(topic, subscribers, new, delivered, seconds))
        self._begin()
        return list(found.values())


def _keep(heap: list[Ranked], one: Ranked, most: int) -> None:
    """Put a topic into a heap of the highest ones."""
    if len(heap) < most:
        heappush(heap, one)
    elif one > heap[0]:
        heappushpop(heap, one)


def _figures(
    topic: str, subscribers: int, new: int, delivered: int, seconds: float
) -> TopicFigures:
    return TopicFigures(topic[:MAX_TEXT], subscribers, new / seconds, delivered / seconds)
