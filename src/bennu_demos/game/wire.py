"""The JSON payloads between the page and the server, in both directions. The frames are in :mod:`~bennu_demos.game.frames`."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from .world import COLOURS

__all__ = ["MAX_NAME", "Board", "Died", "Play", "Playing", "Row", "Rules"]

MAX_NAME: Final = 20


class Rules(Struct):
    """The reply to a join: what the page must know to calculate as the server does."""

    tick_ms: int
    centre: int
    radius: int
    step: int
    turn: int


class Play(Struct):
    """A person wants a snake."""

    name: Annotated[str, Meta(max_length=200)]
    colour: Annotated[int, Meta(ge=0, lt=COLOURS)]


class Playing(Struct):
    """The snake of this person, and its name as others see it."""

    id: int
    name: str


class Died(Struct):
    """The person's snake died. ``by`` is the name of the snake that it ran into, and null at the edge."""

    by: str | None
    score: int
    place: int
    snakes: int
    ticks: int


class Row(Struct):
    """A row of the score board."""

    place: int
    id: int
    name: str
    colour: int
    score: int
    is_bot: bool


class Board(Struct):
    """The best snakes, and the person's own."""

    rows: list[Row]
    snakes: int
    people: int
