"""What a follow yields: one typed record for each thing that the inspector saw. Pure.

Each record has two times: ``at`` is the seconds since the follow began, ``time`` is the wall clock in seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

__all__ = [
    "BroadcastSeen",
    "CloseSeen",
    "ConnectSeen",
    "Direction",
    "FrameSeen",
    "JoinSeen",
    "LeaveSeen",
    "SeenRecord",
]

Direction = Literal["in", "out"]
"""From the client, or to the client."""


class _Seen(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What all records have.

    Attributes:
        at: Seconds since the follow began.
        time: Wall clock, seconds since 1970.
    """

    at: float = 0.0
    time: float = 0.0


class FrameSeen(_Seen, frozen=True, kw_only=True, tag="frame"):
    """A message from or to a client.

    Attributes:
        connection: The id of the connection.
        direction: ``"in"`` from the client, ``"out"`` to the client.
        join_ref: The ref of the join; None on a raw socket, and for a broadcast.
        ref: The ref of the message, or of the message that is answered.
        topic: The topic; None on a raw socket, and for a message that can't be decoded.
        event: The event.
        payload: JSON with its secrets hidden, or bytes.
        size: Bytes of the message, without the head of its frame.
        answers: For a reply: the event of the push that it answers, if the follow has seen the push.
        took: For a reply: seconds since its push.
    """

    connection: str
    direction: Direction
    join_ref: Any = None
    ref: Any = None
    topic: str | None = None
    event: str | None = None
    payload: Any = None
    size: int = 0
    answers: str | None = None
    took: float | None = None


class ConnectSeen(_Seen, frozen=True, kw_only=True, tag="connect"):
    """A connection that has opened, or that is open when the follow begins.

    Attributes:
        connection: The id of the connection, unique on this node since its start.
        user: What ``Socket(id=...)`` returned for the connection; None without an id.
        path: The path of the request.
        params: The parameters of the request, with their secrets hidden.
        transport: ``"websocket"`` or ``"longpoll"``.
        serializer: The name of the serializer; None on a raw socket.
        peer: The client's address, if it is known.
        topics: The topics that are joined already.
        is_new: Whether the connection has opened during the follow.
    """

    connection: str
    user: str | None = None
    path: str = ""
    params: Mapping[str, Any] = {}
    transport: str = "websocket"
    serializer: str | None = None
    peer: str | None = None
    topics: tuple[str, ...] = ()
    is_new: bool = True


class JoinSeen(_Seen, frozen=True, kw_only=True, tag="join"):
    """A join that was answered.

    Attributes:
        connection: The id of the connection.
        topic: The topic.
        status: ``"ok"``, or ``"error"`` for a join that was refused.
        took: Seconds from the join to its reply.
    """

    connection: str
    topic: str
    status: str
    took: float


class LeaveSeen(_Seen, frozen=True, kw_only=True, tag="leave"):
    """The end of a channel.

    Attributes:
        connection: The id of the connection.
        topic: The topic.
        reason: ``"left"`` (the client left), ``"closed"`` (the server closed the channel, or a new join has replaced it),
            ``"crashed"`` (``phx_error``), ``"disconnected"`` (the connection has ended).
    """

    connection: str
    topic: str
    reason: Literal["left", "closed", "crashed", "disconnected"]


class CloseSeen(_Seen, frozen=True, kw_only=True, tag="close"):
    """The end of a connection.

    Attributes:
        connection: The id of the connection.
        code: The close code; 1006 without a close frame.
        reason: The reason in the close frame.
        by: ``"client"``, ``"server"``, or ``"network"`` without a close frame.
    """

    connection: str
    code: int
    reason: str = ""
    by: Literal["client", "server", "network"] = "network"


class BroadcastSeen(_Seen, frozen=True, kw_only=True, tag="broadcast"):
    """A broadcast, and where it went on this node. docs/telemetry.md explains the numbers.

    Attributes:
        topic: The topic.
        event: The event.
        payload: JSON with its secrets hidden, or bytes.
        size: Bytes of the payload.
        due: The members of the topic: joined channels on this node.
        delivered: Members whose connection got it at once.
        own: 1 if a member is the sender of a ``broadcast_from``.
        handled: Members whose ``@on_out`` handler got it.
        waiting: The change of the number of messages that wait for slow clients.
        behind: Members that catch up with a history, and get it later.
        dropped: Messages that were dropped when it came, by reason. For a slow client that can be an older message.
        node: The node that it came from over the bus; None for a broadcast of this node, and for an entry of a history.
        position: The position of an entry of a history, ``offset:epoch``; None for any other broadcast.
    """

    topic: str
    event: str
    payload: Any = None
    size: int = 0
    due: int = 0
    delivered: int = 0
    own: int = 0
    handled: int = 0
    waiting: int = 0
    behind: int = 0
    dropped: Mapping[str, int] = {}
    node: str | None = None
    position: str | None = None


SeenRecord = FrameSeen | ConnectSeen | JoinSeen | LeaveSeen | CloseSeen | BroadcastSeen
"""Any record of a follow."""
