"""Where entries are found: those of a topic, and those of an actor of this replica."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .clocks import Ref
from .entry import Entry

__all__ = ["Own", "Topics"]


class Topics:
    """The entries of all replicas by topic, then by replica, then by clock."""

    __slots__ = ("_topics",)

    def __init__(self) -> None:
        self._topics: dict[str, dict[Ref, dict[int, Entry]]] = {}

    def add(self, ref: Ref, clock: int, entry: Entry) -> None:
        """Add an entry."""
        self._topics.setdefault(entry.topic, {}).setdefault(ref, {})[clock] = entry

    def drop(self, ref: Ref, clock: int, entry: Entry) -> None:
        """Drop an entry that was added."""
        replicas = self._topics[entry.topic]
        entries = replicas[ref]
        del entries[clock]
        if not entries:
            del replicas[ref]
            if not replicas:
                del self._topics[entry.topic]

    def of(self, topic: str) -> Mapping[Ref, Mapping[int, Entry]]:
        """Return the entries of a topic, by replica and clock."""
        return self._topics.get(topic, {})

    def __iter__(self) -> Iterator[str]:
        return iter(self._topics)


class Own:
    """The clocks of this replica's own entries, by what they are and by actor.

    Most actors have one entry; so one is held without a dict around it.
    """

    __slots__ = ("_actors", "_clocks")

    def __init__(self) -> None:
        self._clocks: dict[tuple[str, int, str], int] = {}
        self._actors: dict[int, int | dict[int, None]] = {}

    def find(self, topic: str, actor: int, key: str) -> int | None:
        """Return the clock of an entry, or None."""
        return self._clocks.get((topic, actor, key))

    def of(self, actor: int) -> list[int]:
        """Return the clocks of an actor, in their order."""
        clocks = self._actors.get(actor, {})
        return [clocks] if isinstance(clocks, int) else list(clocks)

    def add(self, clock: int, entry: Entry) -> None:
        """Add an entry."""
        self._clocks[entry.topic, entry.actor, entry.key] = clock
        others = self._actors.get(entry.actor)
        if others is None:
            self._actors[entry.actor] = clock
        elif isinstance(others, int):
            self._actors[entry.actor] = {others: None, clock: None}
        else:
            others[clock] = None

    def drop(self, clock: int, entry: Entry) -> None:
        """Drop an entry that was added."""
        del self._clocks[entry.topic, entry.actor, entry.key]
        clocks = self._actors[entry.actor]
        if isinstance(clocks, dict):
            del clocks[clock]
        if not clocks or isinstance(clocks, int):
            del self._actors[entry.actor]
