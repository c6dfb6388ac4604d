"""The server of the game, as pages meet it: joins, snakes, deaths, boards, and pages that are slow. In virtual time."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bennu import Endpoint
from bennu.testing import Clock, PushRefused, connect, running
from bennu.testing.channel import TestChannel
from bennu.testing.clock import running_loop
from bennu_demos.game.app import make
from bennu_demos.game.arena import TICK, Arena
from bennu_demos.game.bots import NAMES
from bennu_demos.game.player import BEHIND
from bennu_demos.game.world import CENTRE, RADIUS, STEP, Snake

from .sight import Sight

pytestmark = pytest.mark.clock("virtual")

SECOND = round(1 / TICK)


class Visitor:
    """A page in the arena, without a window.

    Attributes:
        room: The channel.
        sight: What the page has read.
    """

    def __init__(self, room: TestChannel) -> None:
        self.room = room
        self.sight = Sight()
        self._number = 0

    def read(self) -> int:
        """Read the frames that came, and return how many these are."""
        frames = [message for message in self.room.pushes if message.event == "frame"]
        for frame in frames:
            self.sight.read(frame.payload)
            self.room.pushes.remove(frame)
        return len(frames)

    def steer(self, wish: int = 0) -> None:
        """Send an input, which confirms what was read."""
        self._number += 1
        self.room.push("input", struct.pack("<IIH", self._number, self.sight.tick, wish))

    async def play(self, name: str = "Ann", colour: int = 3) -> int:
        """Begin a game, and return the id of the snake."""
        answer = await self.room.push("play", {"name": name, "colour": colour})
        assert answer["name"] == name
        return int(answer["id"])


@pytest.fixture
def crowd() -> int:
    """The number of snakes up to which bots fill the arena."""
    return 0


@pytest.fixture
async def endpoint(crowd: int) -> AsyncIterator[Endpoint]:
    endpoint = make(lambda: Arena(crowd, seed=1))
    async with running(endpoint):
        yield endpoint


def put(snake: Snake, x: int, y: int, heading: int = 0) -> None:
    """Put a snake somewhere in the arena."""
    dx, dy = snake.step_towards(heading)
    snake.path.clear()
    snake.path.extend((x - dx * n, y - dy * n) for n in range(snake.points))
    snake.heading = snake.wish = heading


async def test_page_watches_before_it_plays(endpoint: Endpoint, clock: Clock) -> None:
    """The join says how the server calculates. Then a frame comes each tick."""
    async with connect(endpoint, "/socket") as client:
        ann = Visitor(await client.join("arena"))
        assert ann.room.response == {
            "tick_ms": 50,
            "centre": CENTRE,
            "radius": RADIUS,
            "step": STEP,
            "turn": 24,
        }
        for _ in range(SECOND):
            await clock.advance(TICK)
            ann.steer()
            assert ann.read() == 1
        assert ann.sight.own == 0
        assert ann.sight.bases[-1] > 0


async def test_two_players_see_each_other(endpoint: Endpoint, clock: Clock) -> None:
    """Each has a snake with a name and a colour, and sees the other one move."""
    async with connect(endpoint, "/socket") as one, connect(endpoint, "/socket") as two:
        ann, bo = Visitor(await one.join("arena")), Visitor(await two.join("arena"))
        mine, theirs = await ann.play("Ann", 3), await bo.play("عبد الرحمن", 4)
        world = endpoint.state.world
        put(world.snakes[mine], CENTRE, CENTRE)
        put(world.snakes[theirs], CENTRE, CENTRE + 20 * STEP)
        for _ in range(SECOND):
            ann.steer()
            bo.steer()
            await clock.advance(TICK)
            ann.read()
            bo.read()
        assert (ann.sight.own, bo.sight.own) == (mine, theirs)
        assert ann.sight.snakes == bo.sight.snakes
        seen = ann.sight.snakes[theirs]
        assert (seen.name, seen.colour, seen.steps) == ("عبد الرحمن", 4, world.snakes[theirs].steps)


async def test_snake_turns_to_where_its_player_points(endpoint: Endpoint, clock: Clock) -> None:
    """The frame says which input was the last one."""
    async with connect(endpoint, "/socket") as client:
        ann = Visitor(await client.join("arena"))
        snake = endpoint.state.world.snakes[await ann.play()]
        put(snake, CENTRE, CENTRE)
        for _ in range(SECOND):
            ann.steer(wish=256)
            await clock.advance(TICK)
            ann.read()
        assert snake.heading == 256
        assert ann.sight.taken == SECOND


async def test_death_is_told_and_a_new_snake_begins(endpoint: Endpoint, clock: Clock) -> None:
    """The page hears what happened, watches the place, and can play again."""
    async with connect(endpoint, "/socket") as client:
        ann = Visitor(await client.join("arena"))
        first = await ann.play()
        put(endpoint.state.world.snakes[first], CENTRE + RADIUS - STEP, CENTRE)
        died = await ann.room.assert_push("died", {"by": None, "place": 1, "snakes": 1})
        assert died["ticks"] <= SECOND
        await clock.advance(TICK)
        ann.read()
        assert ann.sight.own == 0
        assert ann.sight.place[0] > CENTRE + RADIUS - 2 * STEP
        second = await ann.play()
        assert second != first
        await clock.advance(TICK)
        ann.read()
        assert ann.sight.own == second


async def test_killer_is_named(endpoint: Endpoint) -> None:
    """The page says whom its snake ran into."""
    async with connect(endpoint, "/socket") as one, connect(endpoint, "/socket") as two:
        ann, bo = Visitor(await one.join("arena")), Visitor(await two.join("arena"))
        snakes = endpoint.state.world.snakes
        mine, theirs = await ann.play("Ann"), await bo.play("Bo")
        snakes[theirs].score = 5
        put(snakes[theirs], CENTRE + 6 * STEP, CENTRE)
        put(snakes[mine], CENTRE, CENTRE - 3 * STEP, heading=256)
        await ann.room.assert_push("died", {"by": "Bo", "place": 2, "snakes": 2})
        await bo.room.refute_push("died")


async def test_page_that_plays_twice_has_one_snake(endpoint: Endpoint) -> None:
    """A second click is answered with the same snake."""
    async with connect(endpoint, "/socket") as client:
        ann = Visitor(await client.join("arena"))
        assert await ann.play() == await ann.play()
        assert len(endpoint.state.world.snakes) == 1


async def test_player_who_leaves_takes_the_snake_along(endpoint: Endpoint, clock: Clock) -> None:
    """Also if the connection is lost: what stays is food."""
    async with connect(endpoint, "/socket") as one:
        ann = Visitor(await one.join("arena"))
        await ann.play()
        async with connect(endpoint, "/socket") as two:
            await Visitor(await two.join("arena")).play("Bo")
            two.vanish()
            await two.gone()
        await clock.advance(TICK)
        assert [snake.name for snake in endpoint.state.world.snakes.values()] == ["Ann"]


async def test_page_that_joins_twice_counts_once(endpoint: Endpoint, clock: Clock) -> None:
    """The second join replaces the first one, whose snake goes."""
    async with connect(endpoint, "/socket") as client:
        await Visitor(await client.join("arena")).play("Ann")
        second = Visitor(await client.join("arena"))
        await clock.advance(1)
        assert boards(second)[-1] == {"rows": [], "snakes": 0, "people": 1}
        assert not endpoint.state.world.snakes


@pytest.mark.parametrize(
    ("name", "seen"),
    [("  Ann \n Lee ", "Ann Lee"), ("A\u202eb\u200b", "A b"), ("x" * 20, "x" * 20), ("李", "李")],
)
async def test_names_are_one_line(endpoint: Endpoint, name: str, seen: str) -> None:
    """Invisible characters and lines become spaces."""
    async with connect(endpoint, "/socket") as client:
        room = await client.join("arena")
        await room.push("play", {"name": name, "colour": 0}).assert_reply({"name": seen})


@pytest.mark.parametrize("name", ["", "   ", "x" * 21, "\u200b", "!?"])
async def test_name_that_is_none_is_refused(endpoint: Endpoint, name: str) -> None:
    """The page can say so, and the person stays a watcher."""
    async with connect(endpoint, "/socket") as client:
        room = await client.join("arena")
        with pytest.raises(PushRefused, match="bad_name"):
            await room.push("play", {"name": name, "colour": 0})
        assert not endpoint.state.world.snakes


async def test_bytes_that_are_no_input_are_refused(endpoint: Endpoint) -> None:
    """The page is told what an input is, and the channel goes on."""
    async with connect(endpoint, "/socket") as client:
        room = await client.join("arena")
        error = await room.push("input", b"abc").assert_error("bad_input")
        assert error["problem"] == "an input has 10 bytes, not 3"
        await room.push("play", {"name": "Ann", "colour": 12}).assert_error("invalid_payload")
        await Visitor(room).play()


async def test_slow_page_gets_no_more_and_delays_nobody(endpoint: Endpoint, clock: Clock) -> None:
    """It gets ten frames, then nothing; when it has read these, it gets a whole one. The other page has a frame each tick."""
    async with connect(endpoint, "/socket") as one, connect(endpoint, "/socket") as two:
        ann, slow = Visitor(await one.join("arena")), Visitor(await two.join("arena"))
        await slow.play("Bo")
        put(endpoint.state.world.snakes[1], CENTRE, CENTRE)
        for _ in range(2 * SECOND):
            await clock.advance(TICK)
            ann.steer()
            assert ann.read() == 1
        assert slow.read() == BEHIND
        slow.steer()
        await clock.advance(TICK)
        slow.read()
        assert slow.sight.tick == endpoint.state.world.tick
        assert slow.sight.bases[-1] == 0


@pytest.mark.parametrize("crowd", [6])
async def test_bots_play_with_a_lonely_person(endpoint: Endpoint, clock: Clock) -> None:
    """They fill the arena up to its crowd, and make room for people."""
    async with connect(endpoint, "/socket") as client:
        ann = Visitor(await client.join("arena"))
        await clock.advance(1)
        assert len(endpoint.state.world.snakes) == 6
        mine = await ann.play()
        put(endpoint.state.world.snakes[mine], CENTRE, CENTRE)
        await clock.advance(0.5)
        board = boards(ann)[-1]
        assert (board["snakes"], board["people"]) == (7, 1)
        assert sum(row["is_bot"] for row in board["rows"]) == 6
        assert {row["name"] for row in board["rows"]} <= {"Ann", *NAMES}
        assert [row["place"] for row in board["rows"]] == list(range(1, 8))
        bots = list(endpoint.state.world.snakes.values())
        put(next(bot for bot in bots if bot.id != mine), CENTRE + RADIUS, CENTRE)
        await clock.advance(0.5)
        assert len(endpoint.state.world.snakes) == 6


def boards(visitor: Visitor) -> list[dict[str, Any]]:
    """Return the boards that came."""
    return [one.payload for one in visitor.room.pushes if one.event == "board"]


@pytest.mark.parametrize("crowd", [20])
async def test_board_has_ten_rows_and_the_own_one(endpoint: Endpoint, clock: Clock) -> None:
    """Whoever is not among the ten best still sees the own place."""
    async with connect(endpoint, "/socket") as client:
        ann = Visitor(await client.join("arena"))
        await clock.advance(2)
        mine = await ann.play()
        world = endpoint.state.world
        for number, snake in enumerate(world.snakes.values()):
            snake.score = 0 if snake.id == mine else 1_000 + number
        ann.room.pushes.clear()
        await clock.advance(0.5)
        rows = boards(ann)[-1]["rows"]
        assert [row["place"] for row in rows[:10]] == list(range(1, 11))
        assert [row["name"] for row in rows[10:]] == ["Ann"]


@pytest.mark.parametrize("crowd", [6])
async def test_world_stands_still_while_nobody_is_there(endpoint: Endpoint, clock: Clock) -> None:
    """An empty arena costs nothing. It goes on when somebody comes."""
    async with connect(endpoint, "/socket") as client:
        room = await client.join("arena")
        await clock.advance(1)
        await room.leave()
        await clock.advance(TICK)
        tick = endpoint.state.world.tick
        await clock.advance(60)
        assert endpoint.state.world.tick == tick
        await client.join("arena")
        await clock.advance(1)
        assert endpoint.state.world.tick == tick + SECOND


@pytest.mark.parametrize("crowd", [6])
async def test_server_that_was_late_does_not_hurry(endpoint: Endpoint, clock: Clock) -> None:
    """Three late ticks are played; of a longer pause the ticks are left out."""
    async with connect(endpoint, "/socket") as client:
        await client.join("arena")
        await clock.advance(1)
        tick = endpoint.state.world.tick
        running_loop().clock.hang(10)
        await clock.advance(1)
        assert tick + SECOND <= endpoint.state.world.tick <= tick + SECOND + 4


@pytest.mark.parametrize("crowd", [6])
async def test_tick_that_fails_does_not_end_the_game(
    endpoint: Endpoint, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the error, and the next tick is played."""
    async with connect(endpoint, "/socket") as client:
        await client.join("arena")
        await clock.advance(1)
        world = endpoint.state.world
        whole, world.food = world.food, None
        await clock.advance(TICK)
        world.food = whole
        assert "the next one is played" in caplog.text
        tick = world.tick
        await clock.advance(1)
        assert world.tick == tick + SECOND
