"""Messages, broadcasts and replies, and the names that the protocol reserves. Protocol document, §2.1 and §2.5."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any, Final, Generic, cast

from msgspec import Meta, Raw, Struct
from typing_extensions import TypeVar

from .errors import ReservedEvent

__all__ = [
    "Broadcast",
    "Disconnect",
    "Draining",
    "Error",
    "Message",
    "Ok",
    "Opcode",
    "Reply",
    "SocketId",
    "broadcast_of",
    "expect_event",
    "is_reserved",
    "parts_of",
]

PHOENIX: Final = "phoenix"
HEARTBEAT: Final = "heartbeat"
PHX_JOIN: Final = "phx_join"
PHX_LEAVE: Final = "phx_leave"
PHX_REPLY: Final = "phx_reply"
PHX_CLOSE: Final = "phx_close"
PHX_ERROR: Final = "phx_error"
DISCONNECT: Final = "disconnect"
"""The event that Phoenix broadcasts to an id. In Bennu it is an ordinary event: see :class:`Disconnect`."""
RESERVED: Final = "phx_"
"""The prefix of the protocol's own events, which client libraries act on."""
NEW_TOKEN: Final = "token"  # noqa: S105 - an event
EXPIRING: Final = "token_expiring"

OK: Final = "ok"
ERROR: Final = "error"


class Opcode(IntEnum):
    """The kinds of WebSocket frame (RFC 6455, §5.2)."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


TEXT: Final = Opcode.TEXT
BINARY: Final = Opcode.BINARY

NO_CODE: Final = 1005
"""The code of a close frame without a code (RFC 6455, §7.4.1)."""
ABNORMAL: Final = 1006
"""The code of a connection that ended without a close frame."""

Encoded = tuple[Opcode, bytes]
"""A frame's kind and content, as a serializer returns it."""


Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""An integer of at most 64 bits: the text of a larger integer could have any length."""

Ref = str | Integer | None
"""The types that a client can use for a ref. The server sends the ref back with the same type."""


class Message(Struct, array_like=True, frozen=True, gc=False):
    """One message of a client.

    Attributes:
        join_ref: The ref of the join; it is sent back unchanged.
        ref: The ref of this message; it is sent back unchanged.
        topic: Text from every known client library. Any other value matches no channel.
        event: Text from every known client library. Any other value matches no handler.
        payload: Raw JSON, which the handler's type decodes, or ``bytes`` for a binary frame. The annotation is only
            Raw, because the V2 decoder fills this struct.
    """

    join_ref: Ref
    ref: Ref
    topic: Any
    event: Any
    payload: Raw

    def without_payload(self) -> Message:
        """Return a copy without payload, which is enough for a reply. The payload would keep the whole frame alive."""
        return Message(self.join_ref, self.ref, self.topic, self.event, NO_PAYLOAD)


NO_PAYLOAD: Final = Raw(b"{}")


def bytes_of(text: object) -> int:
    """Return the length in bytes of a text's UTF-8, or of raw JSON; 0 for any other value."""
    if isinstance(text, Raw):
        return len(memoryview(text))
    if type(text) is not str:
        return 0
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


class Broadcast(Struct, frozen=True):
    """One event for all subscribers of a topic.

    Attributes:
        topic: The topic, as clients see it.
        event: The name of the event.
        payload: Any value that has a JSON object as its form, or ``bytes``.
    """

    topic: str
    event: str
    payload: Any


class SocketId(Struct, frozen=True):
    """An id of connections, as a topic of PubSub. No text equals a SocketId, so no other topic does."""

    name: str


class Disconnect(Struct, frozen=True):
    """The message to an id that closes all connections with this id."""


class Draining(Struct, frozen=True):
    """The server will close the connection, and the client will connect to another server.

    The server is about to stop, or it does not hear the bus and moves its clients to other nodes.

    Channels with an ``@on_info(Draining)`` handler get this message when the drain begins. They continue until
    their connection is closed.

    Attributes:
        within: Seconds within which all connections are closed.
    """

    within: float


R = TypeVar("R", default=Any)


class Ok(Struct, Generic[R], frozen=True):
    """An ok reply. ``Ok()`` sends the response ``{}``. A handler that returns None sends no reply.

    A handler that is annotated ``-> Ok[Saved] | Error[Problem]`` says what the responses are: type checkers check it, and the
    contract has it.

    Attributes:
        response: Any JSON value, or ``bytes`` for a binary frame. Default: ``{}``.
    """

    response: R = cast("Any", {})  # so that Ok() fits any type


class Error(Struct, Generic[R], frozen=True):
    """An error reply.

    Attributes:
        response: Any JSON value, or ``bytes`` for a binary frame. Default: ``{}``.
    """

    response: R = cast("Any", {})  # so that Ok() fits any type


class Reply(Struct, Generic[R], frozen=True):
    """A reply with a status that the application chooses.

    Attributes:
        status: The status, as text.
        response: Any JSON value, or ``bytes`` for a binary frame. Default: ``{}``.
    """

    status: str
    response: R = cast("Any", {})  # so that Ok() fits any type


def parts_of(value: Any) -> tuple[str, Any]:
    """Return the status and the response of a handler's result.

    Args:
        value: An ``Ok``, ``Error`` or ``Reply``, or the response of an ok reply.
    """
    given: Any = value  # of any response
    if isinstance(value, Ok):
        return OK, given.response
    if isinstance(value, Error):
        return ERROR, given.response
    return (given.status, given.response) if isinstance(value, Reply) else (OK, given)


def is_reserved(event: str) -> bool:
    """Return whether an event is one of the protocol's own events."""
    return event.startswith(RESERVED)


def expect_event(event: Any) -> None:
    """Refuse to send an event that is one of the protocol's own, or no text.

    Raises:
        ReservedEvent: The event begins with ``phx_``. Clients would take it for a reply, a crash or a close.
        TypeError: The event is no text.
    """
    if not isinstance(event, str):
        raise TypeError(f"an event is text, got {event!r}")
    if event.startswith(RESERVED):
        raise ReservedEvent(event)


def broadcast_of(topic: str, event: str, payload: Any) -> Broadcast:
    """Return the broadcast that an application sends. The payload None is ``{}``. Raises as :func:`expect_event`."""
    expect_event(event)
    return Broadcast(topic, event, {} if payload is None else payload)
