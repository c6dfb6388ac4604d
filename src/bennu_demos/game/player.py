"""A person in the arena: the inputs that wait for a tick, and the frames that the page has not confirmed yet."""

from __future__ import annotations

from collections import deque
from typing import Final

from .areas import Areas
from .frames import Frames, Input, View
from .world import CENTRE, Snake

__all__ = ["BEHIND", "Player"]

BEHIND: Final = 10
"""A page that has not confirmed this number of frames gets no more until it has confirmed all of them."""

WAITING: Final = 4
"""Inputs that wait for their tick. Of more, the oldest are not played: else each later one would be late as well."""

SECOND: Final = 20
"""Ticks."""


class Player:
    """A person, who plays or watches.

    The world takes one input a tick, and a page sends one a tick. If one comes late, the snake goes on as before. The
    frame says which input was the last one, so that the page can play its later ones again.

    Attributes:
        snake: The person's snake, if it lives.
        place: Where the person looks: the head of the snake, or the place where it died.
        has_played: Whether the person has had a snake.
        is_behind: Whether the page has too many frames that it has not confirmed.
    """

    def __init__(self) -> None:
        self.snake: Snake | None = None
        self.place = (CENTRE, CENTRE)
        self.has_played = False
        self.is_behind = False
        self._inputs: deque[Input] = deque()
        self._left: deque[int] = deque(maxlen=SECOND)  # inputs that were left at the last ticks
        self._newest = self._taken = self._confirmed = 0
        self._views: dict[int, View] = {}  # the confirmed one, and those that are on their way

    def hear(self, given: Input) -> None:
        """Take note of an input. One that repeats an earlier one, or confirms what was never sent, changes nothing."""
        if given.number > self._newest:
            self._newest = given.number
            self._inputs.append(given)
        if given.confirmed in self._views:
            self._confirmed = given.confirmed
            for tick in [tick for tick in self._views if tick < given.confirmed]:
                del self._views[tick]

    def steer(self) -> None:
        """Give the next input to the snake: the world is about to move."""
        while len(self._inputs) > WAITING:
            self._inputs.popleft()
        if self._inputs:
            taken = self._inputs.popleft()
            self._taken = taken.number
            if self.snake is not None:
                self.snake.wish, self.snake.wants_sprint = taken.wish, taken.wants_sprint
        self._left.append(len(self._inputs))
        if len(self._left) == self._left.maxlen and min(self._left):
            self._inputs.popleft()  # inputs waited for a second, and none of them had to
            self._left.clear()

    def look(self, areas: Areas, frames: Frames) -> bytes | None:
        """Return the frame of a tick, or None if the page has to catch up first."""
        on_their_way = len(self._views) - (self._confirmed in self._views)
        if on_their_way >= BEHIND or (self.is_behind and on_their_way):
            self.is_behind = True
            return None
        base = None if self.is_behind else self._views.get(self._confirmed)
        self.is_behind = False
        if self.snake is not None:
            self.place = self.snake.head
        view = areas.view(*self.place)
        self._views[view.tick] = view
        own = self.snake.id if self.snake is not None else 0
        return frames.write(view, base, self._taken, own, self.place)
