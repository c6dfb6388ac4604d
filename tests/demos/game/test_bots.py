"""Bots are worth playing against."""

from __future__ import annotations

from bennu_demos.game.bots import think
from bennu_demos.game.world import CENTRE, DIRECTIONS, RADIUS, STEP, World


def test_bots_live_and_grow() -> None:
    """In half a minute most of them are alive, and the best one has eaten well."""
    world = World(seed=3)
    bots = [world.spawn(f"bot {number}", number % 12) for number in range(12)]
    for _ in range(600):
        for bot in world.snakes.values():
            if (bot.id + world.tick) % 3 == 0:
                think(world, bot)
        world.step()
    assert len(world.snakes) >= len(bots) // 2
    assert world.ranking()[0].score >= 25
    assert all(bot.score >= 4 for bot in world.snakes.values())


def test_bot_turns_away_from_the_edge() -> None:
    """Also if there is food behind it."""
    world = World(seed=3)
    bot = world.spawn("bot", 0)
    bot.path.clear()
    bot.path.extend((CENTRE + RADIUS - (20 + n) * STEP, CENTRE) for n in range(bot.points))
    bot.heading = bot.wish = 0
    world.drop(CENTRE + RADIUS - 2 * STEP, CENTRE, 200, 0)
    for _ in range(100):
        think(world, bot)
        world.step()
    assert world.snakes == {bot.id: bot}
    assert 0 <= bot.heading < DIRECTIONS
