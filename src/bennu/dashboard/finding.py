"""Finds connections of this node by a text: an id, an address, or a topic. What it returns is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from ..reasons import CloseCode
from ..server.server import Server
from .topic_rates import MAX_TEXT

if TYPE_CHECKING:
    from ..server.connection import ServerConnection

__all__ = ["MAX_FOUND", "ConnectionFigures", "FoundConnections", "cut", "find", "merged"]

MAX_FOUND: Final = 50
"""The most connections that are returned."""

MAX_LISTED: Final = 10
"""Topics and ids of a connection that are returned."""

PART: Final = 500
"""Connections that are looked at without a pause."""


class ConnectionFigures(Struct, frozen=True, kw_only=True):
    """A connection, for the page.

    Attributes:
        node: The name of its node.
        connection: The id of the connection on its node.
        user: The id that ``Socket(id=...)`` returned; None without one.
        ids: Other ids, at most ten.
        peer: The client's address, if it is known.
        socket: The mount path of the socket.
        transport: ``"websocket"`` or ``"longpoll"``.
        topics: Topics that are joined, at most ten.
        channels: How many topics are joined.
        seconds: How long it is open.
        unsent: Bytes that wait for the client.
        waiting: Items that wait for its channels.
    """

    node: str
    connection: str
    user: str | None
    ids: list[str]
    peer: str | None
    socket: str
    transport: str
    topics: list[str]
    channels: int
    seconds: float
    unsent: int
    waiting: int


class FoundConnections(Struct, frozen=True):
    """What was found.

    Attributes:
        connections: Some of the connections.
        total: How many there are.
    """

    connections: list[ConnectionFigures]
    total: int


async def find(server: Server, text: str) -> FoundConnections:
    """Return the connections of this node that fit a text.

    Args:
        server: The endpoint's server.
        text: A part of an id, an address or a topic, in upper or lower case. Empty text fits all.
    """
    wanted = text.strip().casefold()
    found: list[ConnectionFigures] = []
    total = 0
    for number, connection in enumerate(tuple(server.connections), 1):
        if not (connection.socket.is_internal or connection.is_lost) and (
            not wanted or any(wanted in one.casefold() for one in _texts(connection))
        ):
            total += 1
            if len(found) < MAX_FOUND:
                found.append(_figures(server, connection))
        if number % PART == 0:
            await asyncio.sleep(0)
    return FoundConnections(found, total)


def merged(parts: Iterable[FoundConnections]) -> FoundConnections:
    """Return what was found on several nodes."""
    parts = tuple(parts)
    connections = [one for part in parts for one in part.connections]
    return FoundConnections(connections[:MAX_FOUND], sum(part.total for part in parts))


def cut(server: Server, name: str) -> bool:
    """Close a connection of this node. Return whether it was open.

    Args:
        server: The endpoint's server.
        name: The id of the connection.
    """
    for connection in tuple(server.connections):
        if not connection.socket.is_internal and server.inspector.name_of(connection) == name:
            connection.close(CloseCode.DISCONNECTED, reason="disconnected")
            return True
    return False


def _texts(connection: ServerConnection[Any]) -> Iterable[str]:
    info = connection.info
    yield from (one for one in (connection.id, info.user_id, info.peer.host) if one is not None)
    yield from info.ids
    for channel in connection.members():
        yield channel.topic


def _figures(server: Server, connection: ServerConnection[Any]) -> ConnectionFigures:
    info, members = connection.info, connection.members()
    backpressure = connection.backpressure
    return ConnectionFigures(
        node=server.pubsub.node,
        connection=server.inspector.name_of(connection),
        user=None if connection.id is None else connection.id[:MAX_TEXT],
        ids=[one[:MAX_TEXT] for one in info.ids[:MAX_LISTED]],
        peer=info.peer.host,
        socket=connection.mount,
        transport=connection.transport,
        topics=[channel.topic[:MAX_TEXT] for channel in members[:MAX_LISTED]],
        channels=len(members),
        seconds=server.loop.time() - connection.opened_at,
        unsent=0 if backpressure is None else backpressure.waiting[1],
        waiting=sum(len(box) for _, box in connection.mailboxes()),
    )
