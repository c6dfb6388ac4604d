"""Counts the messages that a node missed, by publishing node and topic. Pure.

Theory of operation
-------------------
A publishing node numbers its messages of each topic: 1, 2, 3 (:class:`Numbers`). The numbers belong to an *epoch*: one
life of the node, from its start to its stop. A later epoch of a node has a greater number.

A receiving node keeps the last number that it knows of, for each publisher and topic (:class:`Gaps`). A message with a
greater number than the next one shows how many messages are missing. A *high-water mark* says the last number that was
published, so that a gap is found though no message follows.

A message whose number is not greater than the last one is a duplicate, or it was overtaken and is counted as missed
already. Such a message is not delivered: that keeps the order, and keeps the count exact. At every moment, the messages
delivered plus the messages missed are the numbers that were passed.

A mark must travel as the messages of its topic do. A mark that overtakes messages makes them late, and they are lost.

The first number that a receiver hears is its *base*: it can't know what was published before. A receiver that has
subscribed before the publisher's epoch began knows that the base is 0 (:meth:`Gaps.expect`).

Nobody knows the last number of a publisher that was killed. :meth:`Gaps.forget` returns the topics whose tail is
unknown, and :meth:`Gaps.hear` says if a new epoch has ended an old one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

__all__ = ["Gaps", "Heard", "Numbers"]


class Heard(NamedTuple):
    """What one number means.

    Attributes:
        is_new: Whether the message must be delivered: it is neither late nor a duplicate.
        missed: The number of messages before it that were missed.
        ended: Whether an earlier epoch of the publisher has ended here, with an unknown tail.
    """

    is_new: bool
    missed: int = 0
    ended: bool = False


NEW: Final = Heard(is_new=True)
LATE: Final = Heard(is_new=False)


class Numbers:
    """The numbers of one publishing node in one epoch."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def next(self, topic: str) -> int:
        """Return the number of the next message of a topic."""
        number = self._last[topic] = self._last.get(topic, 0) + 1
        return number

    def mark(self, topic: str) -> int:
        """Return the high-water mark of a topic: the last number, or 0."""
        return self._last.get(topic, 0)

    def marks(self) -> Iterator[tuple[str, int]]:
        """Yield each topic with its high-water mark."""
        yield from self._last.items()


class _Publisher:
    """What is known of one publishing node: its epoch, and the last number of each topic."""

    __slots__ = ("epoch", "last")

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.last: dict[str, int] = {}


class Gaps:
    """The last numbers that one receiving node knows, of all publishers.

    Example:
        >>> gaps = Gaps()
        >>> gaps.hear("web-1", 1, "room:1", 1)
        Heard(is_new=True, missed=0, ended=False)
        >>> gaps.hear("web-1", 1, "room:1", 4)
        Heard(is_new=True, missed=2, ended=False)
    """

    __slots__ = ("_publishers",)

    def __init__(self) -> None:
        self._publishers: dict[str, _Publisher] = {}

    def hear(self, node: str, epoch: int, topic: str, number: int) -> Heard:
        """Take the number of a message.

        Args:
            node: The publishing node.
            epoch: Its epoch.
            topic: The topic.
            number: The number, from 1.
        """
        publisher = self._publishers.get(node)
        if publisher is not None and publisher.epoch == epoch:
            last = publisher.last.get(topic)
            if last is not None and number == last + 1:
                publisher.last[topic] = number
                return NEW
        ended = self._enter(node, epoch)
        if ended is None:
            return LATE
        last = self._publishers[node].last.get(topic)
        if last is not None and number <= last:
            return LATE
        self._publishers[node].last[topic] = number
        return Heard(is_new=True, missed=0 if last is None else number - last - 1, ended=ended)

    def mark(self, node: str, epoch: int, topic: str, number: int) -> Heard:
        """Take a high-water mark: ``number`` is the last number that was published, or 0.

        Returns:
            ``missed`` counts the messages up to the mark. ``is_new`` is False: there is nothing to deliver.
        """
        ended = self._enter(node, epoch)
        if ended is None:
            return LATE
        last = self._publishers[node].last
        before = last.get(topic, number)
        last[topic] = max(before, number)
        return Heard(is_new=False, missed=max(number - before, 0), ended=ended)

    def expect(self, node: str, epoch: int, topics: Collection[str]) -> None:
        """Set the base of topics to 0: this node had subscribed to them before the publisher's epoch began.

        A topic of which a number is known is not changed.
        """
        if self._enter(node, epoch) is not None:
            for topic in topics:
                self._publishers[node].last.setdefault(topic, 0)

    def unsubscribe(self, topic: str) -> None:
        """Forget the numbers of a topic: this node does not hear it any more."""
        for publisher in self._publishers.values():
            publisher.last.pop(topic, None)

    def forget(self, node: str) -> frozenset[str]:
        """Forget a publisher that has ended. Return the topics whose tail is unknown: those that it was heard in."""
        publisher = self._publishers.pop(node, None)
        return frozenset() if publisher is None else frozenset(publisher.last)

    def _enter(self, node: str, epoch: int) -> bool | None:
        """Follow a publisher into an epoch.

        Returns:
            Whether an earlier epoch has ended; None if this epoch has ended before, so that its number is late.
        """
        publisher = self._publishers.get(node)
        if publisher is not None and epoch <= publisher.epoch:
            return False if epoch == publisher.epoch else None
        self._publishers[node] = _Publisher(epoch)
        return publisher is not None
