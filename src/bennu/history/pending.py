"""Announced entries that wait for an earlier one. Pure."""

from __future__ import annotations

from typing import Final

from ..store.entry import UNKNOWN, LogEntry

__all__ = ["PendingEntries"]

MAX_PENDING: Final = 1_000
"""The most entries. Beyond it all are dropped, and a read brings them."""

MAX_PENDING_BYTES: Final = 4 * 1024 * 1024
"""The same in bytes of payloads."""


class PendingEntries:
    """Announced entries.

    Attributes:
        entries: The epoch and the entry, by the offset that it follows.
    """

    __slots__ = ("_early", "_size", "entries")

    def __init__(self) -> None:
        self.entries: dict[int, tuple[str, LogEntry]] = {}
        self._size = 0
        self._early: set[int] = set()

    def keep(self, epoch: str, entry: LogEntry) -> bool:
        """Keep an entry. Return whether there was room; if not, all are dropped."""
        size = len(entry.payload)
        if len(self.entries) >= MAX_PENDING or self._size + size > MAX_PENDING_BYTES:
            self.entries.clear()
            self._size = 0
            return False
        old = self.entries.get(entry.prev)
        self._size += size - (0 if old is None else len(old[1].payload))
        self.entries[entry.prev] = (epoch, entry)
        self._early.discard(entry.prev)
        return True

    def take(self, offset: int) -> LogEntry | None:
        """Take out the entry that follows an offset; None if it is not here."""
        found = self.entries.pop(offset, None)
        if found is None:
            return None
        self._size -= len(found[1].payload)
        return found[1]

    def start(self, epoch: str, newest: int) -> int:
        """Return the offset after which the kept entries reach up to ``newest`` without a hole: at most ``newest``."""
        prevs = {entry.offset: prev for prev, (one, entry) in self.entries.items() if one == epoch}
        first = newest
        while 0 <= prevs.get(first, UNKNOWN) < first:
            first = prevs[first]
        return first

    def only(self, epoch: str, last: int) -> bool:
        """Drop entries of other epochs, and those up to an offset. Return whether there was another epoch."""
        kept = {
            prev: (one, entry)
            for prev, (one, entry) in self.entries.items()
            if one == epoch and entry.offset > last
        }
        has_others = any(one != epoch for one, _ in self.entries.values())
        self._replace(kept)
        return has_others

    def mark(self) -> None:
        """Mark all entries as early: a read begins now, and finds them if they exist."""
        self._early = set(self.entries)

    def drop_early(self) -> None:
        """Drop the marked entries: the read has not found them, so what they follow never comes."""
        if self._early:
            kept = {prev: one for prev, one in self.entries.items() if prev not in self._early}
            self._replace(kept)

    def _replace(self, kept: dict[int, tuple[str, LogEntry]]) -> None:
        self.entries = kept
        self._size = sum(len(entry.payload) for _, entry in kept.values())
