"""The only module of the tests that reads private attributes of Bennu: what no public member tells, and no behaviour shows.

A test that wants to see more of the inside gets a function here, with the reason. Names that move are then changed once.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any, NamedTuple

from bennu import Channel, Endpoint, Presence
from bennu.history.gate import Gate
from bennu.history.member import HistoryMember
from bennu.presence.crdt import Shard
from bennu.presence.owners import Owners
from bennu.pubsub import PubSub
from bennu.server.connection import ServerConnection
from bennu.server.handshake import Accepted, shake_hands
from bennu.server.request import ConnectRequest, Denied
from bennu.server.resources import Resources
from bennu.server.server import Server
from bennu.store import LogEntry
from bennu.transports.native import NativeWebSocket

__all__ = [
    "GateInside",
    "connection_of",
    "connections_of",
    "decide",
    "gate_of",
    "generations_of",
    "has_input",
    "held_by",
    "is_behind",
    "owners_of",
    "polls_of",
    "presence_of",
    "resources_of",
    "server_of",
    "sessions_of",
    "topics_of",
    "unhandled_of",
    "unread_of",
    "waiting_turns_of",
]


def server_of(endpoint: Endpoint) -> Server:
    """Return what the connections of an endpoint share; users have no use for it."""
    return endpoint._server


def connections_of(endpoint: Endpoint) -> list[ServerConnection[Any]]:
    """Return the open connections. An endpoint tells users only their number."""
    return list(server_of(endpoint).connections)


def connection_of(endpoint: Endpoint) -> ServerConnection[Any]:
    """Return the only open connection."""
    (connection,) = connections_of(endpoint)
    return connection


def owners_of(presence: Presence) -> Owners:
    """Return the owners of a presence while its endpoint runs: an entry that is left there is a leak."""
    owners = presence._owners
    assert owners is not None
    return owners


def resources_of(channel: Channel[Any]) -> Resources:
    """Return the timers, subscriptions and tasks of a channel: what has ended and stays there is a leak."""
    return channel._server.task.own("start")


def presence_of(endpoint: Endpoint) -> Presence:
    """Return the presence of an endpoint that a test did not make itself."""
    (presence,) = endpoint._lifecycle.presences
    return presence


def unread_of(connection: ServerConnection[Any]) -> int:
    """Return the bytes that a client has not read: those in the transport, and those in the send queue."""
    queue = connection.backpressure and connection.backpressure._queue
    return connection._transport.unsent + (queue.size if queue else 0)


def held_by(thing: object, *kinds: type) -> list[Any]:
    """Return the objects of some kinds that an object refers to: how much memory it takes is no behaviour."""
    return [one for one in gc.get_referents(thing) if isinstance(one, kinds)]


def unhandled_of(connection: ServerConnection[Any]) -> int:
    """Return the bytes of messages that wait to be handled. Below ``max_unhandled`` they have no effect."""
    return connection._unhandled


def waiting_turns_of(endpoint: Endpoint) -> int:
    """Return the number of channels that wait for their turn to handle a large message."""
    return len(server_of(endpoint).scheduler._waiting)


def has_input(transport: NativeWebSocket) -> bool:
    """Return whether a transport has bytes or events that are not handled yet."""
    return bool(transport._held) or held_by(transport._reader, bytes, bytearray) != []


def is_behind(transport: NativeWebSocket) -> bool:
    """Return whether a transport handles what has come in several turns of the event loop."""
    return transport._is_behind


def generations_of(shard: Shard) -> list[Any]:
    """Return the deltas that a shard keeps for replicas: they hold entries in memory."""
    return [one for one in shard._generations.deltas if one]


def sessions_of(endpoint: Endpoint) -> int:
    """Return the number of sessions of long polling, with those that a client is about to get."""
    polling = endpoint._dispatch.longpolling
    return max(len(polling._sessions), len(polling._counts))


def polls_of(endpoint: Endpoint) -> int:
    """Return the number of polls and bodies that are being served: an entry that stays behind is a leak."""
    polling = endpoint._dispatch.longpolling
    return polling._bodies.size + len(polling._polls._waiting)


def topics_of(pubsub: PubSub) -> set[Any]:
    """Return the topics and ids that anything is subscribed to: an entry that stays behind is a leak."""
    return set(pubsub._topics._topics)


async def decide(
    endpoint: Endpoint,
    path: str = "/socket/websocket",
    query: bytes = b"vsn=2.0.0",
    headers: Sequence[tuple[bytes, bytes]] = (),
    **more: Any,
) -> Accepted[Any] | Denied:
    """Return the decision on a WebSocket request, before any transport acts on it.

    Args:
        endpoint: The endpoint that is asked.
        path: The path of the request.
        query: Its query string.
        headers: Its headers after the first, ``Host: example.com``.
        **more: Other entries of the ASGI scope.
    """
    scope = {
        "type": "websocket",
        "scheme": "ws",
        "path": path,
        "query_string": query,
        "headers": [(b"host", b"example.com"), *headers],
        **more,
    }
    target = endpoint._routes.find(scope)
    assert target is not None
    return await shake_hands(server_of(endpoint), ConnectRequest(target, scope, "websocket"))


class GateInside(NamedTuple):
    """What a gate of a topic with history keeps."""

    members: list[HistoryMember]
    waiting: list[HistoryMember]
    catching_up: set[HistoryMember]
    tail: list[LogEntry]


def gate_of(gate: Gate) -> GateInside:
    """Return what a gate keeps: a gate that keeps too much behaves well until the memory is full."""
    return GateInside(
        list(gate._members), list(gate._waiting), set(gate._catching_up), list(gate._tail.entries)
    )
