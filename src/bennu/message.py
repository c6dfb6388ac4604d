"""What travels: messages, broadcasts, replies, and the names that the protocol reserves.

Source: protocol document, §2.1 and §2.5.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any, Final

from msgspec import Meta, Raw, Struct

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
    "expect_event",
    "is_reserved",
]

PHOENIX: Final = "phoenix"
HEARTBEAT: Final = "heartbeat"
PHX_JOIN: Final = "phx_join"
PHX_LEAVE: Final = "phx_leave"
PHX_REPLY: Final = "phx_reply"
PHX_CLOSE: Final = "phx_close"
PHX_ERROR: Final = "phx_error"
DISCONNECT: Final = "disconnect"
"""What Phoenix broadcasts to an id; here it is an event like any other: see :class:`Disconnect`."""
RESERVED: Final = "phx_"
"""How the names of the protocol's own events begin; clients act on those."""
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

Encoded = tuple[Opcode, bytes]
"""One frame as a serializer makes it: its kind, and its content."""


Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""An integer of at most 64 bits: one of any length would be a text without a bound."""

Ref = str | Integer | None
"""What a client may choose as ref. The server echoes it, with its type."""


class Message(Struct, array_like=True, frozen=True, gc=False):
    """One message of a client.

    The refs are echoed as they came. ``topic`` and ``event`` are text from every real client; any other value
    matches nothing when it is looked up. The payload is raw JSON until a handler says what it should be, or
    ``bytes`` for a binary frame (the type says Raw alone, since this struct is also what the V2 decoder fills).
    """

    join_ref: Ref
    ref: Ref
    topic: Any
    event: Any
    payload: Raw

    def without_payload(self) -> Message:
        """Return what is needed to answer it. The payload holds on to the whole frame, and is let go."""
        return Message(self.join_ref, self.ref, self.topic, self.event, NO_PAYLOAD)


NO_PAYLOAD: Final = Raw(b"{}")


def bytes_of(text: object) -> int:
    """Return the length of a text in bytes of UTF-8, or of raw JSON, and 0 for anything else."""
    if isinstance(text, Raw):
        return len(memoryview(text))
    if type(text) is not str:
        return 0
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


class Broadcast(Struct, frozen=True):
    """One event for everyone who is subscribed to a topic."""

    topic: str
    event: str
    payload: Any


class SocketId(Struct, frozen=True):
    """An id of a connection, as something to listen to: no text equals it, so no topic does."""

    name: str


class Disconnect(Struct, frozen=True):
    """What is said to an id: close the connections that have it."""


class Draining(Struct, frozen=True):
    """The server is about to stop; the connection will be closed, and its client come back elsewhere.

    Channels with an ``@on_info(Draining)`` are told when it begins, and go on until it is their turn.

    Attributes:
        within: Seconds after which it is everybody's turn.
    """

    within: float


class Ok(Struct, frozen=True):
    """An ok reply. ``Ok()`` answers ``{}``, which a handler that returns None does not."""

    response: Any = {}


class Error(Struct, frozen=True):
    """An error reply."""

    response: Any = {}


class Reply(Struct, frozen=True):
    """A reply with a status of the application's own."""

    status: str
    response: Any = {}


def is_reserved(event: str) -> bool:
    """Return whether an event is the protocol's own."""
    return event.startswith(RESERVED)


def expect_event(event: Any) -> None:
    """Refuse to send an event that is the protocol's own, or no event.

    Raises:
        ReservedEvent: Clients would take it for an answer, a crash or a close.
        TypeError: It is no text.
    """
    if not isinstance(event, str):
        raise TypeError(f"an event is text, got {event!r}")
    if event.startswith(RESERVED):
        raise ReservedEvent(event)
