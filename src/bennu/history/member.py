"""A member of a topic with history: a channel as the gate sees it. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from enum import Enum, auto

from ..store.entry import NOBODY, LogEntry
from .answer import NotRecovered, RecoveryAnswer
from .position import Asked, Position

__all__ = ["HistoryMember", "MemberState"]


class MemberState(Enum):
    """The states of a member."""

    JOINING = auto()
    """Its join waits for a read of the store."""
    CATCHING_UP = auto()
    """It gets entries one by one, from its queue."""
    LIVE = auto()
    """It gets entries in a lane, with all others."""
    GONE = auto()
    """It gets nothing more."""


class HistoryMember(ABC):
    """A channel as the gate sees it.

    Args:
        asked: What its join asks for; None for a plain member, which gets the frames of Phoenix.
        sender: A hash of the client, as in the entries that this client does not get.
        floor: Milliseconds since 1970: the member may not read entries from before. Default: None, all entries.
        stood_at: Where the log stood before the user's ``join`` ran, or earlier. Default: None, unknown.

    Attributes:
        state: The state.
        asked: As given. The gate puts ``stood_at`` in the place of a position that can't be recovered.
        missed: Why it does not get what it has missed; None as long as it can.
        cursor: The offset of the last entry that was written, skipped or handled. While it is LIVE, the gate's ``last`` is.
        queue: What it gets next while it is CATCHING_UP.
        due_after: Entries above this offset are due since it catches up: the gate has passed them on to the other members.
        due_from: How many entries the gate had passed on before the first of them.
        done: How many of them it has got.
    """

    __slots__ = (
        "asked",
        "cursor",
        "done",
        "due_after",
        "due_from",
        "floor",
        "missed",
        "queue",
        "sender",
        "state",
        "stood_at",
    )

    def __init__(
        self,
        asked: Asked | None,
        sender: int = NOBODY,
        floor: float | None = None,
        stood_at: Position | None = None,
    ) -> None:
        self.asked = asked
        self.sender = sender
        self.floor = floor
        self.stood_at = stood_at
        self.missed: NotRecovered | None = None
        self.state = MemberState.JOINING
        self.cursor = 0
        self.queue: deque[LogEntry] = deque()
        self.due_after = self.due_from = self.done = 0

    @property
    def is_positioned(self) -> bool:
        """Whether its frames carry positions."""
        return self.asked is not None

    def start_anew(self, missed: NotRecovered) -> None:
        """Start where the log stood before the user's ``join`` ran, and not where the client stands."""
        asked = self.asked
        self.missed = missed
        self.asked = None if asked is None else asked._replace(position=self.stood_at)

    def asked_in(self, epoch: str) -> Asked | None:
        """Return what its join asks for, when the log is in an epoch.

        If the epoch has begun since the log stood at ``stood_at``, the member starts at the beginning.
        """
        asked = self.asked
        if asked is None or self.missed is None or asked.position is None:
            return asked
        if asked.position.epoch != epoch:
            self.asked = asked = asked._replace(position=Position(epoch, 0))
        return asked

    def reached(self, entry: LogEntry) -> bool:
        """Note that the member gets an entry while it catches up. Return whether the entry was due, and not only missed."""
        is_due = entry.offset > self.due_after
        self.done += is_due
        return is_due

    @abstractmethod
    def accept(self, answer: RecoveryAnswer | None) -> bool:
        """Write the reply to the join. None is a plain join.

        Returns:
            Whether the member has joined. If not, it is gone.
        """

    @abstractmethod
    def refuse(self) -> None:
        """Take the news that the store does not answer. The member is gone; a plain one can join by other means."""

    @abstractmethod
    def go_live(self) -> None:
        """Enter the lane: the gate's next entry is the member's next entry."""

    @abstractmethod
    def catch_up(self) -> None:
        """Write the queue as far as the client reads, and call ``Gate.settle`` when the queue is empty."""

    @abstractmethod
    def kick(self) -> None:
        """Leave the lane at once, and end the channel so that its client joins again. The member is gone."""
