"""The protocol between shards when replicas come and go, and the diffs that readers see."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bennu.presence.crdt import (
    Diff,
    Goodbye,
    Heartbeat,
    Outcome,
    ReplicaStatus,
    TransferAck,
    TransferRequest,
    encode,
)
from bennu.presence.crdt.delta import Part

from ...support.inside import generations_of
from .cluster import QUICK, Cluster, Node

UP, DOWN = ReplicaStatus.UP, ReplicaStatus.DOWN


# Replicas come and go.


@pytest.mark.conformance("TR016", "TR042", "TR025")
def test_one_that_is_silent_goes_down_and_joins_from_memory_when_it_is_heard_again() -> None:
    """It is the same replica, and its entries need not be sent again."""
    cluster = Cluster("ab")
    joined = cluster["a"].track()
    cluster.run(3)
    cluster["b"].take_diffs()
    cluster.run(7, only="b")
    assert cluster["b"].shard.replicas == {"a": DOWN}
    assert cluster["b"].take_diffs() == [Diff(leaves=[joined])]
    assert (cluster["b"].keys(), cluster["b"].dirty_keys()) == ([], ["k"])

    cluster.take_sent()
    cluster.run(3)
    assert cluster["b"].shard.replicas == {"a": UP}
    assert cluster["b"].take_diffs() == [Diff(joins=[joined])]
    assert cluster.take_requests() == []


def test_what_the_one_that_is_back_says_to_be_gone_does_not_join_again() -> None:
    """Its other entries join, together with the new entries, in one diff."""
    cluster = Cluster("ab")
    cluster["a"].track("k")
    stays = cluster["a"].track("l")
    cluster.run(3)
    cluster.run(7, only="b")
    cluster["b"].take_diffs()
    cluster["a"].untrack("k")
    new = cluster["a"].track("m")
    cluster.run()

    assert cluster["b"].take_diffs() == [Diff(joins=[stays, new])]


@pytest.mark.conformance("TR017", "TR019", "TR025", "TR049", "TR061")
def test_one_that_was_killed_leaves_after_a_while_and_is_deleted_after_another() -> None:
    """Its entries leave once."""
    cluster = Cluster("ab")
    joined = cluster["a"].track()
    cluster.run(3)
    cluster.kill("a")
    cluster["b"].take_diffs()
    cluster.run(7)
    assert cluster["b"].take_diffs() == [Diff(leaves=[joined])]
    assert cluster["b"].dirty_keys() == ["k"]

    cluster.run(7)
    assert cluster["b"].take_diffs() == []
    assert cluster["b"].dirty_keys() == []
    assert cluster["b"].shard.replicas == {}
    assert not generations_of(cluster["b"].shard)  # nothing keeps them in memory


def test_one_that_was_up_and_is_deleted_leaves_once() -> None:
    """Its silence was not checked until then."""
    cluster = Cluster("ab")
    joined = cluster["a"].track()
    cluster.run(3)
    cluster["b"].take_diffs()
    cluster.now += 13
    cluster.tick("b")

    assert cluster["b"].take_diffs() == [Diff(leaves=[joined])]
    assert cluster["b"].shard.replicas == {}


def test_one_that_was_deleted_and_comes_back_is_as_new() -> None:
    """The shard requests all its entries."""
    cluster = Cluster("abc")
    joined = cluster["a"].track()
    cluster.run(4)
    cluster.split("a", "b")
    cluster.run(15)
    assert cluster["b"].dirty_keys() == []
    cluster["b"].take_diffs()
    cluster.heal()
    cluster.run(6)

    assert cluster["b"].take_diffs() == [Diff(joins=[joined])]


@pytest.mark.conformance("TR015", "TR018")
def test_when_a_node_is_started_anew_its_old_entries_leave_and_do_not_return() -> None:
    """This holds on all nodes, and on the node itself."""
    cluster = Cluster("abc")
    old = cluster["a"].track("old")
    cluster.run(4)
    for name in "bc":
        cluster[name].take_diffs()
    cluster.kill("a")
    cluster.start("a")
    new = cluster["a"].track("new")
    cluster.run(20)

    for name in "bc":
        assert cluster[name].take_diffs() == [Diff(leaves=[old]), Diff(joins=[new])]
        assert cluster[name].shard.replicas["a"] is UP
    for name in "abc":
        assert cluster[name].dirty_keys() == ["new"]


@pytest.mark.conformance("TR033")
def test_one_that_says_goodbye_leaves_at_once() -> None:
    """A late heartbeat does not bring it back."""
    cluster = Cluster("ab")
    joined = cluster["a"].track()
    cluster.run(3)
    cluster["b"].take_diffs()
    late = Heartbeat(("a", 1), {}, {("a", 1): 1})
    cluster.goodbye("a")
    assert cluster["b"].take_diffs() == [Diff(leaves=[joined])]
    assert (cluster["b"].dirty_keys(), cluster["b"].shard.replicas) == ([], {})

    cluster.act("b", cluster["b"].shard.receive(late, cluster.now))
    assert cluster["b"].shard.replicas == {}


def test_a_removal_is_learned_from_a_third_replica() -> None:
    """A replica that missed it sees from the clocks of the third that it did, and asks for it."""
    cluster = Cluster("abc")
    joined = cluster["a"].track()
    cluster.run(4)
    cluster["c"].take_diffs()
    cluster.cut.add(("a", "c"))
    cluster["a"].untrack()
    cluster.run(4)

    assert cluster["c"].take_diffs() == [Diff(leaves=[joined])]
    assert cluster["c"].shard.replicas["a"] is UP


# Names.


def test_whoever_speaks_under_our_own_name_is_not_heard() -> None:
    """The message is an echo, or from a second process with our name."""
    cluster = Cluster("a")
    cluster["a"].track()
    cluster.run()
    [(_, _, echo)] = cluster.take_sent()
    other = ("a", 99)
    messages = [
        echo,
        Heartbeat(other, {}, {other: 5}),
        TransferRequest(other, {("a", 1): 0}),
        TransferAck(other, {("a", 1): Part(0, 9)}),
        Goodbye(other),
        Goodbye(("a", 1)),
    ]
    for message in messages:
        assert cluster["a"].shard.receive(message, cluster.now) == Outcome()

    assert cluster["a"].keys() == ["k"]
    assert cluster["a"].shard.replicas == {}


def test_of_two_processes_with_one_name_the_one_that_started_last_is_heard() -> None:
    """Other nodes do not flap between the two. When the last one dies, the other is accepted."""
    cluster = Cluster("b")
    older, newer = Node("a", 100, QUICK), Node("a", 200, QUICK)
    older.track("older")
    newer.track("newer")
    listed = []
    for second in range(22):
        # What is said to the name reaches only one of them.
        cluster.nodes["a"] = newer if second < 8 else older
        for _, message in older.shard.send_changes().sends:
            cluster.deliver("b", encode(message))
        cluster.run()
        listed.append("".join(cluster["b"].keys()))
        older.update("older")

    assert listed[:8] == ["newer"] * 8
    assert listed[-1] == "older"
    changes = [one for one, next_one in pairwise(listed) if one != next_one]
    assert changes in (["newer"], ["newer", ""])
