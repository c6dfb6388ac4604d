"""The protocol between shards: the messages that each shard gets, and the diffs that readers see."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bennu.errors import AlreadyTracked, NotTracked
from bennu.presence.crdt import (
    Diff,
    Heartbeat,
    ReplicaStatus,
    Shard,
    TransferAck,
    TransferRequest,
)
from bennu.presence.crdt.delta import Part
from bennu.presence.crdt.shard import MAX_TRANSFER

from .cluster import QUICK, Cluster, Node
from .histories import dirty_entries

UP, DOWN = ReplicaStatus.UP, ReplicaStatus.DOWN


# Our own entries.


@pytest.mark.conformance("TR020", "TR037")
def test_who_tracks_gets_a_diff_with_the_join_and_is_listed() -> None:
    """The entry has the given meta."""
    shard = Shard(("a", 1))
    diff = shard.state.track("t", 5, "k", {"m": 1})

    assert shard.state.entries("t") == diff.joins
    assert (diff.joins[0].meta, diff.leaves) == ({"m": 1}, [])


@pytest.mark.conformance("TR021", "TR046")
def test_entries_stand_in_the_order_of_actors_then_keys_and_an_update_keeps_its_place() -> None:
    """The order of tracking has no effect."""
    node = Node("a", 1, QUICK)
    for actor, key in [(2, "c"), (1, "b"), (1, "a"), (3, "a")]:
        node.track(key, actor=actor)
    node.update("a", actor=1)

    assert node.keys() == ["a", "b", "c", "a"]
    assert [entry.actor for entry in node.shard.state.entries("t", "a")] == [1, 3]
    assert node.shard.state.entries("t", "x") == node.shard.state.entries("x") == []


@pytest.mark.conformance("TR032")
def test_an_actor_is_tracked_once_in_a_topic_under_a_key() -> None:
    """Another key, topic or actor is allowed. The error says what to do."""
    shard = Shard(("a", 1))
    shard.state.track("t", 1, "k", {})
    with pytest.raises(
        AlreadyTracked, match=r"key 'k' is already tracked in topic 't'.*use update"
    ):
        shard.state.track("t", 1, "k", {})

    assert shard.state.track("t", 1, "l", {})
    assert shard.state.track("u", 1, "k", {})
    assert shard.state.track("t", 2, "k", {})


@pytest.mark.conformance("TR029")
def test_an_update_is_one_diff_in_which_the_old_one_leaves_and_the_new_one_joins() -> None:
    """The meta is replaced as a whole."""
    shard = Shard(("a", 1))
    old = shard.state.track("t", 1, "k", {"m": 1}).joins
    diff = shard.state.update("t", 1, "k", {"n": 2})

    assert diff == Diff(joins=shard.state.entries("t"), leaves=old)
    assert shard.state.get("t", 1, "k") == {"n": 2}


def test_an_update_of_what_is_not_tracked_is_an_error() -> None:
    """The error says what to do instead."""
    with pytest.raises(NotTracked, match=r"key 'k' is not tracked in topic 't'.*use track"):
        Shard(("a", 1)).state.update("t", 1, "k", {})


def test_untracking_gives_a_leave_once() -> None:
    """An entry that is not there does not leave."""
    shard = Shard(("a", 1))
    joined = shard.state.track("t", 1, "k", {}).joins

    assert shard.state.untrack("t", 1, "k") == Diff(leaves=joined)
    assert not shard.state.untrack("t", 1, "k")
    assert shard.state.get("t", 1, "k") is None
    assert shard.state.entries("t") == []


# Heartbeats.


@pytest.mark.conformance("TR022")
def test_what_is_tracked_here_joins_there_at_the_next_tick() -> None:
    """One diff has all entries since the last tick."""
    cluster = Cluster("ab")
    joined = [cluster["a"].track("k"), cluster["a"].track("l")]
    cluster.run()

    assert cluster["b"].take_diffs() == [Diff(joins=joined)]
    assert cluster["b"].shard.state.entries("t") == joined


@pytest.mark.conformance("TR024")
def test_when_an_actor_ends_here_it_leaves_there_at_the_next_tick() -> None:
    """An update leaves too, and its new meta joins in the same diff."""
    cluster = Cluster("ab")
    one, other = cluster["a"].track("k", actor=2), cluster["a"].track("l")
    cluster.run()
    cluster["b"].take_diffs()
    cluster["a"].untrack(actor=2)
    new = cluster["a"].update("l")
    cluster.run()

    [diff] = cluster["b"].take_diffs()
    assert diff.joins == cluster["b"].shard.state.entries("t") == [new]
    assert sorted(diff.leaves, key=lambda entry: entry.key) == [one, other]


def test_a_change_can_be_told_before_the_period_is_over() -> None:
    """Without a change, no message is sent."""
    cluster = Cluster("ab")
    cluster.run()
    cluster["a"].track()
    cluster.send_changes("a")
    assert cluster["b"].keys() == ["k"]

    cluster.take_sent()
    cluster.send_changes("a")
    assert cluster.take_sent() == []


def test_an_idle_replica_speaks_when_its_silence_is_over() -> None:
    """With two silent ticks, it sends at each third tick."""
    cluster = Cluster("a")
    spoke = []
    for _ in range(8):
        cluster.run()
        spoke.append(len(cluster.take_sent()))

    assert spoke == [1, 0, 0, 1, 0, 0, 1, 0]


def test_a_newcomer_is_spoken_to_at_the_next_tick() -> None:
    """The new replica need not wait for the end of a silence."""
    cluster = Cluster("a")
    cluster.run()
    cluster.start("b")
    cluster.run()
    assert cluster["b"].shard.replicas == {}
    cluster.run()
    assert cluster["b"].shard.replicas == {"a": UP}


# Transfers.


@pytest.mark.conformance("TR012", "TR014", "TR062")
def test_a_replica_that_was_not_seen_yet_is_asked_for_what_it_knows() -> None:
    """The replica comes up, and its earlier entries join once."""
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
    """One transfer brings the entries of both."""
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
    """The shard does not request again what it can't use."""
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


def test_whoever_missed_a_little_gets_a_little() -> None:
    """The answer comes from the generations, also of a replica that only received the deltas."""
    for giver in "ab":
        cluster = Cluster("abc")
        cluster["a"].track("old")
        cluster.run(4)
        cluster.split("a", "c")
        new = cluster["a"].track("new")
        cluster.run()
        cluster.take_sent()
        request = TransferRequest(("c", 3), {("a", 1): 1, ("b", 2): 0, ("c", 3): 0})
        [(to, ack)] = cluster[giver].shard.receive(request, cluster.now).sends

        assert to == "c"
        assert isinstance(ack, TransferAck)
        assert ack.delta == {("a", 1): Part(0, 2, set(), ack.delta["a", 1].values)}
        assert new in ack.delta["a", 1].values.values()


def test_what_was_not_told_yet_does_not_make_a_transfer_bigger() -> None:
    """The next heartbeat brings these changes. Until then a generation is enough."""
    cluster = Cluster("ab", max_delta_sizes=(1,))
    cluster["a"].track("old")
    cluster.run(3)
    cluster["a"].track("told")
    cluster.run()
    cluster["a"].track("not told")
    request = TransferRequest(("b", 2), {("a", 1): 1})
    [(_, ack)] = cluster["a"].shard.receive(request, cluster.now).sends

    assert isinstance(ack, TransferAck)
    assert [e.key for e in ack.delta["a", 1].values.values()] == ["told"]
    request = TransferRequest(("b", 2), {("a", 1): 2})
    assert cluster["a"].shard.receive(request, cluster.now).sends == [
        ("b", TransferAck(("a", 1), {}))
    ]


@pytest.mark.conformance("TR052")
def test_a_transfer_tells_only_of_replicas_that_are_known_to_who_asks() -> None:
    """The transfer has no part about the replica that asked."""
    cluster = Cluster("abc")
    for name in "abc":
        cluster[name].track(name)
    cluster.run(4)
    request = TransferRequest(("c", 3), {("b", 2): 0, ("c", 3): 0})
    [(_, ack)] = cluster["a"].shard.receive(request, cluster.now).sends

    assert isinstance(ack, TransferAck)
    assert ack.delta.keys() == {("b", 2)}


def test_after_a_whole_transfer_the_generations_go_on_with_what_comes_next() -> None:
    """A third replica can then get its few missing changes from the replica that missed many."""
    cluster = Cluster("abc", max_delta_sizes=(1,))
    cluster["a"].track("k")
    cluster.run(4)
    cluster.split("a", "b")
    for key in "lm":
        cluster["a"].track(key)
        cluster.run()
    cluster.heal()
    cluster.run(6)
    assert cluster["b"].keys() == ["k", "l", "m"]
    new = cluster["a"].track("n")
    cluster.run()
    request = TransferRequest(("c", 3), {("a", 1): 3})
    [(_, ack)] = cluster["b"].shard.receive(request, cluster.now).sends

    assert ack == TransferAck(("b", 2), {("a", 1): Part(3, 4, set(), {4: new})})


def test_a_part_that_was_transferred_is_in_the_generations_too() -> None:
    """So its receiver can pass it on, and goes on with the next delta."""
    cluster = Cluster("abc", max_delta_sizes=(3, 3))
    for key in "klmn":
        cluster["a"].track(key, actor=ord(key))
        cluster.run(3)
    cluster.split("a", "b")
    cluster["a"].track("o")
    cluster.run()
    cluster.heal()
    cluster.run(6)
    cluster["a"].track("p")
    cluster.run()
    request = TransferRequest(("c", 3), {("a", 1): 4})
    [(_, ack)] = cluster["b"].shard.receive(request, cluster.now).sends

    assert isinstance(ack, TransferAck)
    assert ack.delta["a", 1].start > 0
    assert {"o", "p"} <= {entry.key for entry in ack.delta["a", 1].values.values()}


@pytest.mark.conformance("TR043")
def test_what_was_missed_of_one_who_can_not_be_heard_comes_from_a_third_one() -> None:
    """The entries are hidden until their replica sends again. Then they join at once, once."""
    cluster = Cluster("abc", replace(QUICK, permdown=99.0))
    cluster.run(4)
    cluster.split("a", "c")
    cluster.run(7)
    assert cluster["c"].shard.replicas["a"] is DOWN
    joined = cluster["a"].track()
    cluster.run(6)
    assert cluster["c"].diffs == []
    assert dirty_entries(cluster["c"].shard.state, "t") == [joined]
    cluster.heal()
    cluster.run(4)

    assert cluster["c"].diffs == [Diff(joins=[joined])]


def test_what_a_third_one_knows_less_of_is_not_asked_for() -> None:
    """No replica sends a request when all know the same."""
    cluster = Cluster("abc")
    cluster.run(4)
    cluster["a"].track()
    cluster.run(4)
    cluster.take_sent()
    cluster.run(20)

    assert cluster.take_requests() == []


def test_a_long_transfer_comes_in_several_messages() -> None:
    """A bus has a limit of bytes, and the event loop does other work between the messages."""
    cluster = Cluster("ab")
    for number in range(2 * MAX_TRANSFER + 1):
        cluster["a"].track(str(number))
    cluster.run()
    request = TransferRequest(("c", 3), {("a", 1): 0, ("c", 3): 0})
    sends = cluster["a"].shard.receive(request, cluster.now).sends
    assert [to for to, _ in sends] == ["c", "c", "c"]
    sizes = [
        sum(part.size for part in ack.delta.values())
        for _, ack in sends
        if isinstance(ack, TransferAck)
    ]
    assert sizes == [MAX_TRANSFER, MAX_TRANSFER, 1]


def test_a_change_that_does_not_wait_is_sent_with_the_clock_of_its_sender_alone() -> None:
    """The ticks send all clocks, also of a replica that has changes all the time."""
    cluster = Cluster("abc")
    for name in "abc":
        cluster[name].track(name)
    cluster.run(4)
    shard, clocks = cluster["a"].shard, []
    for key in range(2 * QUICK.silent_ticks):
        cluster["a"].track(str(key))
        for outcome in (shard.send_changes(), shard.tick(cluster.now)):
            clocks += [one.clocks for _, one in outcome.sends if isinstance(one, Heartbeat)]
    assert clocks[0].keys() == {("a", 1)}
    assert [len(one) for one in clocks].count(3) >= 1
    assert {len(one) for one in clocks} == {1, 3}


def test_the_clock_of_a_sender_alone_does_not_hide_what_it_knows_of_others() -> None:
    """A replica that misses changes of a third replica still asks for them."""
    cluster = Cluster("abc")
    for name in "abc":
        cluster[name].track(name)
    cluster.run(4)
    shard = cluster["c"].shard
    shard.receive(Heartbeat(("b", 2), {}, {("b", 2): 1, ("a", 1): 5}), cluster.now)
    shard.receive(Heartbeat(("b", 2), {}, {("b", 2): 1}), cluster.now)
    sends = [*shard.tick(cluster.now).sends, *shard.tick(cluster.now).sends]
    assert ("b", TransferRequest(("c", 3), shard.state.clocks(hidden=True))) in sends
