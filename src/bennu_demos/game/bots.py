"""Bots, so that a person who comes alone has a game. A bot sees what a person sees, and sets the same wishes."""

from __future__ import annotations

from math import hypot
from typing import Final

from .world import (
    DIRECTIONS,
    STEP,
    TURN,
    Pellet,
    Snake,
    World,
    cells_around,
    direction_to,
    shortest_turn,
)

__all__ = ["NAMES", "think"]

NAMES: Final = (
    "Apep", "Wadjet", "Mehen", "Nehebkau", "Renenutet", "Meretseger", "Kematef", "Denwen", "Unut", "Nesret",
    "Iaret", "Hetepes", "Sata", "Ankh-neteru", "Khut", "Nau", "Seref", "Tepi", "Neb-hedjet", "Shesemu",
)  # fmt: skip

AHEAD: Final = (5, 10, 16, 24)
"""Steps at which a bot looks whether a way is free."""

SIGHT: Final = 2_400
"""Units: how far a bot sees food."""

TURNS: Final = (0, 90, -90, 180, -180, 270, -270, 360, -360, 450, -450)


def think(world: World, bot: Snake) -> None:
    """Set the wish of a bot: to food, if the way there and the way ahead are free; else to where it is free."""
    target = _food(world, bot)
    bot.wants_sprint = target is not None and target.value > 2 and bot.score > 40
    ways = [(bot.heading + turn) % DIRECTIONS for turn in TURNS]
    if target is not None and _is_free(world, bot, bot.heading, AHEAD[:2]):
        x, y = bot.head
        ways.insert(0, direction_to(target.x - x, target.y - y))
    bot.wish = next((way for way in ways if _is_free(world, bot, way, AHEAD)), bot.heading)


def _food(world: World, bot: Snake) -> Pellet | None:
    """Return the pellet that is worth the way most. The way to a pellet beside or behind the bot is longer: a bot that
    ignored this would circle around pellets that it can't reach."""
    x, y = bot.head
    best, most = None, 0.0
    for cell in cells_around(x, y, SIGHT):
        for number in world.food.get(cell, ()):
            pellet = world.pellets[number]
            turn = shortest_turn(bot.heading, direction_to(pellet.x - x, pellet.y - y))
            way = hypot(pellet.x - x, pellet.y - y) + STEP * (4 + 2 * abs(turn) // TURN)
            worth = pellet.value / way
            if worth > most:
                best, most = pellet, worth
    return best


def _is_free(world: World, bot: Snake, way: int, steps: tuple[int, ...]) -> bool:
    x, y = bot.head
    dx, dy = bot.step_towards(way)
    return all(
        world.is_inside(x + dx * n, y + dy * n, 2 * STEP)
        and world.hit(x + dx * n, y + dy * n, bot.radius + STEP, bot) is None
        for n in steps
    )
