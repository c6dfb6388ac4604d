"""The store of the explorer: a log that trims, fails, loses everything, and loses its newest entries in a failover.

Its pages have the shape that the interface of stores promises. Without gaps, offsets are 1, 2, 3, and ``prev`` is the
number before. With gaps, offsets rise by 1 to 3, and the ``prev`` of the oldest entry is ``UNKNOWN`` if an entry was trimmed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from bennu.history.position import Position
from bennu.history.run import Bounds
from bennu.store import UNKNOWN, Draft, Head, LogEntry, Page

__all__ = ["SIZE", "Fault", "ModelStore", "Seen", "Truth"]

SIZE: Final = 16
"""Entries that the store keeps."""


class Fault(AssertionError):
    """The algorithm has broken a promise."""


class Seen(NamedTuple):
    """What the store had at the moment of a read: the explorer judges the answers by it."""

    epoch: str
    newest: int
    entries: Sequence[LogEntry]
    kept: frozenset[int] | None
    """The offsets in the store and 0 if nothing was trimmed, with gaps; None without gaps."""

    def joins_up(self, offset: int) -> bool:
        """Whether everything above an offset is still there."""
        if offset >= self.newest:
            return True
        if self.kept is not None:
            return offset in self.kept
        return bool(self.entries) and self.entries[0].offset <= offset + 1

    def proves(self, position: Position, bounds: Bounds, floor: float | None) -> bool:
        """Whether a client must get what it has missed."""
        if position.epoch != self.epoch or position.offset > self.newest:
            return False
        missed = [one for one in self.entries if one.offset > position.offset]
        return (
            self.joins_up(position.offset)
            and len(missed) <= bounds.entries
            and sum(len(one.payload) for one in missed) <= bounds.size
            and all(floor is None or one.time >= floor for one in missed)
        )


@dataclass
class Truth:
    """All commits, which the algorithm can't see. ``prevs`` are the true ones."""

    entries: dict[Position, LogEntry] = field(default_factory=dict[Position, LogEntry])
    epochs: list[str] = field(default_factory=list[str])

    def between(self, epoch: str, after: int, upto: int) -> list[LogEntry]:
        """Return the entries above an offset, up to another one."""
        offsets = range(after + 1, upto + 1)
        found = (self.entries.get(Position(epoch, offset)) for offset in offsets)
        return [one for one in found if one is not None]


class ModelStore:
    """A store of one topic.

    Args:
        rng: All chance.
        announce: Gets each new entry.
        truth: Gets each commit.
        gaps: Whether offsets have gaps.
        mutation: The rule that is removed, or "".
    """

    def __init__(
        self,
        rng: Random,
        announce: Callable[[str, LogEntry], object],
        truth: Truth,
        gaps: bool,
        mutation: str,
    ) -> None:
        self.rng, self.announce, self.truth = rng, announce, truth
        self.gaps, self.mutation = gaps, mutation
        self.lineage = self.record_lineage = 0
        self.epoch = ""
        self.entries: list[LogEntry] = []
        self.open: list[LogEntry] = []  # mutation "sequence": numbered, but not committed
        self.top = self.next = 0
        self.is_trimmed = False

    def touch(self) -> str:
        """Return the epoch; begin a new one if it must."""
        is_lost = self.record_lineage != self.lineage and self.mutation != "lineage"
        if not self.epoch or is_lost:
            self.record_lineage = self.lineage
            self.epoch = f"e{len(self.truth.epochs)}"
            self.truth.epochs.append(self.epoch)
            self.entries, self.open, self.top, self.next = [], [], 0, 0
            self.is_trimmed = False
        return self.epoch

    def append(self, draft: Draft) -> None:
        """Append an entry."""
        self.touch()
        if self.mutation == "sequence":
            self.next += 1
            self.open.append(LogEntry(self.next, 0, *draft))
            return
        offset = self.top + (self.rng.randint(1, 3) if self.gaps else 1)
        self.commit(LogEntry(offset, self.top, *draft))

    def commit_one(self) -> None:
        """Commit one of the numbered entries."""
        if self.open:
            self.commit(self.open.pop(self.rng.randrange(len(self.open))))

    def commit(self, entry: LogEntry) -> None:
        """Make an entry visible."""
        if self.mutation == "sequence":  # its prev is what is visible before it
            lower = [one.offset for one in self.entries if one.offset < entry.offset]
            entry = entry._replace(prev=max(lower, default=0))
        self.entries.append(entry)
        self.entries.sort()
        self.top = max(self.top, entry.offset)
        self.truth.entries[Position(self.epoch, entry.offset)] = entry
        if len(self.entries) > SIZE:
            self.trim(len(self.entries) - SIZE)
        self.announce(self.epoch, entry)

    def trim(self, count: int) -> None:
        """Trim the oldest entries."""
        if self.entries:
            self.is_trimmed = True
            del self.entries[:count]

    def lose_all(self) -> None:
        """Lose the log and its record."""
        self.epoch = ""

    def lose_newest(self, count: int) -> None:
        """Fail over to a replica that lagged."""
        self.lineage += 1
        if self.entries:
            del self.entries[-count:]
            self.top = self.entries[-1].offset if self.entries else max(0, self.top - count)
            self.next = self.top

    def head(self) -> Head | None:
        """Return where the log stands; None if there is no record."""
        if not self.epoch or self.record_lineage != self.lineage:
            return None
        return Head(self.epoch, self.top)

    def read(self, after: int, limit: int, max_bytes: int) -> tuple[Page, Seen]:
        """Return a page, and what was there."""
        epoch = self.touch()
        kept = None
        if self.gaps:
            kept = frozenset([one.offset for one in self.entries] + [0] * (not self.is_trimmed))
        seen = Seen(epoch, self.top, tuple(self.entries), kept)
        found: list[LogEntry] = []
        size, before = 0, UNKNOWN if self.is_trimmed else 0
        for entry in self.entries:
            if entry.offset > after:
                if len(found) == limit or size >= max_bytes:
                    return Page(epoch, self.top, found, is_cut=True), seen
                is_shown = self.gaps or self.mutation == "sequence"
                found.append(entry._replace(prev=before) if is_shown else entry)
                size += len(entry.payload)
            before = entry.offset
        return Page(epoch, self.top, found, is_cut=False), seen
