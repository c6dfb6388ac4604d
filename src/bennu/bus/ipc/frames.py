"""The frames between two processes. Pure.

Theory of operation
-------------------
Each node opens one connection to each other node, and publishes on it. So two nodes have two connections, one for each
direction. On the connection that A has opened to B:

====================  =========  ==========================================================
frame                 from       meaning
====================  =========  ==========================================================
``Hello``             A          my version, my name, my epoch
``Welcome``           B          my name, my epoch
``Interest``          B          send me these topics; also part by part after a ``Welcome``
``InterestReady``     B          that was my whole interest: begin
``InterestTaken``     A          from here on you get them; the counts of topics that you know
``NoInterest``        B          send me these topics no more
a message             A          a topic and its bytes
``Flush``             A          answer when you have taken all that is before this
``Flushed``           B          the answer
``Farewell``          A          I stop, and have sent everything
====================  =========  ==========================================================

A frame is its length in four bytes, its kind in one byte, and its body. The length does not count its own four bytes. The
body of a message is the length of the topic in two bytes, the topic in UTF-8, and the data. The body of each other
frame is MessagePack.

A frame that is too long or can't be decoded ends its connection, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from struct import Struct
from typing import Final

import msgspec

from ...errors import DecodeError, EncodeError
from ..topics import MAX_TOPIC

__all__ = [
    "MAX_DATA",
    "MAX_FRAME",
    "VERSION",
    "Control",
    "Farewell",
    "Flush",
    "Flushed",
    "FrameReader",
    "Hello",
    "Interest",
    "InterestReady",
    "InterestTaken",
    "NoInterest",
    "Welcome",
    "control_frame",
    "message_frame",
    "parts",
]

VERSION: Final = 1

MAX_DATA: Final = 16 * 1024 * 1024
"""Bytes of a message's data."""

MAX_FRAME: Final = MAX_DATA + MAX_TOPIC + 64
"""Bytes of a frame."""

PART: Final = 128 * 1024
"""Bytes of topics in one frame of an interest, about."""

_HEAD = Struct(">IB")
_MESSAGE_HEAD = Struct(">IBH")
_MESSAGE: Final = 1
_CONTROL: Final = 2


class Hello(msgspec.Struct, array_like=True, tag="hello"):
    """The first frame of the node that opened the connection."""

    version: int
    node: str
    epoch: int


class Welcome(msgspec.Struct, array_like=True, tag="welcome"):
    """The answer to a hello."""

    node: str
    epoch: int


class Interest(msgspec.Struct, array_like=True, tag="interest"):
    """Topics that a node wants to hear. ``number`` is the node's last call of ``subscribe``."""

    number: int
    topics: list[bytes]


class InterestReady(msgspec.Struct, array_like=True, tag="ready"):
    """The end of a node's whole interest, after a welcome."""

    number: int


class InterestTaken(msgspec.Struct, array_like=True, tag="taken"):
    """The confirmation of an interest.

    Attributes:
        number: The number of the interest.
        is_resumed: Whether the node remembers an earlier connection, so that the counts continue.
        counts: The messages that the node has meant for the other one so far, by topic; without those that are 0.
    """

    number: int
    is_resumed: bool
    counts: dict[bytes, int]


class NoInterest(msgspec.Struct, array_like=True, tag="no interest"):
    """Topics that a node does not want to hear any more."""

    topics: list[bytes]


class Flush(msgspec.Struct, array_like=True, tag="flush"):
    """A request to answer."""

    number: int


class Flushed(msgspec.Struct, array_like=True, tag="flushed"):
    """The answer."""

    number: int


class Farewell(msgspec.Struct, array_like=True, tag="farewell"):
    """The last frame of a node that stops."""


Control = (
    Hello
    | Welcome
    | Interest
    | InterestReady
    | InterestTaken
    | NoInterest
    | Flush
    | Flushed
    | Farewell
)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Control] = msgspec.msgpack.Decoder(Control)


def message_frame(key: bytes, data: bytes) -> bytes:
    """Return the frame of a message.

    Raises:
        EncodeError: The data is too long.
    """
    if len(data) > MAX_DATA:
        raise EncodeError(
            f"a message has {len(data):,} bytes: ipc:// carries at most {MAX_DATA:,}."
            " Store large data elsewhere, and publish where it is"
        )
    length = len(key)
    return _MESSAGE_HEAD.pack(3 + length + len(data), _MESSAGE, length) + key + data


def control_frame(control: Control) -> bytes:
    """Return the frame of anything else."""
    body = _encoder.encode(control)
    return _HEAD.pack(1 + len(body), _CONTROL) + body


def parts(keys: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Split topics into lists that each fit into a frame."""
    part: list[bytes] = []
    size = 0
    for key in keys:
        part.append(key)
        size += len(key) + 5
        if size >= PART:
            yield part
            part, size = [], 0
    if part:
        yield part


class FrameReader:
    """Finds the frames in what a connection receives.

    Args:
        on_message: Called with the topic and the data of each message.
        on_control: Called with each other frame. It raises ``DecodeError`` for a frame that must not come now.
    """

    __slots__ = ("_needed", "_on_control", "_on_message", "_rest")

    def __init__(
        self,
        on_message: Callable[[bytes, bytes], object],
        on_control: Callable[[Control], object],
    ) -> None:
        self._on_message = on_message
        self._on_control = on_control
        self._rest = bytearray()
        self._needed = 0

    def feed(self, data: bytes) -> None:
        """Take received bytes.

        Raises:
            DecodeError: The bytes are no frames. The connection must be closed.
        """
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return
            data = bytes(self._rest)
            self._rest.clear()
        position = 0
        end = len(data)
        on_message = self._on_message
        while end - position >= 5:
            length, kind = _HEAD.unpack_from(data, position)
            stop = position + 4 + length
            if stop > end or not length:
                self._expect_length(length)
                self._keep(data, position, 4 + length)
                return
            if kind == _MESSAGE:
                topic = position + 7
                if topic > stop:
                    raise DecodeError("a message without a topic")
                start = topic + (data[position + 5] << 8 | data[position + 6])
                if start > stop:
                    raise DecodeError("a topic that is longer than its message")
                on_message(data[topic:start], data[start:stop])
            else:
                self._control(kind, data[position + 5 : stop])
            position = stop
        if position < end:
            self._keep(data, position, 5)

    def _keep(self, data: bytes, position: int, needed: int) -> None:
        """Keep the beginning of a frame until the rest comes."""
        self._rest += memoryview(data)[position:]
        self._needed = needed

    @staticmethod
    def _expect_length(length: int) -> None:
        if not 1 <= length <= MAX_FRAME:
            raise DecodeError(f"a frame of {length:,} bytes; a frame has 1 to {MAX_FRAME:,}")

    def _control(self, kind: int, body: bytes) -> None:
        if kind != _CONTROL:
            raise DecodeError(f"a frame of the unknown kind {kind}")
        try:
            control = _decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DecodeError(f"a frame that can't be decoded: {error}") from error
        self._on_control(control)
