"""What the tests of gates share: logs, entries, and members that note what they get."""

from __future__ import annotations

from collections.abc import Iterable

from bennu.history.answer import RecoveryAnswer
from bennu.history.gate import Gate
from bennu.history.member import HistoryMember, MemberState
from bennu.history.position import Asked, Position
from bennu.history.run import Bounds, ReadRequest
from bennu.store import NOBODY, LogEntry, Page

__all__ = ["PLENTY", "GateRig", "NotingMember", "asks", "entry", "page", "row"]

PLENTY = Bounds(10, 1_000)
"""How much a client can get in most tests."""


def entry(offset: int, prev: int | None = None, *, size: int = 1, time: int = 0) -> LogEntry:
    """Return an entry, which follows the number before if ``prev`` is None."""
    prev = offset - 1 if prev is None else prev
    return LogEntry(offset, prev, f"id{offset}", "event", b"p" * size, NOBODY, time)


def row(first: int, last: int) -> list[LogEntry]:
    """Return the entries from one offset to another, both included."""
    return [entry(offset) for offset in range(first, last + 1)]


def page(
    entries: Iterable[LogEntry], newest: int, epoch: str = "e", *, is_cut: bool = False
) -> Page:
    """Return a page."""
    return Page(epoch, newest, list(entries), is_cut)


def asks(offset: int | None = None, epoch: str = "e") -> Asked:
    """Return what a join asks for: a position; or None for the first join of a page."""
    return Asked(None if offset is None else Position(epoch, offset), "", is_valid=True)


class NotingMember(HistoryMember):
    """A member that notes what it gets. Its client reads at once, unless ``is_slow``.

    Attributes:
        gate: The gate.
        answer: The answer to its join; None for a plain join.
        notes: What happened, in one word each.
        got: The offsets of what it has got.
    """

    def __init__(
        self,
        gate: Gate,
        asked: Asked | None,
        floor: float | None = None,
        stood_at: Position | None = None,
    ) -> None:
        super().__init__(asked, floor=floor, stood_at=stood_at)
        self.gate = gate
        self.answer: RecoveryAnswer | None = None
        self.notes: list[str] = []
        self.got: list[int] = []
        self.is_slow = False
        self.is_lost = False
        self.leaves_at_once = False

    def accept(self, answer: RecoveryAnswer | None) -> bool:
        self.notes.append("accepted")
        self.answer = answer
        if self.leaves_at_once:
            self.gate.leave(self)
        return not self.is_lost

    def refuse(self) -> None:
        self.notes.append("refused")

    def go_live(self) -> None:
        self.notes.append("live")

    def kick(self) -> None:
        self.notes.append("kicked")

    def catch_up(self) -> None:
        while self.state is MemberState.CATCHING_UP and not self.is_slow:
            if not (self.queue or self.gate.settle(self)):
                break
            self.cursor = self.queue.popleft().offset
            self.got.append(self.cursor)

    def read_on(self) -> None:
        """Let the client read again."""
        self.is_slow = False
        self.catch_up()

    @property
    def reason(self) -> str:
        """Why it gets nothing of what it has missed; "" if it gets everything."""
        assert self.answer is not None
        return "" if self.answer.missed is None else self.answer.missed.text


class GateRig:
    """A gate, and what it has passed on.

    Args:
        bounds: How much a client can get.
        newest: Opens the gate at this offset of the epoch "e"; None leaves it closed.
    """

    def __init__(self, newest: int | None = 0, bounds: Bounds = PLENTY) -> None:
        self.passed: list[int] = []
        self.gate = Gate(self._pass_on, bounds)
        if newest is not None:
            self.reads(page([], newest))

    def _pass_on(self, one: LogEntry) -> None:
        self.passed.append(one.offset)

    def join(
        self,
        offset: int | None = None,
        *,
        epoch: str = "e",
        floor: float | None = None,
        stood_at: Position | None = None,
    ) -> NotingMember:
        """Let a positioned member join."""
        member = NotingMember(self.gate, asks(offset, epoch), floor, stood_at)
        self.gate.join(member)
        return member

    def join_plainly(self) -> NotingMember:
        """Let a plain member join."""
        member = NotingMember(self.gate, None)
        self.gate.join(member)
        return member

    def member_at(self, offset: int) -> NotingMember:
        """Return a live member of an open gate that stands at an offset."""
        member = self.join(offset)
        self.reads(page([], offset))
        assert member.state is MemberState.LIVE
        return member

    def begins(self) -> ReadRequest:
        """Begin a read."""
        request = self.gate.next_read()
        assert request is not None
        return request

    def reads(self, answer: Page) -> ReadRequest:
        """Begin a read, and answer it."""
        request = self.begins()
        self.gate.answer(answer)
        return request

    def hears(self, *entries: LogEntry, epoch: str = "e") -> None:
        """Announce entries."""
        for one in entries:
            self.gate.receive(epoch, one)

    @property
    def rests(self) -> bool:
        """Whether the gate waits for nothing."""
        return not (self.gate.wants_read or self.gate.has_gap) and self.gate.next_read() is None
