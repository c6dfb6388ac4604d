"""The frames that nodes send each other over a broker. Pure.

Theory of operation
-------------------
A frame begins with its *head*: a magic byte, the version, and the name and epoch of the node that sent it. All frames
of one epoch have the same head, so that a receiver finds the node by one look-up. The kind follows, and then:

====================  =======================  ==============================================================
kind                  on the channel of        body
====================  =======================  ==============================================================
message               its topic                the number, the data
mark                  its topic                the number
addressed message     the receiving node       the number, the length of the topic in two bytes, the topic, the data
addressed mark        the receiving node       the number, the length of the topic in two bytes, the topic
any other             the control channel, or  MessagePack
                      the receiving node
====================  =======================  ==============================================================

A number has eight bytes (:mod:`bennu.bus.sequence`). All lengths and numbers are big-endian.

========================  ==============================================================================
control frame             meaning
========================  ==============================================================================
``NodeHeartbeat``         I am here
``FarewellToAll``         I stop, and have sent everything
``Probe``                 to myself: what I sent before has reached the broker
``Ask``                   where do you stand in these topics?
``Answer``                there; in the other topics of your question I have published nothing
``Recall``                I could not hear for some seconds: send marks of what you have published since
``Recalled``              I have sent the marks
========================  ==============================================================================

A frame that can't be decoded is dropped by the receiver, and nothing else happens.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from struct import Struct, error as StructError  # noqa: N812 - it is an exception class
from typing import Annotated, Final, NamedTuple

import msgspec

from ...errors import DecodeError

__all__ = [
    "MAX_NODE",
    "PART",
    "VERSION",
    "Answer",
    "Ask",
    "BrokerFrame",
    "FarewellToAll",
    "FrameBody",
    "FrameKind",
    "NodeHeartbeat",
    "OtherVersion",
    "Probe",
    "Recall",
    "Recalled",
    "Sender",
    "body_of",
    "control_of",
    "head_of",
    "sender_of",
    "size_of",
    "split",
]

MAGIC: Final = 0xB3
VERSION: Final = 1

MAX_NODE: Final = 128
"""Bytes of the name of a node."""

PART: Final = 128 * 1024
"""Bytes of topics in one frame, about."""

_EPOCH = Struct(">Q")
_NUMBER = Struct(">BQ")
_ADDRESSED = Struct(">BQH")


Seconds = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
"""A time in seconds. It is finite."""


class FrameKind:
    """The kinds of frames."""

    MESSAGE: Final = 1
    MARK: Final = 2
    ADDRESSED: Final = 3
    ADDRESSED_MARK: Final = 4
    CONTROL: Final = 5


class OtherVersion(DecodeError):
    """A frame of another version of this protocol."""


class NodeHeartbeat(msgspec.Struct, array_like=True, tag=1):
    """The sign of life of a node.

    Attributes:
        number: The number of the heartbeat, from 1; 0 for an answer to a node that has just come.
        age: Seconds since the node has been on the bus.
        is_first: Whether the node has just come to the bus.
        is_back: Whether the node has just connected again.
    """

    number: int
    age: Seconds
    is_first: bool = False
    is_back: bool = False


class FarewellToAll(msgspec.Struct, array_like=True, tag=2):
    """The last frame of a node that stops."""


class Probe(msgspec.Struct, array_like=True, tag=3):
    """A frame of a node to itself."""

    number: int


class Ask(msgspec.Struct, array_like=True, tag=4):
    """A question about the numbers of topics.

    Attributes:
        since: The generation of subscriptions before the first one of these topics.
        generation: Their last generation.
        at: The time of the question, by the clock of the node that asks.
        topics: The topics.
    """

    since: int
    generation: int
    at: Seconds
    topics: list[str]


class Answer(msgspec.Struct, array_like=True, tag=5):
    """The answer to a question, which it repeats.

    Attributes:
        since: As in the question.
        generation: As in the question.
        at: As in the question.
        age: Seconds since the node has been on the bus.
        floors: A topic, its number for all nodes, and its number for the node that asks; without topics that have none.
    """

    since: int
    generation: int
    at: Seconds
    age: Seconds
    floors: list[tuple[str, int, int]]


class Recall(msgspec.Struct, array_like=True, tag=6):
    """A request for marks of what was published in the last ``seconds``."""

    number: int
    seconds: Seconds


class Recalled(msgspec.Struct, array_like=True, tag=7):
    """The marks were sent; without those of forgotten topics, if not ``is_complete``."""

    number: int
    is_complete: bool


BrokerFrame = NodeHeartbeat | FarewellToAll | Probe | Ask | Answer | Recall | Recalled

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[BrokerFrame] = msgspec.msgpack.Decoder(BrokerFrame)


class Sender:
    """Makes the frames of one node in one epoch.

    Args:
        node: The name of the node: 1 to 128 bytes in UTF-8.
        epoch: The epoch.

    Attributes:
        head: The beginning of each frame.
    """

    __slots__ = ("head",)

    def __init__(self, node: str, epoch: int) -> None:
        name = node.encode()
        self.head = bytes((MAGIC, VERSION, len(name))) + name + _EPOCH.pack(epoch)

    def message(self, number: int, data: bytes) -> bytes:
        """Return the frame of a message to all."""
        return self.head + _NUMBER.pack(FrameKind.MESSAGE, number) + data

    def mark(self, number: int) -> bytes:
        """Return the frame of a mark to all."""
        return self.head + _NUMBER.pack(FrameKind.MARK, number)

    def addressed(self, number: int, topic: bytes, data: bytes) -> bytes:
        """Return the frame of a message to one node."""
        return self.head + _ADDRESSED.pack(FrameKind.ADDRESSED, number, len(topic)) + topic + data

    def addressed_mark(self, number: int, topic: bytes) -> bytes:
        """Return the frame of a mark to one node."""
        return self.head + _ADDRESSED.pack(FrameKind.ADDRESSED_MARK, number, len(topic)) + topic

    def control(self, control: BrokerFrame) -> bytes:
        """Return the frame of anything else."""
        return self.head + bytes((FrameKind.CONTROL,)) + _encoder.encode(control)


def head_of(frame: bytes) -> bytes:
    """Return the head of a frame.

    Raises:
        OtherVersion: The frame is of another version.
        DecodeError: The bytes are no frame.
    """
    if len(frame) < 3 or frame[0] != MAGIC:
        raise DecodeError("no frame of Bennu")
    if frame[1] != VERSION:
        raise OtherVersion(f"a frame of version {frame[1]}; this is version {VERSION}")
    end = 11 + frame[2]
    if len(frame) <= end:
        raise DecodeError("a frame that ends in its head")
    return frame[:end]


def sender_of(head: bytes) -> tuple[str, int]:
    """Return the name and the epoch of the node that a head tells of.

    Raises:
        DecodeError: The name is no UTF-8.
    """
    try:
        name = head[3:-8].decode()
    except UnicodeDecodeError as error:
        raise DecodeError("a name of a node that is no UTF-8") from error
    if not 1 <= len(head) - 11 <= MAX_NODE:
        raise DecodeError("a name of a node that is empty or too long")
    return name, _EPOCH.unpack_from(head, len(head) - 8)[0]


class FrameBody(NamedTuple):
    """What follows the head.

    Attributes:
        kind: The kind.
        number: The number of a message or mark, else 0.
        topic: The topic of an addressed message or mark, else None.
        data: The data of a message, or MessagePack.
    """

    kind: int
    number: int
    topic: str | None
    data: bytes


def body_of(frame: bytes, at: int) -> FrameBody:
    """Return what follows the head.

    Args:
        frame: The frame.
        at: The length of the head.

    Raises:
        DecodeError: The bytes are no frame.
    """
    kind = frame[at]
    try:
        if FrameKind.MESSAGE <= kind <= FrameKind.MARK:
            _, number = _NUMBER.unpack_from(frame, at)
            return FrameBody(kind, number, None, frame[at + 9 :])
        if FrameKind.ADDRESSED <= kind <= FrameKind.ADDRESSED_MARK:
            _, number, length = _ADDRESSED.unpack_from(frame, at)
            start = at + 11 + length
            if start > len(frame):
                raise DecodeError("a topic that is longer than its frame")
            return FrameBody(kind, number, frame[at + 11 : start].decode(), frame[start:])
    except (StructError, UnicodeDecodeError) as error:
        raise DecodeError(f"a frame that can't be decoded: {error}") from error
    if kind != FrameKind.CONTROL:
        raise DecodeError(f"a frame of the unknown kind {kind}")
    return FrameBody(kind, 0, None, frame[at + 1 :])


def control_of(data: bytes) -> BrokerFrame:
    """Return a control frame.

    Raises:
        DecodeError: The bytes are no control frame.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"a frame that can't be decoded: {error}") from error


def size_of(topics: Collection[str]) -> int:
    """Return the bytes of topics in a frame, at most: a character has up to four bytes, a length up to five."""
    return 4 * sum(map(len, topics)) + 5 * len(topics)


def split(topics: Iterable[str]) -> Iterator[list[str]]:
    """Split topics into lists that each fit into a frame."""
    part: list[str] = []
    size = 0
    for topic in topics:
        part.append(topic)
        size += size_of((topic,))
        if size >= PART:
            yield part
            part, size = [], 0
    if part:
        yield part
