"""The bytes of a frame and of an input. ``static/js/wire.js`` reads and writes the same ones. All numbers are little-endian.

A frame is what one player sees at one tick. It says only what has changed since its base, a tick that the page has
confirmed. Base 0 is none: the frame has everything.

    frame   tick, base: uint32 each; last input: uint32; own snake or 0, x, y of the centre: uint16 each;
            the numbers of the five lists: uint16 each; the lists
    gone    a snake that is not seen any more: its id, uint16
    seen    a snake that was not seen: id uint16, colour uint8, score, points, heading uint16 each, steps uint32,
            x, y of the head uint16 each, bytes of the name uint8, the name in UTF-8,
            for each further point: its distance from the one before, two int8
    moved   a snake that was seen: id, score, points, heading uint16 each, number of new points uint8,
            for each new point, the oldest first: its distance from the one before, two int8
    eaten   a pellet that is not there any more: its id, uint16
    sown    a pellet that was not seen: id, x, y uint16 each, value, colour uint8 each
    input   number, confirmed tick: uint32 each; wish: uint16

The highest bit of a heading says that the snake sprints; the highest bit of a wish, that its player wants it to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise
from struct import Struct, pack
from typing import Final

from .world import DIRECTIONS, Snake, World

__all__ = ["Frames", "Input", "View", "read_input"]

HEAD: Final = Struct("<IIIHHHHHHHH")
SEEN: Final = Struct("<HBHHHIHHB")
MOVED: Final = Struct("<HHHHB")
SOWN: Final = Struct("<HHHBB")
INPUT: Final = Struct("<IIH")
FLAG: Final = 1 << 15


@dataclass(frozen=True, slots=True)
class Input:
    """What a page sends: its number, the newest tick that the page has, the direction that the player wants."""

    number: int
    confirmed: int
    wish: int
    wants_sprint: bool


@dataclass(frozen=True, slots=True)
class View:
    """What is in the area around a player at a tick: the steps of each snake by its id, and the ids of the pellets."""

    tick: int
    snakes: Mapping[int, int]
    pellets: frozenset[int]


NOTHING: Final = View(0, {}, frozenset())


def read_input(data: bytes) -> Input:
    """Read an input.

    Raises:
        ValueError: These bytes are no input.
    """
    if len(data) != INPUT.size:
        raise ValueError(f"an input has {INPUT.size} bytes, not {len(data)}")
    number, confirmed, wish = INPUT.unpack(data)
    return Input(number, confirmed, wish % DIRECTIONS, bool(wish & FLAG))


class Frames:
    """Writes the frames of one tick. What several players get is written once.

    Args:
        world: The world after the tick.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: dict[int, bytes] = {}
        self._moved: dict[tuple[int, int], bytes] = {}

    def write(
        self, view: View, base: View | None, taken: int, own: int, centre: tuple[int, int]
    ) -> bytes:
        """Write the frame of a player.

        Args:
            view: What the player sees now.
            base: What the player saw at the tick that the page has confirmed; None for a frame with everything.
            taken: The last input of the player that the world has taken.
            own: The id of the player's snake; 0 if it has none.
            centre: The centre of the area.
        """
        before = base or NOTHING
        gone = before.snakes.keys() - view.snakes.keys()
        seen: list[bytes] = []
        moved: list[bytes] = []
        for number, steps in view.snakes.items():
            snake, known = self._world.snakes[number], before.snakes.get(number)
            if known is None or steps - known >= len(snake.path):
                seen.append(self._seen.get(number) or self._write_seen(snake))
            else:
                key = (number, steps - known)
                moved.append(self._moved.get(key) or self._write_moved(snake, steps - known))
        eaten = before.pellets - view.pellets
        sown = view.pellets - before.pellets
        pellets = self._world.pellets
        head = HEAD.pack(
            view.tick, before.tick, taken, own, *centre,
            len(gone), len(seen), len(moved), len(eaten), len(sown),
        )  # fmt: skip
        food = [
            SOWN.pack(number, pellet.x, pellet.y, pellet.value, pellet.colour)
            for number in sown
            for pellet in (pellets[number],)
        ]
        return b"".join((head, _ids(gone), *seen, *moved, _ids(eaten), *food))

    def _write_seen(self, snake: Snake) -> bytes:
        name = snake.name.encode()
        head = SEEN.pack(
            snake.id, snake.colour, snake.score, len(snake.path), _heading(snake), snake.steps, *snake.head, len(name),
        )  # fmt: skip
        points = list(snake.path)
        self._seen[snake.id] = record = head + name + _distances(points)
        return record

    def _write_moved(self, snake: Snake, new: int) -> bytes:
        points = list(islice(snake.path, new + 1))[::-1]
        head = MOVED.pack(snake.id, snake.score, len(snake.path), _heading(snake), new)
        self._moved[snake.id, new] = record = head + _distances(points)
        return record


def _ids(ids: Collection[int]) -> bytes:
    return pack(f"<{len(ids)}H", *ids)


def _heading(snake: Snake) -> int:
    return snake.heading | FLAG * snake.is_sprinting


def _distances(points: list[tuple[int, int]]) -> bytes:
    """Write the distances between neighbours. A step fits into a signed byte."""
    distances = bytearray()
    for (ax, ay), (bx, by) in pairwise(points):
        distances.append((bx - ax) & 0xFF)
        distances.append((by - ay) & 0xFF)
    return bytes(distances)
