"""Bennu: Phoenix Channels for Python. Sockets, channels, topics and PubSub, on Phoenix's wire."""

from .api import Api
from .backpressure import DropOldest, Latest
from .channel import Channel, Connection, ReplyRef, on, on_info, on_out
from .connect_info import ConnectInfo
from .dashboard import Dashboard
from .drain import Drain
from .endpoint import Endpoint
from .errors import (
    AlreadyTracked,
    BennuError,
    DefinitionError,
    EncodeError,
    KeyRefused,
    MetaRefused,
    NoRef,
    NotConfirmed,
    NotJoined,
    NotStarted,
    NotTracked,
    PresenceRefused,
    Refused,
    ReservedEvent,
    Stop,
    StoreUnavailable,
    TooManyKeys,
    WrongThread,
)
from .history import History, HistoryEntry, HistoryPage, Position
from .limits.limits import Limits, Rate, Rates, Threads
from .limits.waiting import WarnWaiting
from .longpoll import LongPoll
from .message import Broadcast, Draining, Error, Ok, Reply
from .metrics import Metrics
from .presence import BySize, Count, Full, Periods, Presence, PresenceCount, Sample
from .protocol.deflate import Deflate
from .publisher import BlockingPublisher, Publisher
from .raw import Ping, Pong, RawHandler, RawSocket
from .socket import Socket
from .tracing import Tracing

__all__ = [
    "AlreadyTracked",
    "Api",
    "BennuError",
    "BlockingPublisher",
    "Broadcast",
    "BySize",
    "Channel",
    "ConnectInfo",
    "Connection",
    "Count",
    "Dashboard",
    "DefinitionError",
    "Deflate",
    "Drain",
    "Draining",
    "DropOldest",
    "EncodeError",
    "Endpoint",
    "Error",
    "Full",
    "History",
    "HistoryEntry",
    "HistoryPage",
    "KeyRefused",
    "Latest",
    "Limits",
    "LongPoll",
    "MetaRefused",
    "Metrics",
    "NoRef",
    "NotConfirmed",
    "NotJoined",
    "NotStarted",
    "NotTracked",
    "Ok",
    "Periods",
    "Ping",
    "Pong",
    "Position",
    "Presence",
    "PresenceCount",
    "PresenceRefused",
    "Publisher",
    "Rate",
    "Rates",
    "RawHandler",
    "RawSocket",
    "Refused",
    "Reply",
    "ReplyRef",
    "ReservedEvent",
    "Sample",
    "Socket",
    "Stop",
    "StoreUnavailable",
    "Threads",
    "TooManyKeys",
    "Tracing",
    "WarnWaiting",
    "WrongThread",
    "on",
    "on_info",
    "on_out",
]
