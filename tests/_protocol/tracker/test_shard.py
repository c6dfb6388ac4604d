"""The protocol between shards: who is told what, when replicas come and go, and what readers see of it."""

from __future__ import annotations

import pytest

from bennu._protocol.tracker import (
    Diff,
    Shard,
    Status,
)
from bennu.errors import AlreadyTracked, NotTracked

from .cluster import QUICK, Cluster, Node

UP, DOWN = Status.UP, Status.DOWN


# Our own entries.


@pytest.mark.conformance("TR020", "TR037")
def test_who_tracks_gets_a_diff_with_the_join_and_is_listed() -> None:
    """With its meta, as it was given."""
    shard = Shard(("a", 1))
    diff = shard.track("t", 5, "k", {"m": 1})

    assert shard.entries("t") == diff.joins
    assert (diff.joins[0].meta, diff.leaves) == ({"m": 1}, [])
    assert list(shard.topics()) == ["t"]


@pytest.mark.conformance("TR021", "TR046")
def test_entries_stand_in_the_order_of_actors_then_keys_and_an_update_keeps_its_place() -> None:
    """Whatever the order in which they were tracked."""
    node = Node("a", 1, QUICK)
    for actor, key in [(2, "c"), (1, "b"), (1, "a"), (3, "a")]:
        node.track(key, actor=actor)
    node.update("a", actor=1)

    assert node.keys() == ["a", "b", "c", "a"]
    assert [entry.actor for entry in node.shard.entries("t", "a")] == [1, 3]
    assert node.shard.entries("t", "x") == node.shard.entries("x") == []


@pytest.mark.conformance("TR032")
def test_an_actor_is_tracked_once_in_a_topic_under_a_key() -> None:
    """Under another key, in another topic or as another actor it may be; the error says what to do."""
    shard = Shard(("a", 1))
    shard.track("t", 1, "k", {})
    with pytest.raises(
        AlreadyTracked, match=r"key 'k' is already tracked in topic 't'.*use update"
    ):
        shard.track("t", 1, "k", {})

    assert shard.track("t", 1, "l", {})
    assert shard.track("u", 1, "k", {})
    assert shard.track("t", 2, "k", {})


@pytest.mark.conformance("TR029")
def test_an_update_is_one_diff_in_which_the_old_one_leaves_and_the_new_one_joins() -> None:
    """The meta is replaced as a whole."""
    shard = Shard(("a", 1))
    old = shard.track("t", 1, "k", {"m": 1}).joins
    diff = shard.update("t", 1, "k", {"n": 2})

    assert diff == Diff(joins=shard.entries("t"), leaves=old)
    assert shard.get("t", 1, "k") == {"n": 2}


def test_an_update_of_what_is_not_tracked_is_an_error() -> None:
    """It says what to do instead."""
    with pytest.raises(NotTracked, match=r"key 'k' is not tracked in topic 't'.*use track"):
        Shard(("a", 1)).update("t", 1, "k", {})


def test_untracking_gives_a_leave_once() -> None:
    """Nothing leaves that is not there."""
    shard = Shard(("a", 1))
    joined = shard.track("t", 1, "k", {}).joins

    assert shard.untrack("t", 1, "k") == Diff(leaves=joined)
    assert not shard.untrack("t", 1, "k")
    assert shard.get("t", 1, "k") is None
    assert list(shard.topics()) == []


@pytest.mark.conformance("TR045")
def test_an_actor_leaves_with_all_its_entries_or_with_those_of_a_topic() -> None:
    """Those of others stay."""
    shard = Shard(("a", 1))
    for topic, actor, key in [("t", 1, "a"), ("u", 1, "b"), ("t", 1, "c"), ("t", 2, "d")]:
        shard.track(topic, actor, key, {})

    assert [e.key for e in shard.untrack_actor(1, "t").leaves] == ["a", "c"]
    assert [e.key for e in shard.untrack_actor(1).leaves] == ["b"]
    assert not shard.untrack_actor(1)
    assert [e.key for e in shard.untrack_actor(2).leaves] == ["d"]
    assert list(shard.topics()) == []


# Heartbeats.


@pytest.mark.conformance("TR022")
def test_what_is_tracked_here_joins_there_at_the_next_tick() -> None:
    """In one diff for all that was tracked since the last one."""
    cluster = Cluster("ab")
    joined = [cluster["a"].track("k"), cluster["a"].track("l")]
    cluster.run()

    assert cluster["b"].take_diffs() == [Diff(joins=joined)]
    assert cluster["b"].shard.entries("t") == joined


@pytest.mark.conformance("TR024")
def test_what_is_untracked_here_leaves_there_at_the_next_tick() -> None:
    """As does what is updated, whose new meta joins in the same diff."""
    cluster = Cluster("ab")
    one, other = cluster["a"].track("k"), cluster["a"].track("l")
    cluster.run()
    cluster["b"].take_diffs()
    cluster["a"].untrack("k")
    new = cluster["a"].update("l")
    cluster.run()

    [diff] = cluster["b"].take_diffs()
    assert diff.joins == cluster["b"].shard.entries("t") == [new]
    assert sorted(diff.leaves, key=lambda entry: entry.key) == [one, other]


def test_a_change_can_be_told_before_the_period_is_over() -> None:
    """If there is none, nothing is told."""
    cluster = Cluster("ab")
    cluster.run()
    cluster["a"].track()
    cluster.hurry("a")
    assert cluster["b"].keys() == ["k"]

    cluster.take_sent()
    cluster.hurry("a")
    assert cluster.take_sent() == []


def test_an_idle_replica_speaks_when_its_silence_is_over() -> None:
    """With two silent ticks, at each third."""
    cluster = Cluster("a")
    spoke = []
    for _ in range(8):
        cluster.run()
        spoke.append(len(cluster.take_sent()))

    assert spoke == [1, 0, 0, 1, 0, 0, 1, 0]


def test_a_newcomer_is_spoken_to_at_the_next_tick() -> None:
    """It need not wait for the end of a silence to learn who is there."""
    cluster = Cluster("a")
    cluster["a"].track()
    cluster.run(2)
    cluster.start("b")
    cluster.run(3)

    assert cluster["b"].keys() == ["k"]


# Transfers.


@pytest.mark.conformance("TR012", "TR014", "TR062")
def test_a_replica_that_was_not_seen_yet_is_asked_for_what_it_knows() -> None:
    """It comes up, and what it had tracked before joins, once."""
    cluster = Cluster("a")
    joined = cluster["a"].track()
    cluster.run(3)
    cluster.start("b")
    cluster.take_sent()
    cluster.run(9)

    assert cluster["b"].shard.replicas == {"a": UP}
    assert cluster.take_requests() == [("b", "a")]
    assert cluster["b"].diffs == [Diff(joins=[joined])]


@pytest.mark.conformance("TR013")
def test_of_two_who_know_more_only_the_one_who_knows_all_of_it_is_asked() -> None:
    """And one transfer is enough for what both told."""
    cluster = Cluster("abc")
    cluster.run(4)
    cluster.cut |= {("a", "c"), ("b", "c")}
    cluster["a"].track("k")
    cluster.run()
    cluster["b"].track("l")
    cluster.run()
    cluster.heal()
    cluster.take_sent()
    cluster.run(12)

    [request] = cluster.take_requests()
    assert request[0] == "c"
    assert cluster["c"].keys() == ["k", "l"]


@pytest.mark.conformance("TR034")
def test_one_who_starts_while_another_is_down_asks_once_for_what_is_there() -> None:
    """It does not ask again for what it can't use."""
    cluster = Cluster("abc")
    cluster["c"].track("gone")
    cluster["a"].track("here")
    cluster.run(3)
    cluster.kill("c")
    cluster.run(7)
    assert cluster["a"].shard.replicas["c"] is DOWN
    cluster.start("d")
    cluster.take_sent()
    cluster.run(4)
    asked = [request for request in cluster.take_requests() if request[0] == "d"]
    cluster.run(20)

    assert len(asked) == 1
    assert cluster.take_requests() == []
    assert cluster["d"].keys() == cluster["d"].dirty_keys() == ["here"]
