"""Telemetry: the events of an endpoint, for logs, metrics and traces. Protocol document, §9.

An endpoint has one :class:`Telemetry`. A handler is a function that gets events. A handler runs on the event loop, and
must return at once. If a handler raises, the exception is logged, and the endpoint goes on.
"""

from ..logs.hiding import FILTERED, SECRET_TERMS, ParameterFilter
from .accounts import Account, Accounts
from .events import (
    EVENTS,
    BusCutOff,
    BusMessagesLost,
    BusRestored,
    ChannelHandledIn,
    ChannelJoined,
    Event,
    LimitExceeded,
    MessageRefused,
    MessagesDropped,
    PresenceChanged,
    ReplicaChanged,
    SocketConnected,
    SocketDrain,
)
from .log_handler import LogHandler
from .telemetry import Telemetry

__all__ = [
    "EVENTS",
    "FILTERED",
    "SECRET_TERMS",
    "Account",
    "Accounts",
    "BusCutOff",
    "BusMessagesLost",
    "BusRestored",
    "ChannelHandledIn",
    "ChannelJoined",
    "Event",
    "LimitExceeded",
    "LogHandler",
    "MessageRefused",
    "MessagesDropped",
    "ParameterFilter",
    "PresenceChanged",
    "ReplicaChanged",
    "SocketConnected",
    "SocketDrain",
    "Telemetry",
]
