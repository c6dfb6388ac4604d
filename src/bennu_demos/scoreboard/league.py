"""The league: round after round of matches."""

from __future__ import annotations

from random import Random
from typing import Final

from .clubs import CLUBS
from .match import Match
from .wire import Event, Round

__all__ = ["League"]

STAGGER: Final = 4.0
"""Seconds between the kick-offs of two matches."""

PAUSE: Final = 20.0
"""Seconds from the last full time to the next round, and from its begin to the first kick-off."""


class League:
    """The matches of today.

    Args:
        now: The time of the start, in seconds since 1970.
        seed: The same seed gives the same rounds and the same events.
        rate: Seconds of a match in a second.

    Attributes:
        number: The number of the round.
        matches: The matches of the round, by their ids.
    """

    def __init__(self, now: float, seed: int = 1, rate: float = 30.0) -> None:
        self._seed = seed
        self._rate = rate
        self.number = 0
        self.matches: dict[str, Match] = {}
        self._over_at: float | None = None
        self._draw(now)

    @property
    def round(self) -> Round:
        """The round, as pages get it."""
        return Round(self.number, [match.fixture for match in self.matches.values()])

    def advance(self, now: float) -> list[tuple[str, Event]]:
        """Play all matches until a time; return what has happened, with the ids of the matches."""
        if self._over_at is not None and now >= self._over_at + PAUSE:
            self._draw(now)
        happened = [
            (name, event) for name, match in self.matches.items() for event in match.advance(now)
        ]
        if self._over_at is None and all(match.phase == "over" for match in self.matches.values()):
            self._over_at = now
        return happened

    def _draw(self, now: float) -> None:
        """Draw the matches of the next round."""
        self.number += 1
        self._over_at = None
        random = Random(f"{self._seed}:{self.number}")  # noqa: S311 - a game, no secret
        clubs = random.sample(CLUBS, len(CLUBS))
        pairs = zip(clubs[::2], clubs[1::2], strict=True)
        self.matches = {
            name: Match(name, home, away, now + 5 + STAGGER * place, self._rate, random)
            for place, (home, away) in enumerate(pairs)
            for name in [f"{self.number}-{home.code}-{away.code}".lower()]
        }
