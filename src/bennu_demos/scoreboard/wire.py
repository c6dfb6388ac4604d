"""What the server sends to the page. The page sends nothing but its joins."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from .clubs import Club

__all__ = ["Clock", "Event", "Fixture", "Kind", "Phase", "Round", "Side", "State"]

Phase = Literal["soon", "first", "break", "second", "over"]
Side = Literal["home", "away"]
Kind = Literal[
    "kick_off", "goal", "chance", "yellow", "red", "substitution", "half_time", "full_time"
]


class Clock(Struct, frozen=True):
    """The clock of a match. The page counts: no message is needed for each second.

    At the time `started_at` (seconds since 1970, by the server's clock) the match was `seconds` old. While the clock is
    running, the match gets `rate` seconds older in a second.
    """

    is_running: bool
    started_at: float
    seconds: int
    rate: float


class Event(Struct, omit_defaults=True):
    """Something that happened in a match, and the state of the match after it."""

    seq: int  # the events of a match are numbered from 1
    kind: Kind
    minute: str
    score: tuple[int, int]
    phase: Phase
    clock: Clock
    side: Side | None = None
    player: str = ""
    other: str = ""  # who passed the ball before a goal, or goes out in a substitution


class State(Struct):
    """A match: the reply to a join. `seq` is the number of the newest event in it."""

    id: str
    home: Club
    away: Club
    kick_off_at: float
    seq: int
    score: tuple[int, int]
    phase: Phase
    clock: Clock
    events: list[Event]
    now: float  # the server's time: the clock of the page can be wrong


class Fixture(Struct):
    """A match of a round."""

    id: str
    home: Club
    away: Club


class Round(Struct):
    """The matches of today: the reply to a join of the league, and its only event."""

    number: int
    fixtures: list[Fixture]
