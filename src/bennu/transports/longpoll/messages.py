"""What processes say to each other about a session of one of them. Protocol document, §4.2.

A session listens to a topic of its own, which nobody can guess. A request that lands in another process
puts its question there and hears the answer there, each with the request's ``ref``.
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
    """Asked: what is there?"""

    ref: str


class Taken(Struct, frozen=True, tag="lp_taken"):
    """Answered: this is there; if it is nothing, the poll waits."""

    ref: str
    messages: bytes


class Arrived(Struct, frozen=True, tag="lp_arrived"):
    """Said to a poll that waits: ask again."""

    ref: str


class Ended(Struct, frozen=True, tag="lp_ended"):
    """Said to a poll that waits: the session is over, and this was left in it."""

    ref: str
    rest: bytes


class Expired(Struct, frozen=True, tag="lp_expired"):
    """Said by a poll: it waits no more."""

    ref: str


class Posted(Struct, frozen=True, tag="lp_posted"):
    """Asked: handle these messages."""

    ref: str
    messages: list[tuple[Opcode, bytes]]


class Progress(Struct, frozen=True, tag="lp_progress"):
    """Answered: the session is at it (no status yet), or done with it."""

    ref: str
    status: Status | None = None


Question = Polled | Expired | Posted
Answer = Taken | Arrived | Ended | Progress
