"""The messages between nodes about a session on one of them. Protocol document, §4.2.

A request on another node sends a question to the session's node, and gets answers (:mod:`.remote`). Both have the
request's ``ref``.
"""

from __future__ import annotations

from msgspec import Struct

from ...message import Opcode
from ...protocol.longpoll import Status

__all__ = [
    "Answer",
    "Arrived",
    "Ended",
    "Expired",
    "Polled",
    "Posted",
    "Progress",
    "Question",
    "Taken",
]


class Polled(Struct, frozen=True, tag="lp_polled"):
    """A question: which messages wait?"""

    ref: str


class Taken(Struct, frozen=True, tag="lp_taken"):
    """The answer: these messages. Without messages the poll waits."""

    ref: str
    messages: bytes


class Arrived(Struct, frozen=True, tag="lp_arrived"):
    """For a poll that waits: messages have arrived, ask again."""

    ref: str


class Ended(Struct, frozen=True, tag="lp_ended"):
    """For a poll that waits: the session has ended, and these are its last messages."""

    ref: str
    rest: bytes


class Expired(Struct, frozen=True, tag="lp_expired"):
    """From a poll that no longer waits."""

    ref: str


class Posted(Struct, frozen=True, tag="lp_posted"):
    """A question: handle these messages."""

    ref: str
    messages: list[tuple[Opcode, bytes]]


class Progress(Struct, frozen=True, tag="lp_progress"):
    """The answer to :class:`Posted`: the session handles a message (no status), or is finished."""

    ref: str
    status: Status | None = None


Question = Polled | Expired | Posted
Answer = Taken | Arrived | Ended | Progress
