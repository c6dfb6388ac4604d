"""The events of an endpoint. Protocol document, §9."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from ..reasons import DropReason, Limit, LossReason

__all__ = [
    "EVENTS",
    "BusCutOff",
    "BusMessagesLost",
    "BusRestored",
    "ChannelHandledIn",
    "ChannelJoined",
    "Event",
    "LimitExceeded",
    "MessageRefused",
    "MessagesDropped",
    "PresenceChanged",
    "ReplicaChanged",
    "SocketConnected",
    "SocketDrain",
]

Result = Literal["ok", "error"]


@dataclass(frozen=True, slots=True)
class SocketConnected:
    """A connect was accepted or refused. The event is not sent for a bad ``vsn``, or if ``connect`` raised.

    Attributes:
        socket: The mount path of the socket.
        transport: ``"websocket"`` or ``"longpoll"``.
        serializer: The negotiated format; None for a raw socket.
        params: The parameters of the connect, with their secrets.
        result: ``"ok"`` or ``"error"``.
        duration: Seconds that connect took.
        reason: The reason of a refusal, without values of the client; empty if accepted.
    """

    socket: str
    transport: str
    serializer: str | None
    params: Mapping[str, Any]
    result: Result
    duration: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChannelJoined:
    """A join was accepted or refused. The event is not sent if the join crashed.

    Attributes:
        topic: The topic.
        channel: The name of the channel's class.
        payload: The payload that the client sent, with its secrets.
        result: ``"ok"`` or ``"error"``.
        duration: Seconds that the join took.
        reason: The reason of a refusal, without values of the client; empty if accepted.
    """

    topic: str
    channel: str
    payload: Any
    result: Result
    duration: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChannelHandledIn:
    """A handler of a client's event returned. The event is not sent if the handler raised.

    Attributes:
        topic: The topic.
        channel: The name of the channel's class.
        event: The event.
        ref: The message's ref, if the client waits for a reply.
        payload: The payload that the client sent, with its secrets.
        duration: Seconds that the handler took.
    """

    topic: str
    channel: str
    event: str
    ref: Any
    payload: Any
    duration: float


@dataclass(frozen=True, slots=True)
class MessageRefused:
    """A client's message was answered with an error: a handler raised ``Refused``, or no handler was called.

    Attributes:
        topic: The topic.
        channel: The name of the channel's class.
        event: The event. It can be any text, because a channel can get an unknown event.
        ref: The message's ref, if the client waits for a reply.
        reason: The reason, without values of the client: ``invalid_payload (body: expected str, got int)``,
            ``unknown_event``, or the handler's own reason.
    """

    topic: str
    channel: str
    event: str
    ref: Any
    reason: str


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
class LimitExceeded:
    """A client was refused or slowed down by a limit.

    Attributes:
        limit: The limit.
        peer: The client's address, if it is known.
        topic: The topic of the message, if the client has joined it.
        event: The event of the message, if there is a message. A client chooses it.
    """

    limit: Limit
    peer: str | None
    topic: str | None = None
    event: str | None = None


@dataclass(frozen=True, slots=True)
class SocketDrain:
    """A batch of connections will be closed, because the server will stop.

    Attributes:
        socket: The mount path of the socket, or its paths with commas between.
        count: The number of connections of the batch.
        total: The number of connections of all batches.
        index: The number of the batch, from 1.
        rounds: The number of batches.
        interval: Seconds that a full batch takes.
        log: Whether the socket logs it.
    """

    socket: str
    count: int
    total: int
    index: int
    rounds: int
    interval: float
    log: bool


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


@dataclass(frozen=True, slots=True)
class ReplicaChanged:
    """The status of a presence shard on another node has changed.

    Attributes:
        shard: The name of the shard, ``<presence>_shard<number>``.
        node: The name of the node.
        status: ``"up"``: messages arrive; ``"down"``: the node is silent, and its presences are hidden;
            ``"gone"``: the node has stopped, or was silent too long, and its presences are deleted.
    """

    shard: str
    node: str
    status: Literal["up", "down", "gone"]


@dataclass(frozen=True, slots=True)
class BusCutOff:
    """This node does not hear the bus. It serves its clients, and is not ready.

    Attributes:
        node: The name of this node.
        silence: Seconds since the bus was heard.
    """

    node: str
    silence: float


@dataclass(frozen=True, slots=True)
class BusRestored:
    """This node hears the bus again, or for the first time.

    Attributes:
        node: The name of this node.
        silence: Seconds since the bus was heard before.
    """

    node: str
    silence: float


@dataclass(frozen=True, slots=True)
class BusMessagesLost:
    """Messages between two nodes were lost.

    Attributes:
        node: The other node: the publisher, or for ``LossReason.CUT`` the node that does not read.
        topic: The topic; None if it is unknown. Topics of the framework begin with ``p``, ``i`` or ``l``.
        count: The number of messages; None if it is unknown.
        reason: The reason.
    """

    node: str
    topic: str | None
    count: int | None
    reason: LossReason


Event = (
    SocketConnected
    | ChannelJoined
    | ChannelHandledIn
    | MessageRefused
    | MessagesDropped
    | LimitExceeded
    | SocketDrain
    | PresenceChanged
    | ReplicaChanged
    | BusCutOff
    | BusRestored
    | BusMessagesLost
)
EVENTS: Final[tuple[type[Event], ...]] = get_args(Event)
"""The classes of all events."""
