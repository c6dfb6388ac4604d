"""A simulated football match. It has no clock: :meth:`Match.advance` is told what time it is."""

from __future__ import annotations

from random import Random
from typing import Final

from .clubs import Club, squad
from .wire import Clock, Event, Fixture, Kind, Phase, Side, State

__all__ = ["Match"]

HALF: Final = 45 * 60
BREAK: Final = 8 * 60
"""Seconds between the halves, in the time of the match: shorter than in truth."""

CHANCES: Final[dict[Kind, float]] = {
    "goal": 1.4,
    "chance": 4.5,
    "yellow": 1.6,
    "red": 0.1,
    "substitution": 2.2,
}
"""How often something happens to one side in 90 minutes, on average."""


class Match:
    """A match.

    Args:
        name: The name of the match: the end of its topic.
        home: The club that plays at home.
        away: The other club.
        kick_off_at: The time of the kick-off, in seconds since 1970.
        rate: Seconds of the match in a second.
        random: The source of everything that happens.

    Attributes:
        name: The name of the match.
        phase: The phase of the match.
        score: The goals of both sides.
        events: What has happened.
    """

    def __init__(
        self, name: str, home: Club, away: Club, kick_off_at: float, rate: float, random: Random
    ) -> None:
        self.name = name
        self.home = home
        self.away = away
        self.kick_off_at = kick_off_at
        self.phase: Phase = "soon"
        self.score = (0, 0)
        self.events: list[Event] = []
        self._rate = rate
        self._random = random
        self._clock = Clock(False, kick_off_at, 0, rate)
        self._phase_ends_at = kick_off_at
        self._seen = 0.0  # seconds of the half that were simulated
        self._booked: set[tuple[Side, str]] = set()  # players with a yellow card
        self._playing: dict[Side, list[str]] = {}
        self._waiting: dict[Side, list[str]] = {}
        for side in ("home", "away"):
            players = squad(random)
            self._playing[side], self._waiting[side] = players[:11], players[11:]

    @property
    def fixture(self) -> Fixture:
        """The match as one of a round."""
        return Fixture(self.name, self.home, self.away)

    def state(self, now: float) -> State:
        """Return all that a page must know that joins now."""
        return State(
            id=self.name,
            home=self.home,
            away=self.away,
            kick_off_at=self.kick_off_at,
            seq=len(self.events),
            score=self.score,
            phase=self.phase,
            clock=self._clock,
            events=list(self.events),
            now=now,
        )

    # The time.

    def advance(self, now: float) -> list[Event]:
        """Play until a time; return what has happened since the last call."""
        before = len(self.events)
        while self.phase != "over" and now >= self._phase_ends_at:
            self._play(self._phase_ends_at)
            self._next_phase(self._phase_ends_at)
        self._play(now)
        return self.events[before:]

    def _next_phase(self, at: float) -> None:
        if self.phase in ("soon", "break"):
            is_first = self.phase == "soon"
            self.phase = "first" if is_first else "second"
            self._clock = Clock(True, at, 0 if is_first else HALF, self._rate)
            self._seen = 0.0
            length = HALF + self._random.randrange(60, 300)
            self._phase_ends_at = at + length / self._rate
            self._tell("kick_off", at)
        else:
            is_first = self.phase == "first"
            seconds = self._age(at)
            self.phase = "break" if is_first else "over"
            self._phase_ends_at = at + BREAK / self._rate
            self._tell("half_time" if is_first else "full_time", at)
            self._clock = self.events[-1].clock = Clock(False, at, seconds, self._rate)

    def _age(self, at: float) -> int:
        """Return the seconds that the clock shows."""
        clock = self._clock
        return clock.seconds + round((at - clock.started_at) * clock.rate)

    def _minute(self, at: float) -> str:
        """Return the minute as it is written: ``45+2`` for what happens after the 45 minutes of a half."""
        last = 45 if self.phase in ("first", "break") else 90
        minute = self._age(at) // 60 + 1
        return str(minute) if minute <= last else f"{last}+{minute - last}"

    # The game.

    def _play(self, now: float) -> None:
        """Simulate the half until a time, a minute of the match at once."""
        if not self._clock.is_running:
            return
        until = (now - self._clock.started_at) * self._rate
        while self._seen + 60 <= until:
            at = self._clock.started_at + (self._seen + self._random.uniform(0, 60)) / self._rate
            self._seen += 60
            for side in ("home", "away"):
                strength = 1.15 if side == "home" else 0.95
                for kind, often in CHANCES.items():
                    if self._random.random() < often * strength / 90:
                        self._happen(kind, side, at)

    def _happen(self, kind: Kind, side: Side, at: float) -> None:
        playing, waiting = self._playing[side], self._waiting[side]
        player, other = self._random.sample(playing, 2)
        if kind == "goal":
            home, away = self.score
            self.score = (home + 1, away) if side == "home" else (home, away + 1)
            if self._random.random() < 0.3:
                other = ""
        elif kind == "substitution":
            if not waiting or self.phase == "first":
                return
            other, player = player, waiting.pop()
            playing[playing.index(other)] = player
        else:
            other = ""
            if kind == "yellow" and (side, player) in self._booked:
                kind = "red"  # it is the second
            if kind == "yellow":
                self._booked.add((side, player))
            elif kind == "red":
                playing.remove(player)
        self._tell(kind, at, side, player, other)

    def _tell(
        self, kind: Kind, at: float, side: Side | None = None, player: str = "", other: str = ""
    ) -> None:
        event = Event(
            seq=len(self.events) + 1,
            kind=kind,
            minute=self._minute(at),
            score=self.score,
            phase=self.phase,
            clock=self._clock,
            side=side,
            player=player,
            other=other,
        )
        self.events.append(event)
