"""The one channel: ``arena``."""

from __future__ import annotations

import unicodedata
from typing import Final

from bennu import Channel, Refused, on

from .arena import TICK, Arena
from .frames import read_input
from .player import Player
from .wire import MAX_NAME, Board, Died, Play, Playing, Rules
from .world import CENTRE, RADIUS, STEP, TURN

__all__ = ["ArenaChannel"]

RULES: Final = Rules(round(TICK * 1_000), CENTRE, RADIUS, STEP, TURN)


class ArenaChannel(Channel[None, Arena]):
    """A page in the arena. It watches until it asks for a snake."""

    player: Player
    emits = {"frame": bytes, "died": Died, "board": Board}

    async def join(self) -> Rules:
        """Accept every page."""
        return RULES

    async def after_join(self) -> None:
        """From now on the page gets frames."""
        self.player = self.state.enter(self.push)

    async def terminate(self, reason: str | Exception) -> None:
        """Remove the snake: its place is empty when its player is gone."""
        self.state.leave(self.player)

    @on("play", rate="1/second, burst 5")
    async def play(self, wanted: Play) -> Playing:
        """Give the person a snake."""
        snake = self.state.play(self.player, clean_name(wanted.name), wanted.colour)
        return Playing(snake.id, snake.name)

    @on("input", rate="30/second, burst 60")
    async def input(self, data: bytes) -> None:
        """Take the person's input for a tick. The page needs no reply: the frames say which inputs were taken."""
        try:
            self.player.hear(read_input(data))
        except ValueError as error:
            raise Refused("bad_input", problem=str(error)) from None


def clean_name(name: str) -> str:
    """Return a name of one line without invisible characters.

    Raises:
        Refused: The name has no letter and no digit, or is too long.
    """
    seen = "".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in name)
    cleaned = " ".join(seen.split())
    if len(cleaned) > MAX_NAME or not any(one.isalnum() for one in cleaned):
        raise Refused("bad_name")
    return cleaned
