"""What dashboards of several nodes send each other over the bus.

A node with an open page asks all nodes once a second. Each node that has a dashboard then sends it figures for some
seconds. A question goes to one node, and is answered once.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from ..errors import DecodeError
from .figures import NodeFigures
from .finding import FoundConnections
from .shown import FollowRequest, ShownBatch

__all__ = [
    "AskFigures",
    "CutConnection",
    "FigureLetter",
    "FindConnections",
    "FollowLetter",
    "FoundLetter",
    "Letter",
    "SeenLetter",
    "UnfollowLetter",
    "read_letter",
    "write_letter",
]


class AskFigures(Struct, tag=True, frozen=True):
    """Asks for figures for the next seconds."""


class FigureLetter(Struct, tag=True, frozen=True):
    """The figures of a node."""

    figures: NodeFigures


class FindConnections(Struct, tag=True, frozen=True):
    """Asks for connections.

    Attributes:
        ref: The number of the question.
        text: What to look for.
    """

    ref: int
    text: str


class CutConnection(Struct, tag=True, frozen=True):
    """Asks to close a connection.

    Attributes:
        ref: The number of the question.
        connection: The id of the connection.
    """

    ref: int
    connection: str


class FoundLetter(Struct, tag=True, frozen=True):
    """Answers a question.

    Attributes:
        ref: The number of the question.
        found: The connections, or how many were closed.
    """

    ref: int
    found: FoundConnections


class FollowLetter(Struct, tag=True, frozen=True):
    """Asks for what passes, for the next seconds. It is sent again and again.

    Attributes:
        ref: The number of the follow.
        wanted: What is followed.
    """

    ref: int
    wanted: FollowRequest


class UnfollowLetter(Struct, tag=True, frozen=True):
    """Ends a follow.

    Attributes:
        ref: The number of the follow.
    """

    ref: int


class SeenLetter(Struct, tag=True, frozen=True):
    """What a follow has seen.

    Attributes:
        ref: The number of the follow.
        batch: The records.
    """

    ref: int
    batch: ShownBatch


Letter = (
    AskFigures
    | FigureLetter
    | FindConnections
    | CutConnection
    | FoundLetter
    | FollowLetter
    | UnfollowLetter
    | SeenLetter
)

write_letter = msgspec.json.Encoder().encode
"""Returns the bytes of a letter."""

_decode = msgspec.json.Decoder(Letter).decode


def read_letter(data: bytes) -> Letter:
    """Return a letter of another node.

    Raises:
        DecodeError: The bytes are none, or another version of Bennu has sent them.
    """
    try:
        letter: Letter = _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"expected a letter of a dashboard, got {error}") from error
    return letter
