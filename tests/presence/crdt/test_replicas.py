"""The table of replicas: the effects of messages and of silence."""

from __future__ import annotations

import pytest

from bennu.presence.crdt.replicas import Change, Replicas, ReplicaStatus

UP, DOWN, PERMDOWN = Change.UP, Change.DOWN, Change.PERMDOWN
A, NEWER = ("a", 1), ("a", 2)


def table(*, silence: float = 0) -> Replicas:
    """Return a table with one replica that sent at 0, and has been silent since."""
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
    """A message only changes the time from which its silence counts."""
    replicas = table(silence=9)
    assert replicas.heard(A, 9) == []
    assert replicas.passed(19) == []
    assert replicas.passed(19.1) == [(A, DOWN)]


@pytest.mark.conformance("TR074", "TR016")
def test_one_that_is_down_comes_up_again() -> None:
    """Its silence counts anew."""
    replicas = table(silence=15)
    assert replicas.heard(A, 15) == [(A, UP)]
    assert replicas.statuses() == {"a": ReplicaStatus.UP}
    assert replicas.passed(25) == []


@pytest.mark.conformance("TR075", "TR017")
def test_silence_makes_one_down_once() -> None:
    """The replica stays in the table."""
    replicas = table()
    assert replicas.passed(10.1) == [(A, DOWN)]
    assert replicas.passed(20) == []
    assert replicas.statuses() == {"a": ReplicaStatus.DOWN}


@pytest.mark.conformance("TR076", "TR019")
def test_more_silence_makes_one_permdown() -> None:
    """If the replica was not down yet, it first goes down."""
    assert table(silence=11).passed(20.1) == [(A, PERMDOWN)]
    replicas = table()
    assert replicas.passed(20.1) == [(A, DOWN), (A, PERMDOWN)]
    assert replicas.statuses() == {}


@pytest.mark.conformance("TR077")
def test_time_that_is_not_long_enough_changes_nothing() -> None:
    """The limit itself is not long enough."""
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
    """A name has only one replica."""
    replicas = table(silence=silence)
    assert replicas.heard(NEWER, silence) == [*ends, (NEWER, UP)]
    assert replicas.statuses() == {"a": ReplicaStatus.UP}


def test_an_elder_is_not_heard_while_its_successor_is_up() -> None:
    """Its message is late."""
    replicas = Replicas(down=10, permdown=20)
    replicas.heard(NEWER, 0)
    assert replicas.heard(A, 1) is None
    assert replicas.passed(10.1) == [(NEWER, DOWN)]


def test_an_elder_is_heard_when_its_successor_is_down() -> None:
    """The clock of its node was set back, so the lower vsn is the newer start."""
    replicas = Replicas(down=10, permdown=20)
    replicas.heard(NEWER, 0)
    replicas.passed(15)
    assert replicas.heard(A, 15) == [(NEWER, PERMDOWN), (A, UP)]


@pytest.mark.conformance("TR033")
def test_one_that_says_goodbye_is_out_and_not_heard_again() -> None:
    """The next start of its node is accepted."""
    replicas = table()
    assert replicas.said_goodbye(A, 1) == [(A, DOWN), (A, PERMDOWN)]
    assert replicas.statuses() == {}
    assert replicas.heard(A, 2) is None
    assert replicas.heard(NEWER, 2) == [(NEWER, UP)]


def test_a_goodbye_of_a_replica_that_is_not_there_ends_no_other() -> None:
    """The good-bye can come after the next start under its name, or before its own last heartbeat."""
    replicas = Replicas(down=10, permdown=20)
    assert replicas.said_goodbye(A, 0) == []
    assert replicas.heard(A, 0) is None
    replicas.heard(NEWER, 0)
    assert replicas.said_goodbye(A, 1) == []
    assert replicas.statuses() == {"a": ReplicaStatus.UP}


def test_a_goodbye_is_remembered_until_a_silent_one_would_be_out() -> None:
    """It is not remembered forever, since there can be many."""
    replicas = Replicas(down=10, permdown=20)
    replicas.said_goodbye(A, 0)
    replicas.passed(20)
    assert replicas.heard(A, 20) is None
    replicas.passed(20.1)
    assert replicas.heard(A, 20.1) == [(A, UP)]
