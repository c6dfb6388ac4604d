"""Long polling as data: what a POST holds, what is answered, and what waits between two polls.

Protocol document, §4. A session is the connection of a client that has no WebSocket. The client *posts*
its messages, and *polls* for those of the server, which wait in the session's :class:`Buffer` meanwhile.

Where Phoenix is unforgiving this is kinder: the media type may have parameters, empty lines are skipped
instead of ending the session, and a line that begins with ``{`` is text, so V1 clients may send batches.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from ..errors import DecodeError, EncodeError
from ..message import BINARY, TEXT, Encoded, Opcode

__all__ = [
    "FRAMING",
    "Buffer",
    "Framing",
    "Poll",
    "Status",
    "answer_poll",
    "answer_status",
    "split_body",
]

MAX_MESSAGES: Final = 100
"""Lines of one POST that are looked at; clients send what is more in POSTs of their own."""

MAX_BASE64: Final = 10_000_000
"""Characters of one binary message."""

OVERHEAD: Final = 64
"""Bytes that are counted for each piece in a buffer beside its text."""

NDJSON: Final = "application/x-ndjson"


class Status(IntEnum):
    """The ``status`` member of an answer's body; the HTTP status is 200 whatever it says."""

    OK = 200
    NOTHING = 204
    FORBIDDEN = 403
    TIMEOUT = 408
    GONE = 410
    ENDED = 500


# What a POST holds.


def split_body(content_type: str, body: bytes) -> list[Encoded]:
    """Return the messages of a POST.

    Args:
        content_type: The header, maybe empty. ``application/x-ndjson`` is a batch, one message a line;
            of anything else the whole body is one text message.
        body: Its bytes.

    Raises:
        DecodeError: A binary line is too long, or is not base64.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != NDJSON:
        return [(TEXT, body)]
    lines = body.split(b"\n", MAX_MESSAGES)[:MAX_MESSAGES]
    return [_message(line) for raw in lines if (line := raw.removesuffix(b"\r"))]


def _message(line: bytes) -> Encoded:
    if line[0] in b"[{":
        return TEXT, line
    if len(line) > MAX_BASE64:
        raise DecodeError(f"a binary line has at most {MAX_BASE64} characters, got {len(line)}")
    try:
        if len(line) % 4:
            raise binascii.Error("it is cut off")  # noqa: TRY301 - what Python's own does not see
        return BINARY, binascii.a2b_base64(line, strict_mode=True)
    except binascii.Error as error:
        raise DecodeError(
            f"a line that begins with neither [ nor {{ is base64: {error}, in {line[:16]!r}"
        ) from error


# What is answered.


def answer_poll(status: Status, token: str, messages: bytes = b"") -> bytes:
    """Return the body of the answer to a poll.

    Args:
        status: What it says.
        token: The session's.
        messages: As :data:`FRAMING` made them.
    """
    quoted = msgspec.json.encode(token)
    return b'{"messages":[%b],"status":%d,"token":%b}' % (messages, status, quoted)


def answer_status(status: Status) -> bytes:
    """Return the body of every other answer."""
    return b'{"status":%d}' % status


# What waits.


class Framing:
    """Messages as an answer holds them: JSON strings with commas between."""

    __slots__ = ()

    carries_binary = False
    size = staticmethod(len)

    @staticmethod
    def frame(opcode: Opcode, data: bytes) -> bytes:
        """Return one message.

        Raises:
            EncodeError: It is binary: no client could read it.
        """
        if opcode is not TEXT:
            raise EncodeError(
                "bytes can't be sent to a client that polls, since the answer to a poll is JSON:"
                " send JSON, or ask self.connection.transport before"
            )
        return msgspec.json.encode(data.decode())

    @staticmethod
    def join(frames: Sequence[bytes], /) -> bytes:
        """Return several."""
        return b",".join(frames)


FRAMING: Final = Framing()


class Poll(Protocol):
    """A poll that found nothing, and waits."""

    def tell(self, rest: bytes | None) -> None:
        """Learn that there is something.

        Args:
            rest: None if it is to be taken from the buffer; else the session is over, and this is
                what was left in it.
        """
        ...


P = TypeVar("P", bound=Poll)


class Buffer(Generic[P]):
    """What waits for a client, and the poll that waits for it.

    A poll that waits is only told that there is something, and then takes what is there by then: so what
    comes in one turn leaves in one answer, and nothing is lost with a client that went away meanwhile.

    Attributes:
        size: Bytes that wait, and some more for each piece.
    """

    __slots__ = ("_is_told", "_pieces", "_waiting", "size")

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[bytes] = []
        self._waiting: P | None = None
        self._is_told = False

    def put(self, piece: bytes) -> P | None:
        """Add what the framing made; return the poll to be told of it, once."""
        self._pieces.append(piece)
        self.size += len(piece) + OVERHEAD
        if self._is_told:
            return None
        self._is_told = True
        return self._waiting

    def take(self, poll: P | None = None) -> bytes:
        """Return all that waits, in order; if that is nothing, the poll waits, and no other does."""
        messages = b",".join(self._pieces)
        self._pieces.clear()
        self.size = 0
        self._waiting = None if messages else poll
        self._is_told = False
        return messages

    def expire(self, poll: P) -> None:
        """Let a poll wait no more, if it still does."""
        if self._waiting == poll:
            self._waiting = None

    def end(self) -> tuple[P | None, bytes]:
        """Return the poll that waits, and what is left for it; without one, it stays to be taken."""
        poll = self._waiting
        return poll, b"" if poll is None else self.take()
