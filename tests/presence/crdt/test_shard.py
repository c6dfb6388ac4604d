"""The protocol between shards: who is told what, when replicas come and go, and what readers see of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from bennu.errors import AlreadyTracked, NotTracked
from bennu.presence.crdt import (
    Diff,
    Goodbye,
    Heartbeat,
    Outcome,
    Shard,
    Status,
    TransferAck,
    TransferRequest,
    encode,
)
from bennu.presence.crdt.delta import Part

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
def test_when_an_actor_ends_here_it_leaves_there_at_the_next_tick() -> None:
    """As does what is updated, whose new meta joins in the same diff."""
    cluster = Cluster("ab")
    one, other = cluster["a"].track("k", actor=2), cluster["a"].track("l")
    cluster.run()
    cluster["b"].take_diffs()
    cluster["a"].untrack_actor(2)
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
    cluster.run()
    cluster.start("b")
    cluster.run()
    assert cluster["b"].shard.replicas == {}
    cluster.run()
    assert cluster["b"].shard.replicas == {"a": UP}


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


def test_whoever_missed_a_little_gets_a_little() -> None:
    """From the generations, also of those who only heard it."""
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
    """Who asks hears it soon; a generation is enough until then."""
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
    """And nothing of itself."""
    cluster = Cluster("abc")
    for name in "abc":
        cluster[name].track(name)
    cluster.run(4)
    request = TransferRequest(("c", 3), {("b", 2): 0, ("c", 3): 0})
    [(_, ack)] = cluster["a"].shard.receive(request, cluster.now).sends

    assert isinstance(ack, TransferAck)
    assert ack.delta.keys() == {("b", 2)}


def test_after_a_whole_transfer_the_generations_go_on_with_what_comes_next() -> None:
    """The third one then gets the little that it missed from who missed much."""
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
    """So who got it can pass it on, and goes on with what comes next."""
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
    """It is hidden until its replica is heard again, and then joins at once, once."""
    cluster = Cluster("abc", replace(QUICK, permdown=99.0))
    cluster.run(4)
    cluster.split("a", "c")
    cluster.run(7)
    assert cluster["c"].shard.replicas["a"] is DOWN
    joined = cluster["a"].track()
    cluster.run(6)
    assert cluster["c"].diffs == []
    assert cluster["c"].shard.dirty_entries("t") == [joined]
    cluster.heal()
    cluster.run(4)

    assert cluster["c"].diffs == [Diff(joins=[joined])]


def test_what_a_third_one_knows_less_of_is_not_asked_for() -> None:
    """Nobody asks when all know the same."""
    cluster = Cluster("abc")
    cluster.run(4)
    cluster["a"].track()
    cluster.run(4)
    cluster.take_sent()
    cluster.run(20)

    assert cluster.take_requests() == []


# Replicas come and go.


@pytest.mark.conformance("TR016", "TR042", "TR025")
def test_one_that_is_silent_goes_down_and_joins_from_memory_when_it_is_heard_again() -> None:
    """It is the same replica, and nothing need be told again."""
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
    """What else it tracks does, with what is new, in one diff."""
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
    assert not any(cluster["b"].shard._generations.deltas)  # nothing keeps them in memory


def test_one_that_was_up_and_is_deleted_leaves_once() -> None:
    """When nobody looked at its silence until then."""
    cluster = Cluster("ab")
    joined = cluster["a"].track()
    cluster.run(3)
    cluster["b"].take_diffs()
    cluster.now += 13
    cluster.tick("b")

    assert cluster["b"].take_diffs() == [Diff(leaves=[joined])]
    assert cluster["b"].shard.replicas == {}


def test_one_that_was_deleted_and_comes_back_is_as_new() -> None:
    """It is asked for all that it has."""
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
    """On no other node, and not on its own either."""
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
    """A heartbeat of it that comes late does not bring it back."""
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


def test_a_removal_is_told_on_by_who_heard_of_it() -> None:
    """So one who missed it need not wait for a transfer."""
    cluster = Cluster("abc")
    joined = cluster["a"].track()
    cluster.run(4)
    cluster["c"].take_diffs()
    cluster.cut.add(("a", "c"))
    cluster["a"].untrack()
    cluster.run()

    assert cluster["c"].take_diffs() == [Diff(leaves=[joined])]


# Names.


def test_whoever_speaks_under_our_own_name_is_not_heard() -> None:
    """It is an echo, or a second process with our name."""
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
    """Nobody flaps between the two; when it dies, the other one is heard."""
    cluster = Cluster("b")
    older, newer = Node("a", 100, QUICK), Node("a", 200, QUICK)
    older.track("older")
    newer.track("newer")
    listed = []
    for second in range(22):
        # What is said to the name reaches only one of them.
        cluster.nodes["a"] = newer if second < 8 else older
        for _, message in older.shard.hurry(cluster.now).sends:
            cluster.deliver("b", encode(message))
        cluster.run()
        listed.append("".join(cluster["b"].keys()))
        older.update("older")

    assert listed[:8] == ["newer"] * 8
    assert listed[-1] == "older"
    changes = [one for one, next_one in pairwise(listed) if one != next_one]
    assert changes in (["newer"], ["newer", ""])
