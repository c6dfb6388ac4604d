"""Bennu: Phoenix Channels for Python. Sockets, channels, topics and PubSub, on Phoenix's wire."""

from ._protocol.deflate import Deflate
from ._protocol.drain import Drain
from .channel import Channel, Connection, ReplyRef, on, on_info, on_out
from .connect_info import ConnectInfo
from .endpoint import Endpoint
from .errors import (
    BennuError,
    DefinitionError,
    EncodeError,
    NoRef,
    NotJoined,
    Refused,
    Stop,
    WrongThread,
)
from .limits import Limits, Rate, Rates
from .longpoll import LongPoll
from .message import Broadcast, Draining, Error, Ok, Reply
from .raw import Ping, Pong, RawHandler, RawSocket
from .slow import DropOldest, Latest
from .socket import Socket

__all__ = [
    "BennuError",
    "Broadcast",
    "Channel",
    "ConnectInfo",
    "Connection",
    "DefinitionError",
    "Deflate",
    "Drain",
    "Draining",
    "DropOldest",
    "EncodeError",
    "Endpoint",
    "Error",
    "Latest",
    "Limits",
    "LongPoll",
    "NoRef",
    "NotJoined",
    "Ok",
    "Ping",
    "Pong",
    "Rate",
    "Rates",
    "RawHandler",
    "RawSocket",
    "Refused",
    "Reply",
    "ReplyRef",
    "Socket",
    "Stop",
    "WrongThread",
    "on",
    "on_info",
    "on_out",
]
