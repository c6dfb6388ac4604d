"""What a page gets, and when: inputs, confirmations, and pages that fall behind."""

from __future__ import annotations

import pytest

from bennu_demos.game.areas import Areas
from bennu_demos.game.frames import Frames, Input
from bennu_demos.game.player import BEHIND, Player
from bennu_demos.game.world import World

from .sight import Sight


class Game:
    """One player in a world of its own.

    Attributes:
        sight: What the page has.
        frames: The frames that were sent, and None for each tick without one.
    """

    def __init__(self) -> None:
        self.world = World(seed=1)
        self.player = Player()
        self.sight = Sight()
        self.frames: list[bytes | None] = []
        self.number = 0

    def ticks(self, count: int, *, reads: bool = True) -> None:
        """Play ticks. A page that reads has each frame at once."""
        for _ in range(count):
            self.player.steer()
            self.world.step()
            self.frames.append(self.player.look(Areas(self.world), Frames(self.world)))
            if reads and self.frames[-1]:
                self.sight.read(self.frames[-1])

    def say(self, wish: int = 0, confirmed: int | None = None) -> None:
        """Send an input that confirms a tick; by default the newest that the page has."""
        self.number += 1
        tick = self.sight.tick if confirmed is None else confirmed
        self.player.hear(Input(self.number, tick, wish, wants_sprint=False))

    def catch_up(self) -> None:
        """Read all that was sent."""
        for frame in self.frames:
            if frame and int.from_bytes(frame[:4], "little") > self.sight.tick:
                self.sight.read(frame)


@pytest.fixture
def game() -> Game:
    return Game()


def test_first_frame_has_everything(game: Game) -> None:
    """Until the page confirms a frame, each one has everything."""
    game.ticks(3)
    assert game.sight.bases == [0, 0, 0]


def test_later_frames_say_what_has_changed(game: Game) -> None:
    """The base is the tick that the page has confirmed."""
    game.ticks(2)
    game.say()
    game.ticks(2)
    game.say(confirmed=3)
    game.ticks(1)
    assert game.sight.bases == [0, 0, 2, 2, 3]
    assert game.sight.sizes[2] < game.sight.sizes[1] / 4


def test_confirmation_of_what_was_never_sent(game: Game) -> None:
    """A tick of the future, or an old one that is confirmed again, changes nothing."""
    game.ticks(3)
    game.say()
    game.say(confirmed=99)
    game.say(confirmed=1)
    game.ticks(1)
    assert game.sight.bases[-1] == 3


def test_page_that_falls_behind_gets_no_more(game: Game) -> None:
    """After ten frames that it has not confirmed, the page gets nothing until it has confirmed them all."""
    game.ticks(1)
    game.say()
    game.ticks(BEHIND + 20, reads=False)
    sent = [frame for frame in game.frames if frame]
    assert len(sent) == 1 + BEHIND
    game.say(confirmed=BEHIND)  # all but one
    game.ticks(1)
    assert game.frames[-1] is None


def test_page_that_has_caught_up_gets_everything(game: Game) -> None:
    """The first frame after a pause has everything, and the next ones say what has changed."""
    game.ticks(1)
    game.say()
    game.ticks(30, reads=False)
    game.catch_up()
    game.say()
    game.ticks(1)
    assert game.sight.tick == game.world.tick
    assert game.sight.bases[-1] == 0
    game.say()
    game.ticks(1)
    assert game.sight.bases[-1] == game.world.tick - 1


def test_snake_follows_its_inputs(game: Game) -> None:
    """One input a tick, in their order; the frame says which one was the last."""
    snake = game.player.snake = game.world.spawn("Ann", 0)
    game.say(wish=100)
    game.say(wish=200)
    game.ticks(1)
    assert (snake.wish, game.sight.taken, game.sight.own) == (100, 1, snake.id)
    game.ticks(1)
    assert (snake.wish, game.sight.taken) == (200, 2)
    game.ticks(1)
    assert (snake.wish, game.sight.taken) == (200, 2)


def test_inputs_do_not_pile_up(game: Game) -> None:
    """After a burst the oldest inputs are left out, so that the snake does not turn later and later."""
    snake = game.player.snake = game.world.spawn("Ann", 0)
    for number in range(20):
        game.say(wish=number)
    game.ticks(1)
    assert (snake.wish, game.sight.taken) == (16, 17)


def test_input_that_comes_twice(game: Game) -> None:
    """Numbers only grow."""
    game.player.hear(Input(5, 0, 50, wants_sprint=False))
    game.player.hear(Input(5, 0, 60, wants_sprint=False))
    game.player.hear(Input(4, 0, 70, wants_sprint=False))
    game.ticks(2)
    assert game.sight.taken == 5


def test_dead_player_stays_where_the_snake_died(game: Game) -> None:
    """The page goes on to see that place, without an own snake."""
    snake = game.player.snake = game.world.spawn("Ann", 0)
    game.ticks(3)
    place = snake.head
    game.world.remove(snake)
    game.player.snake = None
    game.ticks(3)
    assert (game.sight.own, game.sight.place) == (0, place)


def test_burst_does_not_delay_for_ever(game: Game) -> None:
    """Inputs that came late make later ones wait. If none of them has to wait for a second, one is left out."""
    game.player.snake = game.world.spawn("Ann", 0)
    game.say()
    game.say()
    game.say()
    waiting: list[int] = []
    for _ in range(70):
        game.say()
        game.ticks(1)
        waiting.append(game.number - game.sight.taken)
    assert (waiting[0], waiting[-1]) == (3, 0)
