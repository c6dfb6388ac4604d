"""One client connection as data: which topics are joined, and what a message means. Protocol, §2.7–2.8.

Theory of operation. A connection keeps one table, from topics to memberships. A membership remembers J, the join_ref
*as the client sent it*, which can be null. J tells this join of the topic from earlier and later ones. For each message
:meth:`Memberships.decide` names the one row of the decision table that applies, and changes nothing. The connection acts
on it, and then changes the table (:meth:`~Memberships.add`, :meth:`~Memberships.remove`, and ``Membership.leaving``).

===  =====================================================  =================
row  message                                                decision
===  =====================================================  =================
1    topic ``phoenix``, event ``heartbeat``                 HEARTBEAT
2    ``phx_join``, topic not joined                         JOIN
3    ``phx_join``, topic joined, whatever the join_refs     REJOIN
4    ``phx_leave``, topic joined, join_ref null or J        LEAVE
5    ``phx_leave``, topic joined, other join_ref            STALE
6    other event, topic joined, join_ref null or J          DELIVER
7    other event, topic joined, other join_ref              STALE
8    ``phx_leave``, topic not joined                        LEFT_ALREADY
9    anything else                                          UNMATCHED
===  =====================================================  =================

The join_refs are compared strictly: ``"1"`` is not ``1``, and ``1`` is not ``true``.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, Final, Generic, TypeVar

from ..message import HEARTBEAT, PHOENIX, PHX_JOIN, PHX_LEAVE, Message

__all__ = ["DELIVER", "Decision", "Membership", "Memberships"]

C = TypeVar("C")


class Decision(Enum):
    """What to do with a message: a row of the table above."""

    __hash__ = object.__hash__  # Enum's own is a Python function, and each join asks for it

    HEARTBEAT = auto()
    JOIN = auto()
    REJOIN = auto()
    LEAVE = auto()
    DELIVER = auto()
    STALE = auto()
    LEFT_ALREADY = auto()
    UNMATCHED = auto()


DELIVER: Final = Decision.DELIVER
"""By far the most frequent: looked up once."""


class Membership(Generic[C]):
    """One joined channel of a connection.

    Attributes:
        topic: Its topic.
        join_ref: J, the join_ref of the client's ``phx_join`` as it came, maybe None.
        channel: The channel.
        leaving: Whether a leave has been forwarded to it.
    """

    __slots__ = ("channel", "join_ref", "leaving", "topic")

    def __init__(self, topic: str, join_ref: Any, channel: C) -> None:
        self.topic = topic
        self.join_ref = join_ref
        self.channel = channel
        self.leaving = False


class Memberships(dict[str, Membership[C]]):
    """The joined topics of one connection, and what they make of a message."""

    __slots__ = ()

    def decide(self, message: Message) -> tuple[Decision, Membership[C] | None]:
        """Return the row of the table that applies to a message, and the topic's membership if it is joined."""
        topic, event = message.topic, message.event
        if event == HEARTBEAT and topic == PHOENIX:
            return Decision.HEARTBEAT, None
        membership = self.get(topic) if type(topic) is str else None
        if membership is None:
            if event == PHX_JOIN:
                return Decision.JOIN, None
            return (Decision.LEFT_ALREADY if event == PHX_LEAVE else Decision.UNMATCHED), None
        if event == PHX_JOIN:
            return Decision.REJOIN, membership
        join_ref, wanted = message.join_ref, membership.join_ref
        if join_ref is not None and (join_ref != wanted or type(join_ref) is not type(wanted)):
            return Decision.STALE, membership
        return (Decision.LEAVE if event == PHX_LEAVE else DELIVER), membership

    def add(self, topic: str, join_ref: Any, channel: C) -> Membership[C]:
        """Enter a channel whose join succeeded."""
        membership = self[topic] = Membership(topic, join_ref, channel)
        return membership

    def remove(self, topic: str, channel: C) -> Membership[C] | None:
        """Drop a channel, and return its membership; None if the topic is another channel's by now."""
        membership = self.get(topic)
        if membership is None or membership.channel is not channel:
            return None
        del self[topic]
        return membership
