"""The table of replicas: who is heard, who is silent, and what that makes of them."""

from __future__ import annotations

import pytest

from bennu.presence.crdt.replicas import Change, Replicas, ReplicaStatus

UP, DOWN, PERMDOWN = Change.UP, Change.DOWN, Change.PERMDOWN
A, NEWER = ("a", 1), ("a", 2)


def table(*, silence: float = 0) -> Replicas:
    """Return a table in which one replica was heard at 0, and has been silent since."""
    replicas = Replicas(down=10, permdown=20)
    assert replicas.heard(A, 0) == [(A, UP)]
    replicas.passed(silence)
    return replicas


@pytest.mark.conformance("TR073", "TR072")
def test_one_that_was_not_known_comes_up_when_it_is_heard() -> None:
    """Its silence counts from then on."""
    replicas = Replicas(down=10, permdown=20)
    assert replicas.heard(A, 100) == [(A, UP)]

    assert replicas.statuses() == {"a": ReplicaStatus.UP}
    assert replicas.passed(110) == []


@pytest.mark.conformance("TR074")
def test_one_that_is_up_is_refreshed() -> None:
    """That changes nothing but the time from which its silence counts."""
    replicas = table(silence=9)
    assert replicas.heard(A, 9) == []
    assert replicas.passed(19) == []
    assert replicas.passed(19.1) == [(A, DOWN)]


@pytest.mark.conformance("TR074", "TR016")
def test_one_that_is_down_comes_up_again() -> None:
    """And is refreshed."""
    replicas = table(silence=15)
    assert replicas.heard(A, 15) == [(A, UP)]
    assert replicas.statuses() == {"a": ReplicaStatus.UP}
    assert replicas.passed(25) == []


@pytest.mark.conformance("TR075", "TR017")
def test_silence_makes_one_down_once() -> None:
    """It stays in the table."""
    replicas = table()
    assert replicas.passed(10.1) == [(A, DOWN)]
    assert replicas.passed(20) == []
    assert replicas.statuses() == {"a": ReplicaStatus.DOWN}


@pytest.mark.conformance("TR076", "TR019")
def test_more_silence_makes_one_permdown() -> None:
    """If it was not down yet, it first is."""
    assert table(silence=11).passed(20.1) == [(A, PERMDOWN)]
    replicas = table()
    assert replicas.passed(20.1) == [(A, DOWN), (A, PERMDOWN)]
    assert replicas.statuses() == {}


@pytest.mark.conformance("TR077")
def test_time_that_is_not_long_enough_changes_nothing() -> None:
    """Up to and with the limit."""
    replicas = table()
    assert replicas.passed(10) == []
    assert replicas.statuses() == {"a": ReplicaStatus.UP}


@pytest.mark.conformance("TR018")
@pytest.mark.parametrize(
    ("silence", "ends"),
    [(0, [(A, DOWN), (A, PERMDOWN)]), (15, [(A, PERMDOWN)])],
    ids=["up", "down"],
)
def test_one_with_a_newer_vsn_takes_the_place_of_its_elder(
    silence: float, ends: list[tuple[tuple[str, int], Change]]
) -> None:
    """There is one replica of a name."""
    replicas = table(silence=silence)
    assert replicas.heard(NEWER, silence) == [*ends, (NEWER, UP)]
    assert replicas.statuses() == {"a": ReplicaStatus.UP}


def test_an_elder_is_not_heard_while_its_successor_is_up() -> None:
    """What it says was under way for long."""
    replicas = Replicas(down=10, permdown=20)
    replicas.heard(NEWER, 0)
    assert replicas.heard(A, 1) is None
    assert replicas.passed(10.1) == [(NEWER, DOWN)]


def test_an_elder_is_heard_when_its_successor_is_down() -> None:
    """The clock of its node was set back, and it is no elder."""
    replicas = Replicas(down=10, permdown=20)
    replicas.heard(NEWER, 0)
    replicas.passed(15)
    assert replicas.heard(A, 15) == [(NEWER, PERMDOWN), (A, UP)]


@pytest.mark.conformance("TR033")
def test_one_that_says_goodbye_is_out_and_not_heard_again() -> None:
    """Its next start is."""
    replicas = table()
    assert replicas.said_goodbye(A, 1) == [(A, DOWN), (A, PERMDOWN)]
    assert replicas.statuses() == {}
    assert replicas.heard(A, 2) is None
    assert replicas.heard(NEWER, 2) == [(NEWER, UP)]


def test_a_goodbye_of_a_replica_that_is_not_there_ends_no_other() -> None:
    """It may come late, when the next one under its name is up; or early, before its last heartbeat."""
    replicas = Replicas(down=10, permdown=20)
    assert replicas.said_goodbye(A, 0) == []
    assert replicas.heard(A, 0) is None
    replicas.heard(NEWER, 0)
    assert replicas.said_goodbye(A, 1) == []
    assert replicas.statuses() == {"a": ReplicaStatus.UP}


def test_a_goodbye_is_remembered_until_a_silent_one_would_be_out() -> None:
    """Not forever, since there may be many of them."""
    replicas = Replicas(down=10, permdown=20)
    replicas.said_goodbye(A, 0)
    replicas.passed(20)
    assert replicas.heard(A, 20) is None
    replicas.passed(20.1)
    assert replicas.heard(A, 20.1) == [(A, UP)]
