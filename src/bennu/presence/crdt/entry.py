"""Entries, the records of presences, and diffs of entries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

__all__ = ["Diff", "Entry"]


class Entry(Struct, frozen=True, array_like=True):
    """An actor that is present in a topic.

    Attributes:
        topic: The topic.
        actor: The number of the owner, unique within its replica.
        key: The key. One actor can have several keys in a topic.
        meta: The meta, ``phx_ref`` included. It must not be changed: an update replaces it.
    """

    topic: str
    actor: int
    key: str
    meta: dict[str, Any]


@dataclass(slots=True)
class Diff:
    """The entries that joined and the entries that left in one change. An update does both. An empty diff is false.

    Example:
        >>> bool(Diff())
        False
    """

    joins: list[Entry] = field(default_factory=list[Entry])
    leaves: list[Entry] = field(default_factory=list[Entry])

    def __bool__(self) -> bool:
        return bool(self.joins or self.leaves)
