"""What this node hears from one other node.

Theory of operation
-------------------
The other node opens the connection. This node answers with its whole interest, and later sends each change of it. The
other node takes an interest in the order of its messages, and says so: then it is *confirmed*.

An inlet counts the messages of each topic. A connection loses nothing, so the count needs no numbers on the way. When
the other node has cut the connection, because this node hung, it connects again and says how many messages it has
meant for this node. The difference is what this node missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from sys import maxsize
from typing import Final

from ...errors import DecodeError
from ...logs.log import Log
from ..bus import Loss, LossReason, Lost, Receive
from .frames import (
    Control,
    Farewell,
    Flush,
    Flushed,
    Interest,
    InterestReady,
    InterestTaken,
    NoInterest,
    Welcome,
    parts,
)
from .link import Link
from .own_interest import OwnInterest

__all__ = ["Inlet"]


_UNKNOWN: Final = ("", maxsize)


class _Counted:
    """A topic in which a message came: its text, and how many."""

    __slots__ = ("count", "topic")

    def __init__(self, topic: str, count: int = 0) -> None:
        self.topic = topic
        self.count = count


class Inlet:
    """What this node hears from one other node.

    Args:
        name: The other node.
        interest: What this node hears.
        receive: Called with each message.
        lost: Called with what this node missed.
        log: Writes the log.

    Attributes:
        name: The other node.
        link: The connection; None if there is none.
        confirmed: The greatest number of an interest that the other node has confirmed on this connection.
    """

    __slots__ = (
        "_counted",
        "_epoch",
        "_has_farewell",
        "_interest",
        "_log",
        "_lost",
        "_next",
        "_receive",
        "_resumed",
        "_waiting",
        "confirmed",
        "link",
        "name",
    )

    def __init__(
        self, name: str, interest: OwnInterest, receive: Receive, lost: Lost, log: Log
    ) -> None:
        self.name = name
        self.link: Link | None = None
        self.confirmed = -1
        self._interest = interest
        self._receive = receive
        self._lost = lost
        self._log = log
        self._epoch: int | None = None
        self._has_farewell = False
        self._resumed = -1
        self._counted: dict[bytes, _Counted] = {}
        self._next: tuple[Link, int, Welcome] | None = None
        self._waiting: dict[asyncio.Event, int] = {}

    # The connection.

    @property
    def links(self) -> list[Link]:
        """The connection, and the one that follows it."""
        links = [] if self.link is None else [self.link]
        return links if self._next is None else [*links, self._next[0]]

    def open(self, link: Link, epoch: int, welcome: Welcome) -> None:
        """Take a connection that the other node has opened.

        The other node has closed the one before, if there was one. That is read to its end first.

        Args:
            link: The connection.
            epoch: The epoch of the other node.
            welcome: The answer.
        """
        if self.link is not None:
            if self._next is not None:
                self._next[0].abort()
            self._next = (link, epoch, welcome)
            return
        if self._epoch != epoch:
            self._end_epoch()
            self._epoch = epoch
        self.link = link
        link.send(welcome)
        number = self._interest.number
        for part in parts(self._interest.topics):
            link.send(Interest(number, part))
        link.send(InterestReady(number))

    def close(self, link: Link) -> None:
        """Take the end of a connection."""
        if self._next is not None and self._next[0] is link:
            self._next = None
        if self.link is link:
            self.link = None
            self._begin()
            if self._next is not None:
                following, self._next = self._next, None
                self.open(*following)

    def _begin(self) -> None:
        self._resumed = max(self._resumed, self.confirmed)
        self.confirmed = -1

    def end(self) -> None:
        """Take the end of the other node's process."""
        for link in self.links:
            link.abort()
        self._end_epoch()
        for event in self._waiting:
            event.set()

    def _end_epoch(self) -> None:
        """Report the tail of a process that ended without a farewell, if this node heard it."""
        if self._epoch is not None and self._interest.topics and not self._has_farewell:
            self._lost(Loss(self.name, None, None, LossReason.TAIL))
        self._epoch = None
        self._has_farewell = False
        self._resumed = self.confirmed = -1
        self._counted.clear()

    # Interest.

    def hear(self, keys: Iterable[bytes]) -> None:
        """Send new topics to the other node."""
        if self.link is not None:
            for part in parts(keys):
                self.link.send(Interest(self._interest.number, part))

    def unhear(self, keys: Iterable[bytes]) -> None:
        """Tell the other node which topics this node does not hear any more."""
        keys = list(keys)
        for key in keys:
            self._counted.pop(key, None)
        if self.link is not None:
            for part in parts(keys):
                self.link.send(NoInterest(part))

    async def wait_confirmed(self, number: int) -> None:
        """Wait until the other node has confirmed an interest, or has ended."""
        if self.confirmed < number:
            event = asyncio.Event()
            self._waiting[event] = number
            try:
                await event.wait()
            finally:
                del self._waiting[event]

    # Frames of the other node.

    def message(self, key: bytes, data: bytes) -> None:
        """Take a message."""
        counted = self._counted.get(key)
        if counted is None:
            topic, number = self._interest.topics.get(key, _UNKNOWN)
            if number > self.confirmed:
                return  # published before the other node has read what this node hears now
            counted = self._counted[key] = _Counted(topic)
        counted.count += 1
        try:
            self._receive(self.name, counted.topic, data)
        except Exception:  # noqa: BLE001 - the adapter goes on
            self._log.exception("A message of the node %s could not be handled", self.name)

    def control(self, control: Control) -> None:
        """Take any other frame."""
        match control:
            case InterestTaken(number=number, is_resumed=is_resumed, counts=counts):
                self._compare(is_resumed, counts)
                if number:
                    self.confirmed = number
                    for event, wanted in self._waiting.items():
                        if wanted <= number:
                            event.set()
            case Flush(number=number) if self.link is not None:
                self.link.send(Flushed(number))
            case Farewell() if self.link is not None:
                self._has_farewell = True
                self.link.close()
            case _:
                raise DecodeError(f"the frame {type(control).__name__} at a wrong time")

    def _compare(self, is_resumed: bool, counts: dict[bytes, int]) -> None:
        """Compare what came with what was meant for this node."""
        if not is_resumed and self._counted:  # the other node took this one for dead
            self._counted.clear()
            self._lost(Loss(self.name, None, None, LossReason.TAIL))
        for key, count in counts.items():
            topic, number = self._interest.topics.get(key, _UNKNOWN)
            if number == maxsize:
                continue
            counted = self._counted.get(key)
            if counted is None:
                # No message came. If the other node had not confirmed the topic, none was promised.
                base = 0 if is_resumed and number <= self._resumed else count
                counted = self._counted[key] = _Counted(topic, base)
            missed, counted.count = count - counted.count, count
            if missed > 0:
                self._lost(Loss(self.name, topic, missed, LossReason.GAP))
