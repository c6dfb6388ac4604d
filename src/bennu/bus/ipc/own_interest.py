"""What this node hears. Pure."""

from __future__ import annotations

from collections.abc import Collection

from ..topics import key_of

__all__ = ["OwnInterest"]


class OwnInterest:
    """The topics to which this node has subscribed.

    Attributes:
        topics: By the form in which a topic travels: its text, and the number of the interest that added it.
        number: The number of the last interest.
    """

    __slots__ = ("number", "topics")

    def __init__(self) -> None:
        self.topics: dict[bytes, tuple[str, int]] = {}
        self.number = 1

    def add(self, topics: Collection[str]) -> list[bytes]:
        """Add topics, and return those that are new.

        Raises:
            EncodeError: A topic is too long. None is added.
        """
        keys = {key_of(topic): topic for topic in topics}
        new = [key for key in keys if key not in self.topics]
        if new:
            self.number += 1
            self.topics.update((key, (keys[key], self.number)) for key in new)
        return new

    def remove(self, topics: Collection[str]) -> set[bytes]:
        """Remove topics, and return those that were there."""
        old = {key_of(topic) for topic in topics} & self.topics.keys()
        for key in old:
            del self.topics[key]
        return old

    def clear(self) -> None:
        """Remove all topics."""
        self.topics.clear()
