"""The scripts of the page that calculate, in Node: they agree with the server to the last number."""

from __future__ import annotations

import json
import random
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import bennu_demos.game
from bennu_demos.game.areas import Areas
from bennu_demos.game.bots import think
from bennu_demos.game.frames import Frames, View, read_input
from bennu_demos.game.world import CENTRE, STEP, TURN, World, direction_to, shortest_turn
from tests.support.node import node_path

SCRIPTS = Path(bennu_demos.game.__file__).parent / "static" / "js"


def run(body: str, given: Any) -> Any:
    """Run a script with all modules that calculate; return what it returns for ``given``."""
    script = f"""
      import {{ readFileSync }} from "node:fs";
      const [wire, motion, timeline, prediction, painter] = await Promise.all(
        ["wire", "motion", "timeline", "prediction", "painter"].map((name) => import({json.dumps(SCRIPTS.as_uri())} + `/${{name}}.js`)));
      const {{ readFrame, writeInput }} = wire, {{ Motion, directionTo, shortestTurn, radiusOf }} = motion;
      const {{ Timeline }} = timeline, {{ Prediction }} = prediction, {{ trail }} = painter;
      const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex")).buffer;
      const given = JSON.parse(readFileSync(0, "utf8"));
      console.log(JSON.stringify((() => {{ {body} }})()));
    """
    command = [str(node_path()), "--input-type=module", "--eval", script]
    done = subprocess.run(
        command, input=json.dumps(given), capture_output=True, text=True, check=False, timeout=50
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def game() -> list[tuple[str, dict[str, Any]]]:
    """The frames of a game with losses, and for each one what the page must see."""
    world, chance = World(seed=11), random.Random(1)
    for number in range(14):
        world.spawn(("Ann", "عبد الرحمن", "🐍")[number % 3], number % 12)
    frames: list[tuple[str, dict[str, Any]]] = []
    views: dict[int, View] = {}
    confirmed = 0
    for _ in range(250):
        for snake in world.snakes.values():
            think(world, snake)
            snake.wants_sprint = snake.id % 3 == 0
        world.step()
        views[world.tick] = view = Areas(world).view(CENTRE, CENTRE)
        frame = Frames(world).write(view, views.get(confirmed), world.tick, 1, (CENTRE, CENTRE))
        if chance.random() < 0.6:
            frames.append((frame.hex(), expected(world, view)))
            confirmed = chance.choice((confirmed, world.tick))
    return frames


def expected(world: World, view: View) -> dict[str, Any]:
    """Return what the page must see."""
    snakes = {
        str(snake.id): {
            "id": snake.id,
            "colour": snake.colour,
            "name": snake.name,
            "score": snake.score,
            "heading": snake.heading,
            "sprints": snake.is_sprinting,
            "steps": snake.steps,
            "points": [number for point in snake.path for number in point],
        }
        for snake in (world.snakes[number] for number in view.snakes)
    }
    pellets = {
        str(number): {"x": pellet.x, "y": pellet.y, "value": pellet.value, "colour": pellet.colour}
        for number, pellet in ((number, world.pellets[number]) for number in view.pellets)
    }
    return {
        "tick": world.tick,
        "input": world.tick,
        "own": 1,
        "x": CENTRE,
        "y": CENTRE,
        "snakes": snakes,
        "pellets": pellets,
    }


def test_page_reads_what_the_server_writes(game: list[tuple[str, dict[str, Any]]]) -> None:
    """Each frame gives exactly the state of the server, whichever frames were lost before."""
    states = run(
        """
        const states = new Map();
        return given.map((hex) => {
          const state = readFrame(bytes(hex), states);
          states.set(state.tick, state);
          return { ...state, snakes: Object.fromEntries(state.snakes), pellets: Object.fromEntries(state.pellets) };
        });
        """,
        [frame for frame, _ in game],
    )
    assert states == [state for _, state in game]


def test_page_without_the_base_of_a_frame(game: list[tuple[str, dict[str, Any]]]) -> None:
    """The frame is of an earlier join: the page leaves it out."""
    assert run("return given.map((hex) => readFrame(bytes(hex), new Map()));", [game[-1][0]]) == [
        None
    ]


def test_server_reads_what_the_page_writes() -> None:
    """All fields of an input arrive."""
    hexes = run(
        'return [writeInput(1, 2, 3, false), writeInput(4e9, 7, 1023, true)].map((one) => Buffer.from(one).toString("hex"));',
        None,
    )
    one, two = (read_input(bytes.fromhex(text)) for text in hexes)
    assert (one.number, one.confirmed, one.wish, one.wants_sprint) == (1, 2, 3, False)
    assert (two.number, two.confirmed, two.wish, two.wants_sprint) == (
        4_000_000_000,
        7,
        1_023,
        True,
    )


def test_page_moves_a_snake_as_the_server_does() -> None:
    """Five hundred ticks with changing wishes and sprints end at the same place, to the unit."""
    world, chance = World(seed=2), random.Random(5)
    snake = world.spawn("Ann", 0)
    snake.score = 50
    start = {
        "heading": snake.heading,
        "score": 50,
        "steps": 0,
        "points": [n for p in snake.path for n in p],
    }
    inputs: list[dict[str, Any]] = []
    heads: list[list[int]] = []
    for _ in range(500):
        inputs.append({"wish": chance.randrange(1_024), "sprints": chance.random() < 0.3})
        snake.wish = inputs[-1]["wish"]
        for _ in range(1 + inputs[-1]["sprints"]):
            snake.move()
        heads.append([*snake.head, snake.heading, snake.steps])
    moved = run(
        """
        const motion = new Motion(given.rules);
        let snake = given.start;
        return given.inputs.map((input) => {
          snake = motion.tick(snake, input);
          return [...snake.points.slice(0, 2), snake.heading, snake.steps];
        });
        """,
        {"rules": {"step": STEP, "turn": TURN}, "start": start, "inputs": inputs},
    )
    assert moved == heads


def test_page_knows_directions_and_turns_as_the_server_does() -> None:
    """Also at the seams: straight left, and half a turn."""
    vectors = [(dx, dy) for dx in range(-9, 10) for dy in range(-9, 10) if dx or dy]
    turns = [(one, two) for one in range(0, 1_024, 31) for two in range(0, 1_024, 31)]
    ways, shortest = run(
        """
        return [given[0].map(([dx, dy]) => directionTo(dx, dy)), given[1].map(([one, two]) => shortestTurn(one, two))];
        """,
        [vectors, turns],
    )
    assert ways == [direction_to(*vector) for vector in vectors]
    assert shortest == [shortest_turn(*turn) for turn in turns]


STRAIGHT = """
    const motion = new Motion(given);
    const body = (steps) => Array.from({ length: 12 }, (_, n) => [(steps - n) * 64 + 10000, 10000]).flat();
    const snake = (steps) => ({ id: 1, colour: 0, name: "Ann", score: 0, heading: 0, sprints: false, steps, points: body(steps) });
    const state = (tick, input = 0) => ({ tick, input, own: 1, x: 0, y: 0, snakes: new Map([[1, snake(tick)]]), pellets: new Map() });
"""
RULES = {"step": STEP, "turn": TURN}


def test_others_are_shown_as_they_were_100_ms_ago() -> None:
    """Between two states the snake is between two steps, also if frames come unevenly; it never runs far ahead."""
    shown = run(
        STRAIGHT
        + """
        const timeline = new Timeline(50);
        for (const [tick, late] of [[1, 0], [2, 9], [3, 30], [4, 2]]) timeline.add(state(tick), 1000 + tick * 50 + late);
        return [1200, 1225, 1300, 1350, 9000].map((now) => timeline.shown(now).snakes[0].steps);
        """,
        RULES,
    )
    assert shown[:3] == pytest.approx([2, 2.5, 4], abs=0.1)
    assert shown[3] == pytest.approx(5, abs=0.1)  # a little is guessed
    assert shown[4] == 9  # 250 ms, and then it stands still


def test_own_snake_moves_at_once_and_agrees_with_the_server() -> None:
    """With ten inputs on their way the snake is ten ticks ahead of the frame, and no frame changes what is shown."""
    places = run(
        STRAIGHT
        + """
        const prediction = new Prediction(motion);
        prediction.correct(state(0, 0));
        const seen = [];
        for (let number = 1; number <= 40; number += 1) {
          prediction.play({ number, wish: 0, sprints: false });
          const before = prediction.shown(1, 0);
          if (number > 10) prediction.correct(state(number - 10, number - 10));
          const after = prediction.shown(1, 0);
          seen.push([before.steps, after.steps, ...after.error]);
        }
        return seen;
        """,
        RULES,
    )
    assert places == [[number, number, 0, 0] for number in range(1, 41)]


def test_own_snake_waits_if_the_server_is_silent() -> None:
    """The page predicts two seconds, and no more; it goes on with the next frame."""
    steps = run(
        STRAIGHT
        + """
        const prediction = new Prediction(motion);
        prediction.correct(state(0, 0));
        for (let number = 1; number <= 100; number += 1) prediction.play({ number, wish: 0, sprints: false });
        const silent = prediction.snake.steps;
        prediction.correct(state(100, 100));
        return [silent, prediction.snake.steps];
        """,
        RULES,
    )
    assert steps == [40, 100]


def test_late_input_is_corrected_smoothly() -> None:
    """The server played a tick without the page's input: the snake is shown where it was, and drifts to its place."""
    first, then, last = run(
        STRAIGHT
        + """
        const prediction = new Prediction(motion);
        prediction.correct(state(0, 0));
        prediction.play({ number: 1, wish: 0, sprints: false });
        const place = ({ snake, error }) => snake.points[0] + error[0];
        const first = place(prediction.shown(1, 0));
        prediction.correct(state(2, 1)); // two ticks, one input
        return [first, place(prediction.shown(1, 0)), place(prediction.shown(1, 2000))];
        """,
        RULES,
    )
    assert (first, then, last) == (10_064, 10_064, pytest.approx(10_128))


def test_trail_moves_smoothly() -> None:
    """Between two steps head and tail move by the same share of a step, and the trail has no gap."""
    trails = run(
        STRAIGHT
        + """
        return [4.0, 4.25, 4.5, 4.75, 5.0, 5.5].map((steps) => trail({ snake: snake(5), steps }, motion));
        """,
        RULES,
    )
    heads = [trail[0] for trail in trails]
    tails = [trail[-2] for trail in trails]
    assert [head - heads[0] for head in heads] == [0, 16, 32, 48, 64, 96]
    assert [tail - tails[0] for tail in tails[:5]] == [0, 16, 32, 48, 64]
    for trail in trails:
        xs = trail[::2]
        assert all(0 <= one - two <= 64 for one, two in pairwise(xs))
