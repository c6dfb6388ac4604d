"""The bytes of frames and inputs, and what a page with some of the frames can make of them."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given, settings, strategies as st

from bennu_demos.game.areas import Areas
from bennu_demos.game.bots import think
from bennu_demos.game.frames import Frames, Input, View, read_input
from bennu_demos.game.world import CENTRE, Snake, World

from .sight import Seen, Sight

NAMES = ("Ann", "Bo with a long name!", "عبد الرحمن", "李", "🐍")


def play(seed: int, crowd: int = 12) -> Iterator[World]:
    """Play a game of bots; yield the world after each tick."""
    world = World(seed)
    for number in range(crowd):
        world.spawn(NAMES[number % len(NAMES)], number % 12)
    while True:
        for snake in world.snakes.values():
            think(world, snake)
            snake.wants_sprint = snake.id % 3 == 0
        world.step()
        yield world


def seen(snake: Snake) -> Seen:
    """Return what a page must know of a snake."""
    heading = snake.heading | 1 << 15 if snake.is_sprinting else snake.heading
    path = tuple(snake.path)
    return Seen(snake.name, snake.colour, snake.score, heading, snake.steps, path)


def check(sight: Sight, world: World, view: View) -> None:
    """Check that a page sees exactly what is in a view."""
    assert sight.tick == world.tick
    assert sight.snakes == {number: seen(world.snakes[number]) for number in view.snakes}
    assert sight.pellets == {
        number: (pellet.x, pellet.y, pellet.value, pellet.colour)
        for number in view.pellets
        for pellet in (world.pellets[number],)
    }


@given(st.integers(0, 2**32), st.integers(0, 12))
@settings(max_examples=4)
def test_page_sees_what_the_server_sees(seed: int, distance: int) -> None:
    """The base of each frame is a tick that came some ticks ago, as for a page far away; the centre moves."""
    sight = Sight()
    views: dict[int, View] = {}
    for world in play(seed):
        centre = (CENTRE + world.tick * 50, CENTRE - world.tick * 30)
        view = Areas(world).view(*centre)
        views[world.tick] = view
        base = views.get(world.tick - distance) if distance else None
        sight.read(Frames(world).write(view, base, world.tick * 2, 3, centre))
        check(sight, world, view)
        assert (sight.taken, sight.own, sight.place) == (world.tick * 2, 3, centre)
        if world.tick == 60:
            break


def test_lost_frames_do_not_matter() -> None:
    """Each frame is complete together with its base, whatever came between the two."""
    sight = Sight()
    views: dict[int, View] = {}
    chance = random.Random(1)
    confirmed = 0
    for world in play(seed=9):
        views[world.tick] = view = Areas(world).view(CENTRE, CENTRE)
        frame = Frames(world).write(view, views.get(confirmed), 0, 0, (CENTRE, CENTRE))
        if chance.random() < 0.5:
            sight.read(frame)
            check(sight, world, view)
            confirmed = chance.choice((confirmed, world.tick))
        if world.tick == 300:
            break


def test_frame_of_a_quiet_tick_is_small() -> None:
    """Two bytes a new point and nine bytes a snake; nothing for pellets that nobody ate."""
    games = play(seed=2, crowd=50)
    sizes: list[int] = []
    before: View | None = None
    for world in games:
        view = Areas(world).view(CENTRE, CENTRE)
        sizes.append(len(Frames(world).write(view, before, 0, 0, (CENTRE, CENTRE))))
        before = view
        if world.tick == 100:
            break
    assert max(sizes[1:]) < 1_000 < sizes[0]


def test_area_has_what_is_near() -> None:
    """Everything within 768 by 512 pixels is in the area; what is 1,100 away is not."""
    for world in play(seed=4, crowd=40):
        if world.tick < 50:
            continue
        view = Areas(world).view(CENTRE, CENTRE)
        for number, pellet in world.pellets.items():
            across, along = abs(pellet.x - CENTRE) / 8, abs(pellet.y - CENTRE) / 8
            if across <= 768 and along <= 512:
                assert number in view.pellets
            if across > 1_100 or along > 1_100:
                assert number not in view.pellets
        for snake in world.snakes.values():
            if any(
                abs(x - CENTRE) <= 700 * 8 and abs(y - CENTRE) <= 450 * 8 for x, y in snake.path
            ):
                assert snake.id in view.snakes
        return


@pytest.mark.parametrize("place", [(0, 0), (65_535, 65_535)])
def test_area_at_the_rim_of_the_numbers(place: tuple[int, int]) -> None:
    """An area at the smallest and at the largest position is empty, and no error."""
    view = Areas(World(1)).view(*place)
    assert not view.snakes


def test_input() -> None:
    """Ten bytes: the number, the confirmed tick, the wish, whose highest bit is the sprint."""
    assert read_input(struct.pack("<IIH", 7, 9, 1_023)) == Input(7, 9, 1_023, wants_sprint=False)
    assert read_input(struct.pack("<IIH", 7, 9, 1 | 1 << 15)) == Input(7, 9, 1, wants_sprint=True)


@given(st.binary(max_size=30))
def test_bytes_of_a_stranger(data: bytes) -> None:
    """Ten bytes are always an input with a wish that is a direction; other bytes never are."""
    if len(data) == 10:
        assert 0 <= read_input(data).wish < 1_024
    else:
        with pytest.raises(ValueError, match="an input has 10 bytes, not"):
            read_input(data)
