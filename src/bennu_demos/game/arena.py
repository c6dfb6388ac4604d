"""The arena: the world, the people who play and watch, and the task that plays a tick every 50 ms."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from bennu import NotJoined

from .areas import Areas
from .bots import NAMES, think
from .frames import Frames
from .player import Player
from .wire import Board, Died, Row
from .world import COLOURS, Snake, World

__all__ = ["TICK", "Arena", "Send"]

TICK: Final = 0.05
"""Seconds."""

LATE: Final = 3 * TICK
"""If the server is later than this, it leaves ticks out, and does not hurry after them."""

BOARD: Final = 10
"""Ticks between two score boards, and rows of a board."""

log = logging.getLogger(__name__)

Send = Callable[[str, Any], Awaitable[None]]


class Arena:
    """The one game of this process: the lifespan makes it, and every channel has it as ``self.state``.

    Args:
        crowd: Bots fill the arena up to this number of snakes.
        seed: Makes the game repeatable, for tests.
    """

    def __init__(self, crowd: int = 14, seed: int | None = None) -> None:
        self.world = World(seed)
        self._crowd = crowd
        self._people: dict[Player, Send] = {}
        self._bots: set[Snake] = set()
        self._somebody = asyncio.Event()

    # For the channels.

    def enter(self, send: Send) -> Player:
        """Add a person, who watches at first.

        Args:
            send: Sends an event to the person's page.
        """
        self._people[player := Player()] = send
        self._somebody.set()
        return player

    def leave(self, player: Player) -> None:
        """Remove a person and the person's snake."""
        self._people.pop(player, None)
        if player.snake is not None:
            self.world.remove(player.snake)
            player.snake = None
        if not self._people:
            self._somebody.clear()

    def play(self, player: Player, name: str, colour: int) -> Snake:
        """Give a person a snake. Someone who has one keeps it."""
        if player.snake is None:
            player.snake = self.world.spawn(name, colour)
            player.has_played = True
        return player.snake

    # The ticks.

    async def run(self) -> None:
        """Play for ever. While nobody is there, the world stands still."""
        now = asyncio.get_running_loop().time
        due = now()
        while True:
            if not self._people:
                await self._somebody.wait()
                due = now()
            due += TICK
            if now() - due > LATE:
                due = now()
            await asyncio.sleep(due - now())
            try:
                await self.step()
            except Exception:
                log.exception("the game: tick %d failed, the next one is played", self.world.tick)

    async def step(self) -> None:
        """Play one tick, and send each person a frame. No person waits for another one's page."""
        for player in self._people:
            player.steer()
        for bot in self._bots:
            if (bot.id + self.world.tick) % 3 == 0:
                think(self.world, bot)
        deaths = self.world.step()
        ranking = self.world.ranking()
        dead = {death.snake: death.killer for death in deaths}
        self._bots -= dead.keys()
        self._fill()
        areas, frames = Areas(self.world), Frames(self.world)
        gone: list[Player] = []
        for player, send in list(self._people.items()):
            if not player.has_played and ranking:
                player.place = ranking[0].head  # who only watches sees the best one
            snake, died = player.snake, None
            if snake in dead:
                died = self._obituary(snake, dead[snake], len(ranking))
                player.snake = None
            try:
                if frame := player.look(areas, frames):
                    await send("frame", frame)
                if died:
                    await send("died", died)
                if self.world.tick % BOARD == 0:
                    await send("board", self._board(player, ranking))
            except (
                NotJoined
            ):  # a page that joins a second time replaces its first channel, without `terminate`
                gone.append(player)
        for player in gone:
            self.leave(player)

    def _fill(self) -> None:
        """Let one more bot in, if there are too few snakes."""
        if len(self.world.snakes) < self._crowd:
            random = self.world.random
            taken = {bot.name for bot in self._bots}
            names = [name for name in NAMES if name not in taken] or NAMES
            self._bots.add(self.world.spawn(random.choice(names), random.randrange(COLOURS)))

    def _obituary(self, snake: Snake, killer: Snake | None, snakes: int) -> Died:
        place = sum(other.score > snake.score for other in self.world.snakes.values()) + 1
        return Died(
            killer.name if killer else None,
            snake.score,
            place,
            snakes + 1,
            self.world.tick - snake.born,
        )

    def _board(self, player: Player, ranking: list[Snake]) -> Board:
        rows = [
            Row(place, snake.id, snake.name, snake.colour, snake.score, snake in self._bots)
            for place, snake in enumerate(ranking, 1)
            if place <= BOARD or snake is player.snake
        ]
        return Board(rows, len(ranking), len(self._people))
