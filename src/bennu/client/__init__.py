"""A Python client of Phoenix Channels, for Bennu and for Phoenix: everything that phoenix.js has. See docs/client.md."""

from ..errors import DefinitionError, EncodeError, NotJoined
from ..user_code.invalid_payload import InvalidPayload
from .blocking import BlockingClient, BlockingRoom
from .channel import Event, RemoteChannel
from .client import Client
from .errors import (
    BufferFull,
    ChannelClosed,
    ClientError,
    ConnectFailed,
    ConnectRefused,
    EventsLost,
    JoinRefused,
    JoinTimeout,
    PushLost,
    PushRefused,
    PushTimeout,
)
from .listeners import Binding
from .loader import Recovery
from .presence import RoomPresence
from .promise import Promise
from .schedule import Backoff
from .states import ChannelState, ConnectionState
from .stream import EventStream
from .transport import ClientTransport, Closed, ConnectTarget, TransportClosed

__all__ = [
    "Backoff",
    "Binding",
    "BlockingClient",
    "BlockingRoom",
    "BufferFull",
    "ChannelClosed",
    "ChannelState",
    "Client",
    "ClientError",
    "ClientTransport",
    "Closed",
    "ConnectFailed",
    "ConnectRefused",
    "ConnectTarget",
    "ConnectionState",
    "DefinitionError",
    "EncodeError",
    "Event",
    "EventStream",
    "EventsLost",
    "InvalidPayload",
    "JoinRefused",
    "JoinTimeout",
    "NotJoined",
    "Promise",
    "PushLost",
    "PushRefused",
    "PushTimeout",
    "Recovery",
    "RemoteChannel",
    "RoomPresence",
    "TransportClosed",
]
