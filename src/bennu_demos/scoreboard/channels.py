"""The channels: one tells which matches there are, the others have a match each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from bennu import Channel, History, Refused

from .league import League
from .wire import Event, Round, State

__all__ = ["LeagueChannel", "MatchChannel", "Scoreboard"]


@dataclass(frozen=True)
class Scoreboard:
    """What all channels share.

    Attributes:
        league: The matches.
        now: Returns the time, in seconds since 1970.
    """

    league: League
    now: Callable[[], float]


class LeagueChannel(Channel[None, Scoreboard]):
    """The topic ``league``: the matches of today. Each new round is broadcast."""

    emits = {"round": Round}

    async def join(self) -> Round:
        """Tell the matches."""
        return self.state.league.round


class MatchChannel(Channel[None, Scoreboard]):
    """The topic of a match. Its reply has the state and the number of its newest event; then each event is broadcast.

    An event can be in the state and come again, because it happened while the page joined: the page drops what it has, by
    the number. After a lost connection the history sends what the page has missed.
    """

    match: str

    emits = {"event": Event}
    history = History(size=200, ttl=timedelta(minutes=30))

    async def join(self) -> State:
        """Tell the state of the match."""
        match = self.state.league.matches.get(self.match)
        if match is None:
            raise Refused("no_such_match")  # it was in an earlier round
        return match.state(self.state.now())
