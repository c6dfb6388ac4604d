"""The rules: how snakes move, eat, grow and die. A world with the same seed and the same wishes always goes the same way.

Positions are whole numbers, in eighths of a pixel, and directions are whole numbers too. So the page calculates exactly
the positions that the server calculates (``static/js/motion.js``), and the frames carry them without a loss.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from math import atan2, cos, floor, hypot, pi, sin
from random import Random
from typing import Final

__all__ = [
    "CENTRE", "COLOURS", "DIRECTIONS", "RADIUS", "STEP", "TURN", "Death", "Pellet", "Snake", "World", "cells_around",
    "direction_to", "shortest_turn",
]  # fmt: skip

UNIT: Final = 8
"""Units of a pixel."""

CENTRE: Final = 2_048 * UNIT
RADIUS: Final = 1_500 * UNIT
"""The arena is a circle. A snake that leaves it dies."""

DIRECTIONS: Final = 1_024
STEP: Final = 8 * UNIT
"""A snake takes one step a tick, and two when it sprints. Each step adds a point to its path."""

TURN: Final = 24
"""The largest turn of one step, in directions."""

STEPS: Final = [
    (floor(cos(2 * pi * n / DIRECTIONS) * STEP + 0.5), floor(sin(2 * pi * n / DIRECTIONS) * STEP + 0.5))
    for n in range(DIRECTIONS)
]  # fmt: skip
COLOURS: Final = 12
START: Final = 12
"""Points of a new snake."""

LONGEST: Final = 300
PELLETS: Final = 700
SPRINT_FROM: Final = 10
"""A sprint costs one point of the score every four ticks, and needs this score."""

CELL: Final = 11
"""Bits of a position within a cell: a cell is a square of 256 pixels."""


@dataclass(frozen=True, slots=True)
class Pellet:
    """Food: ``value`` is what it adds to a score."""

    x: int
    y: int
    value: int
    colour: int


@dataclass(slots=True, eq=False)
class Snake:
    """A snake. ``wish`` and ``wants_sprint`` are set by its player; the world changes the rest.

    Attributes:
        path: The points of its body. The head is the first one.
        steps: The number of steps that it has taken.
    """

    id: int
    name: str
    colour: int
    heading: int
    path: deque[tuple[int, int]]
    wish: int
    wants_sprint: bool = False
    is_sprinting: bool = False
    score: int = 0
    steps: int = 0
    born: int = 0

    @property
    def head(self) -> tuple[int, int]:
        """The position of the head."""
        return self.path[0]

    @property
    def radius(self) -> int:
        """Half of the thickness, in units."""
        return 9 * UNIT + min(self.score, 400) // 4

    @property
    def points(self) -> int:
        """The number of points that the path grows to."""
        return min(START + self.score // 2, LONGEST)

    @staticmethod
    def step_towards(way: int) -> tuple[int, int]:
        """Return the distance of one step in a direction."""
        return STEPS[way]

    def move(self) -> None:
        """Turn towards the wish, and take one step."""
        turn = shortest_turn(self.heading, self.wish)
        self.heading = (self.heading + max(-TURN, min(TURN, turn))) % DIRECTIONS
        x, y = self.path[0]
        dx, dy = STEPS[self.heading]
        self.path.appendleft((x + dx, y + dy))
        self.steps += 1
        while len(self.path) > self.points:
            self.path.pop()


@dataclass(frozen=True, slots=True)
class Death:
    """A snake that died, and the snake that it ran into; None is the edge."""

    snake: Snake
    killer: Snake | None


def shortest_turn(heading: int, wish: int) -> int:
    """Return the turn from one direction to another, between -512 and 511."""
    return (wish - heading + DIRECTIONS // 2) % DIRECTIONS - DIRECTIONS // 2


def direction_to(dx: float, dy: float) -> int:
    """Return the direction of a vector."""
    return round(atan2(dy, dx) * DIRECTIONS / (2 * pi)) % DIRECTIONS


def cells_around(x: int, y: int, reach: int) -> Iterator[int]:
    """Yield the cells that a square touches."""
    for column in range((x - reach) >> CELL, ((x + reach) >> CELL) + 1):
        for row in range((y - reach) >> CELL, ((y + reach) >> CELL) + 1):
            yield column << 8 | row


@dataclass(eq=False)
class World:
    """All snakes and pellets.

    Args:
        seed: Makes the world repeatable; None is a new world each time.

    Attributes:
        food: The ids of the pellets in each cell.
        bodies: The points of the bodies in each cell, since the last tick.
    """

    seed: int | None = None
    tick: int = 0
    snakes: dict[int, Snake] = field(default_factory=dict[int, Snake])
    pellets: dict[int, Pellet] = field(default_factory=dict[int, Pellet])
    food: defaultdict[int, set[int]] = field(
        default_factory=lambda: defaultdict[int, set[int]](set)
    )
    bodies: defaultdict[int, list[tuple[int, int, Snake]]] = field(
        default_factory=lambda: defaultdict[int, list[tuple[int, int, Snake]]](list)
    )

    def __post_init__(self) -> None:
        """Scatter the first pellets."""
        self.random = Random(self.seed)  # noqa: S311 - it is a game
        self._last_snake = self._last_pellet = 0
        self._sow(PELLETS)

    def spawn(self, name: str, colour: int) -> Snake:
        """Add a snake at a place where no other is near, as far as ten tries find one."""
        x, y = self._place(0.8)
        for _ in range(10):
            if not any(self.bodies.get(cell) for cell in cells_around(x, y, 160 * UNIT)):
                break
            x, y = self._place(0.8)
        heading = direction_to(CENTRE - x, CENTRE - y)
        dx, dy = STEPS[heading]
        path = deque((x - dx * n, y - dy * n) for n in range(START))
        self._last_snake = _next_id(self._last_snake, self.snakes)
        snake = Snake(self._last_snake, name, colour, heading, path, heading, born=self.tick)
        self.snakes[snake.id] = snake
        return snake

    def step(self) -> list[Death]:
        """Move to the next tick, and return who died. A dead snake becomes pellets."""
        self.tick += 1
        for snake in self.snakes.values():
            snake.is_sprinting = snake.wants_sprint and snake.score >= SPRINT_FROM
            for _ in range(1 + snake.is_sprinting):
                snake.move()
                self._eat(snake)
            if snake.is_sprinting and self.tick % 4 == 0:
                snake.score -= 1
                self.drop(*snake.path[-1], 1, snake.colour)
        self._index()
        deaths = list(self._deaths())
        for death in deaths:
            self.remove(death.snake)
        self._sow(min(8, PELLETS - len(self.pellets)))
        return deaths

    def remove(self, snake: Snake) -> None:
        """Turn a snake into pellets, which are worth half of its score and a little more."""
        del self.snakes[snake.id]
        crumbs = list(islice(snake.path, 0, None, 3))
        value = min(255, 1 + snake.score // 2 // len(crumbs))
        for x, y in crumbs:
            self.drop(x + self.random.randint(-80, 80), y + self.random.randint(-80, 80), value, snake.colour)  # fmt: skip

    def drop(self, x: int, y: int, value: int, colour: int) -> None:
        """Add a pellet, unless the place is outside the arena."""
        if self.is_inside(x, y):
            self._last_pellet = number = _next_id(self._last_pellet, self.pellets)
            self.pellets[number] = Pellet(x, y, value, colour)
            self.food[x >> CELL << 8 | y >> CELL].add(number)

    def hit(self, x: int, y: int, reach: int, but: Snake) -> Snake | None:
        """Return a snake whose body is nearer to a place than a distance. One snake is left out."""
        for cell in cells_around(x, y, reach + 22 * UNIT):  # no body is thicker
            for bx, by, snake in self.bodies.get(cell, ()):
                if snake is not but and hypot(bx - x, by - y) < reach + snake.radius:
                    return snake
        return None

    @staticmethod
    def is_inside(x: int, y: int, margin: int = 0) -> bool:
        """Return whether a place is in the arena."""
        return hypot(x - CENTRE, y - CENTRE) <= RADIUS - margin

    def ranking(self) -> list[Snake]:
        """Return the snakes, the best one first."""
        return sorted(self.snakes.values(), key=lambda snake: (-snake.score, snake.id))

    def _deaths(self) -> Iterator[Death]:
        for snake in self.snakes.values():
            if not self.is_inside(*snake.head):
                yield Death(snake, None)
            elif killer := self.hit(*snake.head, snake.radius // 2, snake):
                yield Death(snake, killer)

    def _index(self) -> None:
        self.bodies.clear()
        for snake in self.snakes.values():
            for x, y in islice(snake.path, 0, None, 2):  # every second point: no snake fits between
                self.bodies[x >> CELL << 8 | y >> CELL].append((x, y, snake))

    def _eat(self, snake: Snake) -> None:
        x, y = snake.head
        reach = snake.radius + 16 * UNIT
        for cell in cells_around(x, y, reach):
            for number in list(self.food.get(cell, ())):
                pellet = self.pellets[number]
                if hypot(pellet.x - x, pellet.y - y) < reach:
                    self.food[cell].remove(number)
                    del self.pellets[number]
                    snake.score = min(snake.score + pellet.value, 0xFFFF)

    def _sow(self, count: int) -> None:
        for _ in range(count):
            self.drop(*self._place(0.97), 1, self.random.randrange(COLOURS))

    def _place(self, share: float) -> tuple[int, int]:
        """Return a random place within a share of the radius."""
        distance = RADIUS * share * self.random.random() ** 0.5
        angle = self.random.random() * 2 * pi
        return CENTRE + round(cos(angle) * distance), CENTRE + round(sin(angle) * distance)


def _next_id(last: int, taken: dict[int, Snake] | dict[int, Pellet]) -> int:
    """Return the next free id of 16 bits. An id is used again as late as possible; 0 is none."""
    number = last % 0xFFFF + 1
    while number in taken:
        number = number % 0xFFFF + 1
    return number
