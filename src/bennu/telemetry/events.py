"""The classes of all events of an endpoint. Protocol document, §9."""

from __future__ import annotations

from typing import Final, get_args

from .channel_events import (
    ChannelEnded,
    ChannelHandledIn,
    ChannelJoined,
    MessageRefused,
    MessagesWaiting,
    PushSent,
    ReplySent,
)
from .node_events import (
    BusCutOff,
    BusMessagesLost,
    BusRestored,
    LoopHeld,
    ReplicaChanged,
    StoreCalled,
)
from .socket_events import LimitExceeded, SocketClosed, SocketConnected, SocketDrain
from .topic_events import BroadcastFannedOut, BroadcastSent, MessagesDropped, PresenceChanged

__all__ = [
    "EVENTS",
    "BroadcastFannedOut",
    "BroadcastSent",
    "BusCutOff",
    "BusMessagesLost",
    "BusRestored",
    "ChannelEnded",
    "ChannelHandledIn",
    "ChannelJoined",
    "Event",
    "LimitExceeded",
    "LoopHeld",
    "MessageRefused",
    "MessagesDropped",
    "MessagesWaiting",
    "PresenceChanged",
    "PushSent",
    "ReplicaChanged",
    "ReplySent",
    "SocketClosed",
    "SocketConnected",
    "SocketDrain",
    "StoreCalled",
]

Event = (
    SocketConnected
    | SocketClosed
    | LimitExceeded
    | SocketDrain
    | ChannelJoined
    | ChannelEnded
    | ChannelHandledIn
    | MessageRefused
    | MessagesWaiting
    | ReplySent
    | PushSent
    | BroadcastSent
    | BroadcastFannedOut
    | MessagesDropped
    | PresenceChanged
    | LoopHeld
    | StoreCalled
    | BusCutOff
    | BusRestored
    | BusMessagesLost
    | ReplicaChanged
)
EVENTS: Final[tuple[type[Event], ...]] = get_args(Event)
"""The classes of all events."""
