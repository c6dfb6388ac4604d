"""Reads frames, from their description in ``frames.py`` and without its code: what a page would see."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import calcsize, unpack_from
from typing import Any

__all__ = ["Seen", "Sight"]


@dataclass(frozen=True)
class Seen:
    """A snake that a page sees."""

    name: str
    colour: int
    score: int
    heading: int
    steps: int
    path: tuple[tuple[int, int], ...]


@dataclass
class Sight:
    """What a page has: the states by their ticks, each with snakes and pellets by their ids.

    Attributes:
        bases: The base of each frame that came; 0 is a frame with everything.
        sizes: The bytes of each frame that came.
    """

    tick: int = 0
    taken: int = 0
    own: int = 0
    place: tuple[int, int] = (0, 0)
    states: dict[int, tuple[dict[int, Seen], dict[int, tuple[int, ...]]]] = field(
        default_factory=lambda: {0: ({}, {})}
    )
    bases: list[int] = field(default_factory=list[int])
    sizes: list[int] = field(default_factory=list[int])

    @property
    def snakes(self) -> dict[int, Seen]:
        """The snakes that the page sees now."""
        return self.states[self.tick][0]

    @property
    def pellets(self) -> dict[int, tuple[int, ...]]:
        """The pellets that the page sees now: x, y, value, colour."""
        return self.states[self.tick][1]

    def read(self, data: bytes) -> None:
        """Read a frame."""
        at = 0

        def take(form: str) -> tuple[Any, ...]:
            nonlocal at
            values = unpack_from("<" + form, data, at)
            at += calcsize("<" + form)
            return values

        def walk(x: int, y: int, count: int) -> list[tuple[int, int]]:
            points: list[tuple[int, int]] = []
            for _ in range(count):
                dx, dy = take("bb")
                x, y = x + dx, y + dy
                points.append((x, y))
            return points

        self.tick, base, self.taken, self.own, *place = take("IIIHHH")
        self.place = (place[0], place[1])
        gone, seen, moved, eaten, sown = take("5H")
        self.bases.append(base)
        self.sizes.append(len(data))
        snakes, pellets = self.states[base][0].copy(), self.states[base][1].copy()
        for _ in range(gone):
            del snakes[take("H")[0]]
        for _ in range(seen):
            number, colour, score, count, heading, steps, x, y, length = take("HBHHHIHHB")
            name = bytes(take(f"{length}B")).decode()
            path = [(x, y), *walk(x, y, count - 1)]
            snakes[number] = Seen(name, colour, score, heading, steps, tuple(path))
        for _ in range(moved):
            number, score, count, heading, new = take("HHHHB")
            old = self.states[base][0][number]
            path = walk(*old.path[0], new)[::-1] + list(old.path)
            snakes[number] = Seen(
                old.name, old.colour, score, heading, old.steps + new, tuple(path[:count])
            )
        for _ in range(eaten):
            del pellets[take("H")[0]]
        for _ in range(sown):
            number, *pellet = take("HHHBB")
            pellets[number] = tuple(pellet)
        assert at == len(data), f"{len(data) - at} bytes after the end of the frame"
        self.states[self.tick] = (snakes, pellets)
