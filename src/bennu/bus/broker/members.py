"""The other nodes: who is there, and what is known of their numbers.

Theory of operation
-------------------
A node says that it is there by a heartbeat each second. A node that says farewell is gone, and so is a node that is silent
for some seconds. The silence counts only while this node hears the bus itself.

One life of a node is a :class:`Member`. It is found by the head of its frames. A member that is gone is remembered for some
minutes: if it comes back, its numbers go on, and its receivers know what they have missed. A later life of a node is
another member.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..bus import Loss, LossReason, Lost
from ..sequence import KnownNumbers
from .frames import sender_of

__all__ = ["Member", "Members"]

REMEMBERED: Final = 300.0
"""Seconds for which a member that is gone is remembered."""

MAX_MEMBERS: Final = 10_000
"""Members that are remembered."""


class Member:
    """One life of another node.

    Attributes:
        name: The name of the node.
        epoch: Its epoch.
        known: What is known of its numbers.
        heard_at: When it was last heard on the control channel, by the clock of the event loop.
        is_present: Whether it is there.
        gone_at: When it left or fell silent.
        behind: The turn in which it was seen to owe an answer; None if it owes none.
        pause: Turns before it is asked again.
        deaf_since: The time since which this node may have missed its messages, so that it must send marks; else None.
    """

    __slots__ = (
        "behind",
        "deaf_since",
        "epoch",
        "gone_at",
        "heard_at",
        "is_present",
        "known",
        "name",
        "pause",
    )

    def __init__(self, name: str, epoch: int, now: float) -> None:
        self.name = name
        self.epoch = epoch
        self.known = KnownNumbers()
        self.heard_at = now
        self.is_present = False
        self.gone_at = now
        self.behind: int | None = None
        self.pause = 1
        self.deaf_since: float | None = None

    def ask_soon(self) -> None:
        """Ask for what it owes without a pause: it has come back."""
        self.pause = 1
        self.behind = None


class Members:
    """The other nodes.

    Args:
        lost: Called with the losses.
        gone: Seconds of silence after which a member is gone.

    Attributes:
        heard_since: The time since which the silence of members counts.
        deaf_since: The time of the first break in what this node hears; None if there was none.
    """

    __slots__ = ("_by_head", "_gone", "_lost", "_present", "deaf_since", "heard_since")

    def __init__(self, lost: Lost, gone: float) -> None:
        self.heard_since = 0.0
        self.deaf_since: float | None = None
        self._lost = lost
        self._gone = gone
        self._by_head: dict[bytes, Member] = {}
        self._present: dict[str, Member] = {}

    def __iter__(self) -> Iterator[Member]:
        return iter([*self._by_head.values()])

    def __len__(self) -> int:
        return len(self._by_head)

    @property
    def names(self) -> frozenset[str]:
        """The names of the nodes that are there."""
        return frozenset(self._present)

    @property
    def present(self) -> list[Member]:
        """The members that are there."""
        return [*self._present.values()]

    def find(self, head: bytes) -> Member | None:
        """Return the member whose frames have a head, if it is known."""
        return self._by_head.get(head)

    def meet(self, head: bytes, now: float) -> Member:
        """Return a new member.

        Raises:
            DecodeError: The head can't be decoded.
        """
        name, epoch = sender_of(head)
        if len(self._by_head) >= MAX_MEMBERS:
            self._forget_oldest(now)
        member = self._by_head[head] = Member(name, epoch, now)
        member.deaf_since = self.deaf_since
        return member

    def arrive(self, member: Member, now: float, *, hears: bool) -> bool:
        """Take a sign of life. Return whether the member was not there before.

        Args:
            member: The member.
            now: The time.
            hears: Whether this node hears any topic, so that it can miss something.
        """
        member.heard_at = now
        if member.is_present:
            return False
        before = self._present.get(member.name)
        if before is not None:
            if before.epoch > member.epoch:
                return False
            self._depart(before, now, hears=hears)
        member.is_present = True
        self._present[member.name] = member
        member.ask_soon()
        return True

    def leave(self, member: Member, now: float) -> None:
        """Take a farewell."""
        if member.is_present:
            member.is_present = False
            member.gone_at = now
            del self._present[member.name]

    def _depart(self, member: Member, now: float, *, hears: bool) -> None:
        """End the presence of a member that said no farewell. What it published last is unknown."""
        self.leave(member, now)
        if hears:
            self._lost(Loss(member.name, None, None, LossReason.TAIL))

    def check(self, now: float, *, hears: bool) -> list[Member]:
        """Return the members that are gone since the last check, and forget those that are gone for long."""
        silent = [
            member
            for member in self._present.values()
            if now - max(member.heard_at, self.heard_since) > self._gone
        ]
        for member in silent:
            self._depart(member, now, hears=hears)
        for head, member in [*self._by_head.items()]:
            if not member.is_present and now - member.gone_at > REMEMBERED:
                del self._by_head[head]
        return silent

    def _forget_oldest(self, now: float) -> None:
        """Forget the member that was heard least recently."""
        head = min(self._by_head, key=lambda one: self._by_head[one].heard_at)
        self.leave(self._by_head.pop(head), now)
