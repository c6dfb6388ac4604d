"""What a read of a history returns. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, overload

import msgspec

from ..store.entry import LogEntry
from .answer import NotRecovered
from .position import Position

__all__ = ["HistoryEntry", "HistoryPage", "PastEntries", "time_of"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A broadcast of the past.

    Attributes:
        event: The name of the event.
        payload: The payload, decoded from JSON.
        position: Its position in the log of the topic. ``str(position)`` is the text in the frames of clients.
        time: When it was published, in UTC, by the clock of the publisher.
    """

    event: str
    payload: Any
    position: Position
    time: datetime


@dataclass(frozen=True, slots=True)
class HistoryPage(Sequence[HistoryEntry]):
    """A part of a history, the oldest entry first. Use it as a sequence of entries.

    Attributes:
        entries: The entries.
        newest: The position of the newest entry of the topic at the time of the read.
        missed: Why entries are missing between ``since`` and the first entry: ``"epoch"``, ``"ahead"`` or ``"trimmed"``, as in
            the reply to a join; None if none are missing.
    """

    entries: tuple[HistoryEntry, ...]
    newest: Position
    missed: str | None

    def __len__(self) -> int:
        return len(self.entries)

    @overload
    def __getitem__(self, index: int) -> HistoryEntry: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[HistoryEntry, ...]: ...
    def __getitem__(self, index: int | slice) -> HistoryEntry | tuple[HistoryEntry, ...]:
        return self.entries[index]


class PastEntries(NamedTuple):
    """A part of a log, not decoded.

    Attributes:
        newest: The position of the newest entry.
        entries: The entries, the oldest first.
        missed: Why entries are missing before them; None if none are.
    """

    newest: Position
    entries: Sequence[LogEntry]
    missed: NotRecovered | None

    def decoded(self) -> HistoryPage:
        """Return what the user gets."""
        epoch = self.newest.epoch
        entries = tuple(
            HistoryEntry(
                one.event,
                _decode(one.payload),
                Position(epoch, one.offset),
                time_of(one),
            )
            for one in self.entries
        )
        return HistoryPage(entries, self.newest, None if self.missed is None else self.missed.text)


def time_of(entry: LogEntry) -> datetime:
    """Return when an entry was published."""
    return EPOCH + timedelta(milliseconds=entry.time)
