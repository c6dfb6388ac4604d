"""Long polling as data: the body of a POST, the answers, and the messages between two polls.

Protocol document, §4. A session is the connection of a client without a WebSocket. The client *posts* its messages, and
*polls* for the server's messages, which wait in the session's :class:`Buffer`.

Bennu accepts more than Phoenix: the media type can have parameters, empty lines are skipped and do not end the session,
and a line that begins with ``{`` is text, so V1 clients can send batches.
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
    "LongPollFraming",
    "Poll",
    "Status",
    "answer_poll",
    "answer_status",
    "split_body",
]

MAX_MESSAGES: Final = 100
"""Lines of one POST that are read. Clients send more messages in further POSTs."""

MAX_BASE64: Final = 10_000_000
"""Characters of one binary message."""

OVERHEAD: Final = 64
"""Bytes that each piece in a buffer counts besides its text."""

NDJSON: Final = "application/x-ndjson"


class Status(IntEnum):
    """The member ``status`` of an answer's body. The HTTP status is 200 in each case."""

    OK = 200
    NOTHING = 204
    FORBIDDEN = 403
    TIMEOUT = 408
    GONE = 410
    ENDED = 500


# The body of a POST.


def split_body(content_type: str, body: bytes) -> list[Encoded]:
    """Return the messages of a POST.

    Args:
        content_type: The header, or empty text. ``application/x-ndjson`` is a batch with one message per line.
            With any other type the whole body is one text message.
        body: The bytes of the body.

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
            raise binascii.Error("it is cut off")  # noqa: TRY301 - Python's own function does not see it
        return BINARY, binascii.a2b_base64(line, strict_mode=True)
    except binascii.Error as error:
        raise DecodeError(
            f"a line that begins with neither [ nor {{ is base64: {error}, in {line[:16]!r}"
        ) from error


# The answers.


def answer_poll(status: Status, token: str, messages: bytes = b"") -> bytes:
    """Return the body of the answer to a poll.

    Args:
        status: The status.
        token: The session's token.
        messages: The messages, joined by :data:`FRAMING`.
    """
    quoted = msgspec.json.encode(token)
    return b'{"messages":[%b],"status":%d,"token":%b}' % (messages, status, quoted)


def answer_status(status: Status) -> bytes:
    """Return the body of each other answer."""
    return b'{"status":%d}' % status


# The messages between two polls.


class LongPollFraming:
    """Messages in the form of an answer: JSON strings, with commas between them."""

    __slots__ = ()

    carries_binary = False
    size = staticmethod(len)

    @staticmethod
    def frame(opcode: Opcode, data: bytes) -> bytes:
        """Return one message.

        Raises:
            EncodeError: The message is binary, and no client could read it.
        """
        if opcode is not TEXT:
            raise EncodeError(
                "bytes can't be sent to a client that polls, since the answer to a poll is JSON:"
                " send JSON, or ask self.connection.transport before"
            )
        return msgspec.json.encode(data.decode())

    @staticmethod
    def join(frames: Sequence[bytes], /) -> bytes:
        """Return several messages as one text."""
        return b",".join(frames)


FRAMING: Final = LongPollFraming()


class Poll(Protocol):
    """A poll that waits for messages."""

    def wake(self, rest: bytes | None) -> None:
        """Wake the poll, because of messages or of the end of the session.

        Args:
            rest: None if messages wait in the buffer. Otherwise the session has ended, and these are its last
                messages.
        """
        ...


P = TypeVar("P", bound=Poll)


class Buffer(Generic[P]):
    """The messages for a client, and the poll that waits for them.

    A waiting poll is first woken, and takes all messages a little later. So messages of one turn of the event loop are
    sent in one answer, and no message is lost with a client that went away in between.

    Attributes:
        size: Bytes that wait, with :data:`OVERHEAD` for each piece.
    """

    __slots__ = ("_is_woken", "_pieces", "_waiting", "size")

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[bytes] = []
        self._waiting: P | None = None
        self._is_woken = False

    def put(self, piece: bytes) -> P | None:
        """Add a message; return the waiting poll, if it was not woken yet."""
        self._pieces.append(piece)
        self.size += len(piece) + OVERHEAD
        if self._is_woken:
            return None
        self._is_woken = True
        return self._waiting

    def take(self, poll: P | None = None) -> bytes:
        """Return all messages in order. If there are none, this poll waits, in place of any other poll."""
        messages = b",".join(self._pieces)
        self._pieces.clear()
        self.size = 0
        self._waiting = None if messages else poll
        self._is_woken = False
        return messages

    def expire(self, poll: P) -> None:
        """Remove a poll that no longer waits."""
        if self._waiting == poll:
            self._waiting = None

    def end(self) -> tuple[P | None, bytes]:
        """Return the waiting poll and its last messages. Without a waiting poll the messages stay in the buffer."""
        poll = self._waiting
        return poll, b"" if poll is None else self.take()
