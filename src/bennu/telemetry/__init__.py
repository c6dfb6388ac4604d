"""Telemetry: the events of an endpoint, for logs, metrics and traces. Protocol document, §9.

An endpoint has one :class:`Telemetry`. A handler is a function that gets events. A handler runs on the event loop, and
must return at once. If a handler raises, the exception is logged, and the endpoint goes on.
"""

from ..logs.hiding import FILTERED, SECRET_TERMS, ParameterFilter
from .accounts import Account, Accounts
from .events import (
    EVENTS,
    BroadcastFannedOut,
    BroadcastSent,
    BusCutOff,
    BusMessagesLost,
    BusRestored,
    ChannelEnded,
    ChannelHandledIn,
    ChannelJoined,
    Event,
    LimitExceeded,
    LoopHeld,
    MessageRefused,
    MessagesDropped,
    MessagesWaiting,
    PresenceChanged,
    PushSent,
    ReplicaChanged,
    ReplySent,
    SocketClosed,
    SocketConnected,
    SocketDrain,
    StoreCalled,
)
from .log_handler import LogHandler
from .telemetry import Telemetry

__all__ = [
    "EVENTS",
    "FILTERED",
    "SECRET_TERMS",
    "Account",
    "Accounts",
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
    "LogHandler",
    "LoopHeld",
    "MessageRefused",
    "MessagesDropped",
    "MessagesWaiting",
    "ParameterFilter",
    "PresenceChanged",
    "PushSent",
    "ReplicaChanged",
    "ReplySent",
    "SocketClosed",
    "SocketConnected",
    "SocketDrain",
    "StoreCalled",
    "Telemetry",
]
