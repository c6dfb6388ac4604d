"""Events of topics: broadcasts, and presences."""

from __future__ import annotations

from dataclasses import dataclass

from ..reasons import DropReason

__all__ = [
    "BroadcastFannedOut",
    "BroadcastSent",
    "MessagesDropped",
    "PresenceChanged",
]


@dataclass(frozen=True, slots=True)
class BroadcastSent:
    """Code of this node, or a request to its HTTP API, begins a broadcast.

    Attributes:
        topic: The topic.
        event: The event.
        scope: The nodes that get it: ``"all"``, or ``"local"``, or the name of one node.
    """

    topic: str
    event: str
    scope: str


@dataclass(frozen=True, slots=True)
class BroadcastFannedOut:
    """A broadcast of any node was passed on to the clients of this node that have joined its topic.

    Attributes:
        topic: The topic.
        event: The event.
        due: Deliveries that were due: one for each joined channel of the topic.
        delivered: Deliveries that were handed to a transport. :mod:`bennu.telemetry.accounts` names what else can become
            of a delivery.
        lanes: The number of times that the message was encoded: once for each format among the clients.
        duration: Seconds that it took to encode the message and to enter it for the end of the turn.
    """

    topic: str
    event: str
    due: int
    delivered: int
    lanes: int
    duration: float


@dataclass(frozen=True, slots=True)
class MessagesDropped:
    """Messages were not delivered to a client or a channel.

    Attributes:
        topic: The topic of the messages.
        reason: The reason.
        count: The number of messages.
    """

    topic: str
    reason: DropReason
    count: int


@dataclass(frozen=True, slots=True)
class PresenceChanged:
    """Presences of a topic came or went, and the diff was sent to the clients of this process.

    Attributes:
        presence: The name of the presence.
        topic: The topic.
        joins: The number of metas that came.
        leaves: The number of metas that went.
        keys: The number of keys that are present now.
        metas: The number of metas that are present now.
    """

    presence: str
    topic: str
    joins: int
    leaves: int
    keys: int
    metas: int
