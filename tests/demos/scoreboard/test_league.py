"""The simulated league, without a clock."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from bennu_demos.scoreboard.clubs import CLUBS
from bennu_demos.scoreboard.league import PAUSE, League
from bennu_demos.scoreboard.match import Match
from bennu_demos.scoreboard.wire import Event, Round

START = 1_000_000.0


def match_of(seed: int = 1, rate: float = 30.0) -> Match:
    return Match("m", CLUBS[0], CLUBS[1], START, rate, Random(seed))


def play(match: Match, seconds: float = 400, step: float = 0.5) -> list[Event]:
    events: list[Event] = []
    for tick in range(int(seconds / step)):
        events += match.advance(START + tick * step)
    return events


@pytest.mark.parametrize("seed", range(20))
def test_a_match_has_its_course(seed: int) -> None:
    match = match_of(seed)
    events = play(match)
    kinds = [event.kind for event in events if event.side is None]
    assert kinds == ["kick_off", "half_time", "kick_off", "full_time"]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert match.phase == "over"
    assert match.events == events


@pytest.mark.parametrize("seed", range(20))
def test_the_score_is_the_number_of_the_goals(seed: int) -> None:
    match = match_of(seed)
    goals = [event.side for event in play(match) if event.kind == "goal"]
    assert match.score == (goals.count("home"), goals.count("away"))


@pytest.mark.parametrize("seed", range(20))
def test_who_was_sent_off_or_went_out_does_nothing_more(seed: int) -> None:
    gone: set[tuple[str | None, str]] = set()
    for event in play(match_of(seed)):
        assert (event.side, event.player) not in gone
        if event.kind == "red":
            gone.add((event.side, event.player))
        if event.kind == "substitution":
            gone.add((event.side, event.other))


@pytest.mark.parametrize("seed", range(20))
def test_nobody_has_two_yellow_cards(seed: int) -> None:
    booked = [
        (event.side, event.player) for event in play(match_of(seed)) if event.kind == "yellow"
    ]
    assert len(booked) == len(set(booked))


def test_how_often_the_match_is_asked_changes_nothing() -> None:
    assert play(match_of(), step=0.5) == play(match_of(), step=7)


def test_the_clock_says_how_old_the_match_is() -> None:
    match = match_of(rate=60.0)
    match.advance(START + 10)
    clock = match.state(START + 10).clock
    assert (clock.is_running, clock.seconds, clock.started_at, clock.rate) == (True, 0, START, 60.0)
    play(match, 70)
    halves = [event.clock for event in match.events if event.kind in ("half_time", "kick_off")]
    assert [clock.is_running for clock in halves] == [True, False, True]
    assert halves[1].seconds > 45 * 60 == halves[2].seconds


def test_minutes_are_written_as_in_newspapers() -> None:
    events = play(match_of())
    before = [event for event in events if event.phase == "first"]
    for event in before:
        base, _, added = event.minute.partition("+")
        assert 1 <= int(base) <= 45
        assert not added or int(base) == 45
    half_time = next(event for event in events if event.kind == "half_time")
    assert half_time.minute.startswith("45+")
    assert events[-1].minute.startswith("90+")


def test_one_seed_gives_one_league() -> None:
    one, same, other = League(START, 1), League(START, 1), League(START, 2)
    assert one.advance(START + 100) == same.advance(START + 100)
    assert one.round == same.round
    assert one.round != other.round


def test_every_club_plays_once_in_a_round_and_the_rounds_differ() -> None:
    league = League(START)
    rounds: list[Round] = []
    now = START
    while league.number < 3:
        if len(rounds) < league.number:
            rounds.append(league.round)
        now += 1
        league.advance(now)
    for one in rounds:
        clubs = [club.code for fixture in one.fixtures for club in (fixture.home, fixture.away)]
        assert sorted(clubs) == sorted(club.code for club in CLUBS)
    assert rounds[0].fixtures != rounds[1].fixtures
    assert not {fixture.id for fixture in rounds[0].fixtures} & {
        fixture.id for fixture in rounds[1].fixtures
    }


def test_a_round_stays_for_a_while_after_its_last_match() -> None:
    league = League(START)
    now = START
    while any(match.phase != "over" for match in league.matches.values()):
        now += 1
        league.advance(now)
    league.advance(now + PAUSE - 1)
    assert league.number == 1
    assert league.advance(now + PAUSE) == []
    assert league.number == 2


def test_matches_kick_off_one_after_the_other() -> None:
    matches = list(League(START).matches.values())
    assert all(one.kick_off_at < other.kick_off_at for one, other in pairwise(matches))
