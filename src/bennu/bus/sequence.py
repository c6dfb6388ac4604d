"""Counts the messages that a node missed, by publishing node and topic. Pure.

Theory of operation
-------------------
A publishing node numbers its messages of each topic: 1, 2, 3 (:class:`Numbers`). The numbers belong to an *epoch*: one
life of the node, from its start to its stop. A later epoch of a node has a greater number.

A receiving node keeps the last number that it knows of, for each publisher and topic (:class:`KnownNumbers` for one
epoch of a publisher, :class:`Gaps` for all publishers). A message with a greater number than the next one shows how many
messages are missing. A *high-water mark* says the last number that was published, so that a gap is found though no
message follows.

A message whose number is not greater than the last one is a duplicate, or it was overtaken and is counted as missed
already. Such a message is not delivered: that keeps the order, and keeps the count exact. At every moment, the messages
delivered plus the messages missed are the numbers that were passed.

A mark must travel as the messages of its topic do. A mark that overtakes messages makes them late, and they are lost.

**Runs.** A publisher forgets the numbers of idle topics, so that its memory is bounded. When it publishes in such a
topic again, it begins a new *run*, at 1. The run is in the upper bits of a number, so a number of a later run is greater.
A receiver that knows the last number of the old run knows that a new run begins at 1.

**The base.** A receiver that subscribes to a topic can't know what was published before. It asks each publisher where it
stands. The answer travels beside the messages of the topic, so it can overtake them. So it is a *floor*: messages up to
the floor are delivered if they still come, and messages after the floor are missed if they don't. A number that comes
before the answer is kept until the answer says how many messages before it were missed.

Most publishers publish in few topics, and most answers are "not yet". Such a base of 0 takes no memory: a receiver
numbers its subscriptions by *generations*, and knows for each publisher up to which generation it has answered.

Nobody knows the last number of a publisher that was killed. :meth:`Gaps.forget` returns the topics whose tail is
unknown, and :meth:`Gaps.hear` says if a new epoch has ended an old one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, NamedTuple

from .numbers import IN_RUN, RUN_SHIFT, Key, Numbers

__all__ = ["UNKNOWN", "Gaps", "Heard", "Key", "KnownNumbers", "Numbers"]

UNKNOWN: Final = 2**62
"""The generation of a topic about which no publisher was asked."""


class Heard(NamedTuple):
    """What one number means.

    Attributes:
        is_new: Whether the message must be delivered: it is neither late nor a duplicate.
        missed: The number of messages before it that were missed; None if the base was forgotten, so that it is unknown.
        ended: Whether an earlier epoch of the publisher has ended here, with an unknown tail.
    """

    is_new: bool
    missed: int | None = 0
    ended: bool = False


NEW: Final = Heard(is_new=True)
LATE: Final = Heard(is_new=False)


class KnownNumbers:
    """What a receiving node knows of the numbers of one publishing node in one epoch.

    Attributes:
        generation: The last generation of subscriptions of which the bases are known.
    """

    __slots__ = ("_firsts", "_floors", "_last", "_trimmed", "generation")

    def __init__(self) -> None:
        self.generation = 0
        self._last: dict[Key, int] = {}
        self._floors: set[Key] = set()
        self._firsts: dict[Key, int] = {}
        self._trimmed = 0

    def __len__(self) -> int:
        return len(self._last)

    @property
    def keys(self) -> frozenset[Key]:
        """The streams of which a number is known."""
        return frozenset(self._last)

    def hear(self, key: Key, number: int, generation: int = UNKNOWN) -> Heard:
        """Take the number of a message.

        Args:
            key: The stream.
            number: The number.
            generation: The generation of the subscription.
        """
        last = self._last.get(key)
        if last is not None and number == last + 1 and key not in self._floors:
            self._last[key] = number
            return NEW
        return self._pass(key, last, number, number - 1, generation, is_new=True)

    def mark(self, key: Key, number: int, generation: int = UNKNOWN) -> Heard:
        """Take a high-water mark: ``number`` is the last number that was published, or 0.

        Returns:
            ``missed`` counts the messages up to the mark. ``is_new`` is False: there is nothing to deliver.
        """
        return self._pass(key, self._last.get(key), number, number, generation, is_new=False)

    def _pass(
        self, key: Key, last: int | None, number: int, before: int, generation: int, *, is_new: bool
    ) -> Heard:
        """Pass to a number, if the messages up to ``before`` should have come."""
        if last is None:
            missed: int | None = 0
            if generation <= self._trimmed:
                missed = None if before & IN_RUN else 0
            elif generation <= self.generation:
                missed = before & IN_RUN
            else:
                self._firsts[key] = before
            self._last[key] = number
            return Heard(is_new, missed)
        if key in self._floors:
            self._floors.discard(key)
            self._last[key] = number
            return Heard(is_new, _between(last, before))
        if number <= last:
            return LATE
        self._last[key] = number
        return Heard(is_new, _between(last, before))

    def expect(self, keys: Iterable[Key]) -> None:
        """Set the base of streams to 0, if no number is known of them."""
        for key in keys:
            self._last.setdefault(key, 0)

    def answer(
        self,
        since: int,
        generation: int,
        floors: Mapping[Key, int],
        generation_of: Callable[[Key], int],
    ) -> list[tuple[Key, int]]:
        """Take a publisher's answer: where it stood in the topics of some generations.

        Args:
            since: The generation before the first one that the answer is about.
            generation: The last generation that the answer is about.
            floors: The numbers of streams; the publisher has not published in the other streams.
            generation_of: Returns the generation of the subscription to a stream.

        Returns:
            The messages that were missed before the first number that came, by stream.
        """
        if since > self.generation:
            return []  # an answer before this one is missing, and is asked for again
        found: list[tuple[Key, int]] = []
        for key, first in [*self._firsts.items()]:
            if generation_of(key) <= generation:
                del self._firsts[key]
                missed = _between(floors.get(key, 0), first)
                if missed:
                    found.append((key, missed))
        for key, floor in floors.items():
            if key not in self._last and floor:
                self._last[key] = floor
                self._floors.add(key)
        self.generation = max(self.generation, generation)
        return found

    def trim(self, generation: int) -> None:
        """Forget the older half of the numbers. A count that needs one of them is unknown.

        Args:
            generation: The present generation.
        """
        for key in [*self._last][: (len(self._last) + 1) // 2]:
            self.forget(key)
        self._trimmed = generation

    def forget(self, key: Key) -> None:
        """Forget the numbers of a stream: this node does not hear it any more."""
        self._last.pop(key, None)
        self._firsts.pop(key, None)
        self._floors.discard(key)


def _between(last: int, before: int) -> int:
    """Return how many messages were published after ``last``, up to ``before``."""
    if last >> RUN_SHIFT == before >> RUN_SHIFT:
        return max(before - last, 0)
    return before & IN_RUN if before > last else 0


class _Publisher:
    """What is known of one publishing node: its epoch, and its numbers."""

    __slots__ = ("epoch", "known")

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.known = KnownNumbers()


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
        ended = self._enter(node, epoch)
        if ended is None:
            return LATE
        heard = self._publishers[node].known.hear(topic, number)
        return heard._replace(ended=True) if ended else heard

    def mark(self, node: str, epoch: int, topic: str, number: int) -> Heard:
        """Take a high-water mark: ``number`` is the last number that was published, or 0.

        Returns:
            ``missed`` counts the messages up to the mark. ``is_new`` is False: there is nothing to deliver.
        """
        ended = self._enter(node, epoch)
        if ended is None:
            return LATE
        return self._publishers[node].known.mark(topic, number)._replace(ended=ended)

    def expect(self, node: str, epoch: int, topics: Collection[str]) -> None:
        """Set the base of topics to 0: this node had subscribed to them before the publisher's epoch began.

        A topic of which a number is known is not changed.
        """
        if self._enter(node, epoch) is not None:
            self._publishers[node].known.expect(topics)

    def unsubscribe(self, topic: str) -> None:
        """Forget the numbers of a topic: this node does not hear it any more."""
        for publisher in self._publishers.values():
            publisher.known.forget(topic)

    def forget(self, node: str) -> frozenset[Key]:
        """Forget a publisher that has ended. Return the topics whose tail is unknown: those that it was heard in."""
        publisher = self._publishers.pop(node, None)
        return frozenset() if publisher is None else publisher.known.keys

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
