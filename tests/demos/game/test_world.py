"""The rules of the game."""

from __future__ import annotations

from itertools import pairwise
from math import hypot

import pytest
from hypothesis import given, strategies as st

from bennu_demos.game.world import (
    CENTRE,
    COLOURS,
    DIRECTIONS,
    RADIUS,
    STEP,
    TURN,
    Snake,
    World,
    direction_to,
    shortest_turn,
)


@pytest.fixture
def world() -> World:
    """A world without food."""
    world = World(seed=1)
    world.pellets.clear()
    world.food.clear()
    return world


def place(world: World, snake: Snake, x: int, y: int, heading: int) -> None:
    """Put a snake somewhere, straight."""
    dx, dy = snake.step_towards(heading)
    snake.path.clear()
    snake.path.extend((x - dx * n, y - dy * n) for n in range(snake.points))
    snake.heading = snake.wish = heading


def test_snake_takes_a_step_a_tick(world: World) -> None:
    """Its length stays the same, and its neighbouring points are one step apart."""
    snake = world.spawn("Ann", 0)
    before = snake.head
    length = len(snake.path)
    world.step()
    assert hypot(snake.head[0] - before[0], snake.head[1] - before[1]) == pytest.approx(STEP, abs=1)
    assert snake.path[1] == before
    assert (len(snake.path), snake.steps) == (length, 1)


@given(st.integers(0, DIRECTIONS - 1), st.integers(0, DIRECTIONS - 1))
def test_snake_turns_the_short_way_and_not_at_once(heading: int, wish: int) -> None:
    """A turn takes as many ticks as it must, and no tick turns more than the limit."""
    world = World(seed=1)
    snake = world.spawn("Ann", 0)
    snake.heading, snake.wish = heading, wish
    ticks = 0
    while snake.heading != wish:
        before = snake.heading
        snake.move()
        ticks += 1
        assert abs(shortest_turn(before, snake.heading)) <= TURN
    assert ticks == -(-abs(shortest_turn(heading, wish)) // TURN)


@given(st.integers(0, DIRECTIONS - 1))
def test_steps_fit_into_a_byte(way: int) -> None:
    """Frames carry steps as signed bytes."""
    dx, dy = Snake.step_towards(way)
    assert -128 <= dx <= 127
    assert -128 <= dy <= 127
    assert direction_to(dx, dy) in {(way + n) % DIRECTIONS for n in range(-4, 5)}


def test_food_makes_a_snake_longer(world: World) -> None:
    """A pellet on the way is eaten, the score grows by its value, and two points make one more of the body."""
    snake = world.spawn("Ann", 0)
    before = len(snake.path)
    dx, dy = snake.step_towards(snake.heading)
    world.drop(snake.head[0] + dx * 4, snake.head[1] + dy * 4, 6, 0)
    for _ in range(8):
        world.step()
    assert snake.score == 6
    assert len(snake.path) == before + 3


def test_sprint_is_twice_as_fast_and_costs(world: World) -> None:
    """A sprint takes two steps a tick, loses points, and leaves them behind as food."""
    snake = world.spawn("Ann", 0)
    snake.score, snake.wants_sprint = 20, True
    for _ in range(8):
        world.step()
    assert (snake.steps, snake.score) == (16, 18)
    assert sum(pellet.colour == snake.colour for pellet in world.pellets.values()) >= 2


def test_poor_snake_does_not_sprint(world: World) -> None:
    """Without points there is no sprint."""
    snake = world.spawn("Ann", 0)
    snake.wants_sprint = True
    world.step()
    assert (snake.steps, snake.is_sprinting) == (1, False)


def test_edge_kills(world: World) -> None:
    """A snake that leaves the circle dies, by nobody."""
    snake = world.spawn("Ann", 0)
    place(world, snake, CENTRE + RADIUS - STEP // 2, CENTRE, 0)
    [death] = world.step()
    assert (death.snake, death.killer) == (snake, None)
    assert snake.id not in world.snakes


def test_head_that_touches_a_body_dies(world: World) -> None:
    """The other snake lives, and the dead one becomes food that is worth something."""
    ann, bo = world.spawn("Ann", 0), world.spawn("Bo", 1)
    ann.score = 100
    place(world, bo, CENTRE + 6 * STEP, CENTRE, 0)
    place(world, ann, CENTRE, CENTRE - 3 * STEP, DIRECTIONS // 4)
    deaths = [death for _ in range(4) for death in world.step()]
    assert [(death.snake.name, death.killer and death.killer.name) for death in deaths] == [
        ("Ann", "Bo")
    ]
    crumbs = [pellet for pellet in world.pellets.values() if pellet.value > 1]
    assert 0 < sum(pellet.value for pellet in crumbs) <= ann.score


def test_two_heads_kill_each_other(world: World) -> None:
    """Both deaths belong to the same tick, whichever snake is looked at first."""
    ann, bo = world.spawn("Ann", 0), world.spawn("Bo", 1)
    place(world, ann, CENTRE - 2 * STEP, CENTRE, 0)
    place(world, bo, CENTRE + 2 * STEP, CENTRE, DIRECTIONS // 2)
    deaths: list[str] = []
    while not deaths:
        deaths = [death.snake.name for death in world.step()]
    assert sorted(deaths) == ["Ann", "Bo"]


def test_own_body_does_not_kill(world: World) -> None:
    """A snake can cross itself."""
    snake = world.spawn("Ann", 0)
    snake.score = 300
    place(world, snake, CENTRE, CENTRE, 0)
    for _ in range(60):
        snake.wish = (snake.heading + TURN) % DIRECTIONS
        assert not world.step()


def test_food_grows_again(world: World) -> None:
    """Some ticks after all was eaten there is as much as before, all of it in the arena."""
    for _ in range(100):
        world.step()
    assert len(world.pellets) == 700
    assert all(world.is_inside(pellet.x, pellet.y) for pellet in world.pellets.values())
    assert sum(map(len, world.food.values())) == len(world.pellets)
    assert all(0 <= pellet.colour < COLOURS for pellet in world.pellets.values())


def test_same_seed_is_the_same_game() -> None:
    """Two worlds with the same wishes go the same way."""

    def play() -> list[tuple[int, ...]]:
        world = World(seed=3)
        snakes = [world.spawn(f"snake {n}", n) for n in range(5)]
        for tick in range(200):
            for snake in snakes:
                snake.wish = tick * (snake.id + 1) % DIRECTIONS
            world.step()
        return [(snake.id, snake.score, *snake.head) for snake in world.ranking()]

    assert play() == play()


def test_new_snakes_have_room() -> None:
    """A snake begins far from the edge, and its body has the points that its score allows."""
    world = World(seed=5)
    for number in range(30):
        snake = world.spawn(f"snake {number}", 0)
        assert world.is_inside(*snake.head, RADIUS // 6)
        assert len(snake.path) == snake.points
        steps = [(bx - ax, by - ay) for (ax, ay), (bx, by) in pairwise(snake.path)]
        assert len(set(steps)) == 1
    assert len(world.snakes) == 30
