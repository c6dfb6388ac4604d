"""Events of channels and of messages with one client. Protocol document, §9."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = [
    "ChannelEnded",
    "ChannelHandledIn",
    "ChannelJoined",
    "MessageRefused",
    "MessagesWaiting",
    "PushSent",
    "ReplySent",
]


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
    result: Literal["ok", "error"]
    duration: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChannelEnded:
    """A joined channel begins to end.

    Attributes:
        topic: The topic.
        channel: The name of the channel's class.
        end: ``"left"``: the client has left; ``"stopped"``: a handler raised ``Stop()``; ``"failed"``: a handler crashed,
            or the channel was killed; ``"lost"``: the connection is gone; ``"replaced"``: the client joins again.
        duration: Seconds for which the channel was joined.
    """

    topic: str
    channel: str
    end: str
    duration: float


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
class MessagesWaiting:
    """More waits for a channel or raw handler than its ``warn_waiting``.

    Attributes:
        topic: The topic; the name of the class for a raw handler.
        channel: The name of the class.
        messages: Items that wait.
        size: Bytes of the client's messages that wait.
    """

    topic: str
    channel: str
    messages: int
    size: int


@dataclass(frozen=True, slots=True)
class ReplySent:
    """A reply was written to a client: to a push, a join, a leave or a heartbeat. A queue can still hold it.

    Attributes:
        topic: The topic. It can be any text, because an unknown topic is answered with an error.
        ref: The ref of the client's message.
        status: ``"ok"`` or ``"error"``, or a status of the handler.
        size: Bytes of the message.
    """

    topic: Any
    ref: Any
    status: str
    size: int


@dataclass(frozen=True, slots=True)
class PushSent:
    """A channel has pushed an event to its client. A queue can still hold it, or drop it.

    Attributes:
        topic: The topic.
        channel: The name of the channel's class.
        event: The event.
    """

    topic: str
    channel: str
    event: str
