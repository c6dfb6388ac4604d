"""What is tracked, and what changed of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

__all__ = ["Diff", "Entry"]


class Entry(Struct, frozen=True, array_like=True):
    """An actor that is present in a topic.

    Attributes:
        topic: Where.
        actor: Who: a number that is unique within its replica.
        key: As what; one actor may have several keys in a topic.
        meta: What is known about it, ``phx_ref`` included. It must not be changed: an update replaces it.
    """

    topic: str
    actor: int
    key: str
    meta: dict[str, Any]


@dataclass(slots=True)
class Diff:
    """What joined and what left, as one change: an update is both, in one diff. False if it is neither.

    Example:
        >>> bool(Diff())
        False
    """

    joins: list[Entry] = field(default_factory=list[Entry])
    leaves: list[Entry] = field(default_factory=list[Entry])

    def __bool__(self) -> bool:
        return bool(self.joins or self.leaves)
