"""Areas of interest: a player gets what is near, and nothing else. So a frame stays small, and no page can look further."""

from __future__ import annotations

from typing import Final

from .frames import View
from .world import CELL, Snake, World

__all__ = ["Areas"]

COLUMNS: Final = 3
ROWS: Final = 2
"""Cells to each side. So an area has at least 1,536 by 1,024 pixels around its centre; the page shows 1,280 by 900."""


class Areas:
    """The views of one tick. Players in the same cell share one.

    Args:
        world: The world after the tick.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._snakes = {
            cell: {snake for _, _, snake in points} for cell, points in world.bodies.items()
        }
        self._views: dict[tuple[int, int], View] = {}

    def view(self, x: int, y: int) -> View:
        """Return what is near a place. A snake is near if any part of its body is."""
        place = (x >> CELL, y >> CELL)
        if place not in self._views:
            self._views[place] = self._view(*place)
        return self._views[place]

    def _view(self, column: int, row: int) -> View:
        world = self._world
        cells = [
            near << 8 | far
            for near in range(max(column - COLUMNS, 0), column + COLUMNS + 1)
            for far in range(max(row - ROWS, 0), row + ROWS + 1)
        ]
        near_snakes = set[Snake]().union(*(self._snakes.get(cell, ()) for cell in cells))
        return View(
            world.tick,
            {snake.id: snake.steps for snake in near_snakes if snake.id in world.snakes},
            frozenset[int]().union(*(world.food.get(cell, ()) for cell in cells)),
        )
