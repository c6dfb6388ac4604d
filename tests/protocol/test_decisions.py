"""The decision table of a connection, row by row (protocol, §2.8), and its invariants."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bennu.message import Message
from bennu.protocol.decisions import Decision, Memberships

from ..support.properties import json_values, property_test, refs

JOINED = "room:joined"
NULL = "room:null"  # joined with a join_ref of null
NUMBER = "room:number"  # joined with the join_ref 1


def message(join_ref: Any, topic: Any, event: Any, ref: Any = "9") -> Message:
    """Return a message with a payload that does not matter."""
    return Message(join_ref, ref, topic, event, msgspec.Raw(b"{}"))


def session() -> Memberships[str]:
    """Return a connection that has joined three topics."""
    made: Memberships[str] = Memberships()
    made.add(JOINED, "1", "the channel")
    made.add(NULL, None, "another")
    made.add(NUMBER, 1, "a third")
    return made


TABLE = [
    # Row 1: a heartbeat needs no join, and its join_ref is ignored.
    (1, None, "phoenix", "heartbeat", Decision.HEARTBEAT),
    (1, "1", "phoenix", "heartbeat", Decision.HEARTBEAT),
    # Row 2: a join of a topic that is not joined, with or without a channel for it.
    (2, "2", "room:new", "phx_join", Decision.JOIN),
    (2, None, "room:new", "phx_join", Decision.JOIN),
    (2, "2", "", "phx_join", Decision.JOIN),
    (2, "2", 5, "phx_join", Decision.JOIN),
    (2, "2", ["a"], "phx_join", Decision.JOIN),
    (2, "2", None, "phx_join", Decision.JOIN),
    (2, "2", "phoenix", "phx_join", Decision.JOIN),
    # Row 3: a join of a topic that is joined, with any join_ref.
    (3, "1", JOINED, "phx_join", Decision.REJOIN),
    (3, "2", JOINED, "phx_join", Decision.REJOIN),
    (3, None, JOINED, "phx_join", Decision.REJOIN),
    (3, "2", NULL, "phx_join", Decision.REJOIN),
    # Row 4: a leave with the join_ref of the join, or with null.
    (4, "1", JOINED, "phx_leave", Decision.LEAVE),
    (4, None, JOINED, "phx_leave", Decision.LEAVE),
    (4, None, NULL, "phx_leave", Decision.LEAVE),
    (4, 1, NUMBER, "phx_leave", Decision.LEAVE),
    # Row 5: a leave with the join_ref of an earlier join.
    (5, "0", JOINED, "phx_leave", Decision.STALE),
    (5, 1, JOINED, "phx_leave", Decision.STALE),
    (5, "1", NULL, "phx_leave", Decision.STALE),
    (5, "", JOINED, "phx_leave", Decision.STALE),
    # Row 6: an event for the channel.
    (6, "1", JOINED, "new_msg", Decision.DELIVER),
    (6, None, JOINED, "new_msg", Decision.DELIVER),
    (6, None, NULL, "new_msg", Decision.DELIVER),
    (6, 1, NUMBER, "new_msg", Decision.DELIVER),
    (6, "1", JOINED, "heartbeat", Decision.DELIVER),
    (6, "1", JOINED, "phx_reply", Decision.DELIVER),
    (6, "1", JOINED, "", Decision.DELIVER),
    (6, "1", JOINED, {"an": "object"}, Decision.DELIVER),
    (6, "1", JOINED, None, Decision.DELIVER),
    # Row 7: an event with the join_ref of an earlier join. Only null is the wildcard.
    (7, "0", JOINED, "new_msg", Decision.STALE),
    (7, "", JOINED, "new_msg", Decision.STALE),
    (7, 1, JOINED, "new_msg", Decision.STALE),
    (7, False, JOINED, "new_msg", Decision.STALE),
    (7, "1", NULL, "new_msg", Decision.STALE),
    (7, "", NULL, "new_msg", Decision.STALE),
    (7, True, NUMBER, "new_msg", Decision.STALE),
    (7, 1.0, NUMBER, "new_msg", Decision.STALE),
    (7, "1", NUMBER, "new_msg", Decision.STALE),
    # Row 8: a leave of a topic that is not joined.
    (8, "1", "room:new", "phx_leave", Decision.LEFT_ALREADY),
    (8, None, "no:channel:at:all", "phx_leave", Decision.LEFT_ALREADY),
    (8, None, 5, "phx_leave", Decision.LEFT_ALREADY),
    (8, None, "phoenix", "phx_leave", Decision.LEFT_ALREADY),
    # Row 9: everything else.
    (9, "1", "room:new", "new_msg", Decision.UNMATCHED),
    (9, None, "phoenix", "other", Decision.UNMATCHED),
    (9, None, "phoenix:x", "heartbeat", Decision.UNMATCHED),
    (9, None, {"an": "object"}, "new_msg", Decision.UNMATCHED),
    (9, None, None, None, Decision.UNMATCHED),
    (9, None, True, ["phx_join"], Decision.UNMATCHED),
]


@pytest.mark.parametrize(("row", "join_ref", "topic", "event", "decision"), TABLE)
def test_the_decision_table(
    row: int, join_ref: Any, topic: Any, event: Any, decision: Decision
) -> None:
    """The first matching row decides. The decision has the topic's membership."""
    connection = session()
    is_joined = row in {3, 4, 5, 6, 7}

    decided, membership = connection.decide(message(join_ref, topic, event))

    assert decided is decision, f"row {row}"
    assert membership is (connection[topic] if is_joined else None)


def test_a_channel_may_be_joined_on_phoenix_itself_and_heartbeats_still_win() -> None:
    """Other events of this topic go to the channel."""
    connection: Memberships[str] = Memberships()
    connection.add("phoenix", "1", "the channel")

    assert connection.decide(message(None, "phoenix", "heartbeat"))[0] is Decision.HEARTBEAT
    assert connection.decide(message("1", "phoenix", "other"))[0] is Decision.DELIVER
    assert connection.decide(message("1", "phoenix", "phx_leave"))[0] is Decision.LEAVE


def test_a_channel_that_is_leaving_still_gets_its_messages() -> None:
    """A channel stays in the table until its end."""
    connection = session()
    connection[JOINED].leaving = True

    assert connection.decide(message("1", JOINED, "new_msg"))[0] is Decision.DELIVER
    assert connection.decide(message("1", JOINED, "phx_leave"))[0] is Decision.LEAVE
    assert connection.decide(message("2", JOINED, "phx_join"))[0] is Decision.REJOIN


def test_a_membership_remembers_the_join_ref_as_it_came() -> None:
    """The join_ref can be null; it is sent with phx_close."""
    membership = session().add("room:2", None, "channel")

    assert (membership.topic, membership.join_ref, membership.channel, membership.leaving) == (
        "room:2",
        None,
        "channel",
        False,
    )


def test_a_removed_channel_is_returned_and_its_topic_is_free() -> None:
    """The topic is unmatched until the next join."""
    connection = session()
    membership = connection[JOINED]

    assert connection.remove(JOINED, "the channel") is membership
    assert connection.remove(JOINED, "the channel") is None
    assert connection.decide(message("1", JOINED, "new_msg"))[0] is Decision.UNMATCHED
    assert connection.decide(message("1", JOINED, "phx_join"))[0] is Decision.JOIN


def test_a_channel_does_not_remove_the_one_that_took_its_place() -> None:
    """The end of an earlier channel can be reported after the next channel has joined."""
    connection = session()
    connection.remove(JOINED, "the channel")
    connection.add(JOINED, "2", "the next channel")

    assert connection.remove(JOINED, "the channel") is None
    assert connection[JOINED].channel == "the next channel"


def test_channels_are_told_apart_by_what_they_are_and_not_by_equality() -> None:
    """Two channels can compare equal."""
    one, other = ["same"], ["same"]
    connection: Memberships[list[str]] = Memberships()
    connection.add("room:1", "1", one)

    assert connection.remove("room:1", other) is None
    assert connection.remove("room:1", one) is not None


_TOPICS = st.sampled_from([JOINED, NULL, NUMBER, "room:new", "phoenix", ""]) | json_values
_EVENTS = st.sampled_from(["phx_join", "phx_leave", "heartbeat", "new_msg"]) | json_values


@property_test
@given(st.lists(st.builds(message, refs | json_values, _TOPICS, _EVENTS, refs), max_size=8))
def test_no_message_raises_and_deciding_changes_nothing(messages: list[Message]) -> None:
    """Each of the five elements can be any JSON value. A decision does not change the table."""
    connection = session()
    before = dict(connection)

    for one in messages:
        decision, membership = connection.decide(one)
        assert isinstance(decision, Decision)
        assert membership is None or membership is before[one.topic]

    assert connection == before
    assert not any(membership.leaving for membership in before.values())


class Connections(RuleBasedStateMachine):
    """A connection, and a dict of the joined topics and their join_refs."""

    def __init__(self) -> None:
        super().__init__()
        self.session: Memberships[object] = Memberships()
        self.model: dict[str, tuple[Any, object]] = {}

    topics = st.sampled_from(["a", "b", "c"])
    join_refs = st.sampled_from([None, "1", "2", 1])

    @rule(topic=topics, join_ref=join_refs)
    def join(self, topic: str, join_ref: Any) -> None:
        """Join as the server does: an earlier channel of the topic ends first."""
        decision, membership = self.session.decide(message(join_ref, topic, "phx_join"))
        if decision is Decision.REJOIN:
            assert membership is not None
            assert self.session.remove(topic, membership.channel) is membership
        else:
            assert decision is Decision.JOIN
        channel = object()
        self.session.add(topic, join_ref, channel)
        self.model[topic] = (join_ref, channel)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """End one of the channels."""
        topic = data.draw(st.sampled_from(sorted(self.model)))
        _, channel = self.model.pop(topic)
        assert self.session.remove(topic, channel) is not None

    @rule(topic=topics)
    def end_what_is_gone(self, topic: str) -> None:
        """Report the end of a channel that was replaced, or has ended before."""
        assert self.session.remove(topic, object()) is None

    @rule(topic=topics, join_ref=join_refs)
    def leave(self, topic: str, join_ref: Any) -> None:
        """Send a leave. It changes nothing before the channel has ended."""
        decision, _ = self.session.decide(message(join_ref, topic, "phx_leave"))
        assert decision is self._expected(topic, join_ref, Decision.LEAVE, Decision.LEFT_ALREADY)

    @rule(topic=topics, join_ref=join_refs)
    def send(self, topic: str, join_ref: Any) -> None:
        """Send an event."""
        decision, _ = self.session.decide(message(join_ref, topic, "new_msg"))
        assert decision is self._expected(topic, join_ref, Decision.DELIVER, Decision.UNMATCHED)

    def _expected(
        self, topic: str, join_ref: Any, current: Decision, without: Decision
    ) -> Decision:
        if topic not in self.model:
            return without
        fits = join_ref is None or repr(join_ref) == repr(self.model[topic][0])
        return current if fits else Decision.STALE

    @invariant()
    def topics_change_by_adding_and_removing_alone(self) -> None:
        """The table equals the dict after each step."""
        assert {
            topic: (membership.join_ref, membership.channel)
            for topic, membership in self.session.items()
        } == self.model


TestConnections = Connections.TestCase
TestConnections.settings = property_test
