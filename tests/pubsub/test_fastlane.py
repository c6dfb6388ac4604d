"""The fastlane: the broadcasts of one turn are written together, in the order of single writes."""

from __future__ import annotations

from unittest import mock

import msgspec
import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bennu import Broadcast
from bennu.errors import EncodeError
from bennu.message import TEXT
from bennu.protocol import JSONV1, JSONV2, Serializer
from bennu.pubsub import fastlane
from bennu.pubsub.fastlane import MAX_BYTES, MAX_ENTRIES, LaneKey
from bennu.reasons import DropReason

from ..support.frames import broadcast, decode_v1, decode_v2
from . import outboxes
from .outboxes import CountingSerializer, Member, RecordingOutbox, TupleFraming, key_for


class Bus(outboxes.Bus):
    """A PubSub whose members are named."""

    def member(self, topic: str, outbox: RecordingOutbox, key: LaneKey) -> Member:
        """Let a connection join a topic."""
        member = Member(outbox)
        self.enter(topic, key, outbox, member)
        return member

    def reply(self, outbox: RecordingOutbox, text: str) -> None:
        """Write to one connection alone, as a Connection does."""
        self.batch.sync(outbox)
        outbox.write(key_for()[1].frame(TEXT, text.encode()))


def numbers(outbox: RecordingOutbox) -> list[object]:
    """Return a V2 client's messages: broadcasts as numbers, and others as text."""
    return [
        msgspec.json.decode(data)[4]["n"] if data.startswith(b"[") else data.decode()
        for data in outbox.received
    ]


# The property.

TOPICS = "ABC"
EVENTS = "xy"
BOUND = 5
"""A small bound in place of MAX_ENTRIES, so that programs reach it."""


class Programs(RuleBasedStateMachine):
    """Random programs, run on the fastlane, and on lists that are written to at once."""

    connections = st.integers(0, 4)
    topics = st.sampled_from(TOPICS)
    events = st.sampled_from(EVENTS)

    def __init__(self) -> None:
        super().__init__()
        self.bus = Bus()
        one, other = TupleFraming(), TupleFraming()
        self.speaks: list[tuple[Serializer, TupleFraming]] = [
            (JSONV2, one),
            (JSONV2, one),
            (JSONV2, one),
            (JSONV1, one),
            (JSONV2, other),
        ]
        self.outboxes = [RecordingOutbox() for _ in self.speaks]
        self.unbatched: list[list[bytes]] = [[] for _ in self.speaks]
        self.members: dict[tuple[int, str], tuple[LaneKey, Member]] = {}
        self.to_intercept: dict[Member, list[Broadcast]] = {}
        self.sent = 0
        self.bound = mock.patch.object(fastlane, "MAX_ENTRIES", BOUND)
        self.bound.start()

    def teardown(self) -> None:
        self.bound.stop()
        self.end_of_turn()

    @rule(connection=connections, topic=topics, intercepts=st.sampled_from(["", "x", "xy"]))
    def subscribe(self, connection: int, topic: str, intercepts: str) -> None:
        if (connection, topic) in self.members:
            return
        serializer, framing = self.speaks[connection]
        key = key_for(serializer, framing, intercepts)
        member = self.bus.member(topic, self.outboxes[connection], key)
        self.members[connection, topic] = key, member
        self.to_intercept[member] = []

    @rule(connection=connections, topic=topics)
    def unsubscribe(self, connection: int, topic: str) -> None:
        key, _ = self.members.pop((connection, topic), (None, None))
        if key is not None:
            self.bus.leave(topic, key, self.outboxes[connection])

    @rule(topic=topics, event=events)
    def broadcast(self, topic: str, event: str) -> None:
        self.say(topic, event, None)

    @rule(connection=connections, topic=topics, event=events)
    def broadcast_from(self, connection: int, topic: str, event: str) -> None:
        _, sender = self.members.get((connection, topic), (None, None))
        self.say(topic, event, sender or Member(self.outboxes[connection]))

    def say(self, topic: str, event: str, sender: Member | None) -> None:
        self.sent += 1
        message = Broadcast(topic, event, {"n": self.sent})
        self.bus.local_broadcast(topic, message, sender=sender)
        for (connection, joined), (key, member) in self.members.items():
            if joined != topic or member is sender:
                continue
            serializer, _, intercepts, _ = key
            if event in intercepts:
                self.to_intercept[member].append(message)
            else:
                _, data = serializer.broadcast(topic, event, message.payload)
                self.unbatched[connection].append(data)

    @rule(connection=connections)
    def write(self, connection: int) -> None:
        self.sent += 1
        self.bus.reply(self.outboxes[connection], f"reply {self.sent}")
        self.unbatched[connection].append(f"reply {self.sent}".encode())
        assert self.outboxes[connection].received == self.unbatched[connection]

    @rule()
    def end_of_turn(self) -> None:
        self.bus.end_turn()
        for outbox, unbatched in zip(self.outboxes, self.unbatched, strict=True):
            assert outbox.received == unbatched

    @invariant()
    def nothing_comes_early_twice_or_out_of_order(self) -> None:
        for outbox, unbatched in zip(self.outboxes, self.unbatched, strict=True):
            assert outbox.received == unbatched[: len(outbox.received)]
        for member, expected in self.to_intercept.items():
            assert member.intercepted == expected


class TestOrderIsThatOfUnbatchedWrites(Programs.TestCase):  # type: ignore[misc, valid-type]
    """The order of batched writes equals the order of single writes on each connection, for any program."""

    settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


# Examples of the same, and of the number of writes.


def test_broadcasts_of_one_turn_leave_in_one_write() -> None:
    """Twenty broadcasts cost each connection one write, and each is encoded once."""
    bus = Bus()
    serializer = CountingSerializer()
    outboxes = [RecordingOutbox() for _ in range(3)]
    for outbox in outboxes:
        bus.member("A", outbox, key_for(serializer))
    for n in range(20):
        bus.say("A", n)
    assert [outbox.writes for outbox in outboxes] == [0, 0, 0]
    bus.end_turn()
    for outbox in outboxes:
        assert outbox.writes == 1
        assert numbers(outbox) == list(range(20))
    assert serializer.count == 20


def test_lanes_of_one_topic_are_encoded_for_each_serializer() -> None:
    """A V1 client and a V2 client of one topic each get their own form of a broadcast."""
    bus = Bus()
    old, new = RecordingOutbox(), RecordingOutbox()
    bus.member("A", old, key_for(JSONV1))
    bus.member("A", new, key_for(JSONV2))
    bus.say("A", 1)
    bus.end_turn()
    assert [decode_v1(data.decode()) for data in old.received] == [broadcast("A", "e", {"n": 1})]
    assert [decode_v2(data.decode()) for data in new.received] == [broadcast("A", "e", {"n": 1})]


def test_two_topics_are_seen_in_the_order_of_broadcasting() -> None:
    """A member of A and B gets A, B, A. A member of A alone gets its messages in one write."""
    bus = Bus()
    both, one = RecordingOutbox(), RecordingOutbox()
    for topic in "AB":
        bus.member(topic, both, key_for())
    bus.member("A", one, key_for())
    for n, topic in enumerate("ABA"):
        bus.say(topic, n)
    bus.end_turn()
    assert numbers(both) == [0, 1, 2]
    assert numbers(one) == [0, 2]
    assert both.writes == one.writes == 1


def test_a_reply_comes_after_what_was_broadcast_before_it() -> None:
    """Before a single write, the earlier broadcasts of this turn are written to this connection."""
    bus = Bus()
    caller, other = RecordingOutbox(), RecordingOutbox()
    for outbox in (caller, other):
        bus.member("A", outbox, key_for())
    bus.say("A", 1)
    bus.reply(caller, "reply")
    assert numbers(caller) == [1, "reply"]
    assert numbers(other) == []
    bus.say("A", 2)
    bus.end_turn()
    assert numbers(caller) == [1, "reply", 2]
    assert numbers(other) == [1, 2]


def test_who_joins_in_mid_turn_hears_nothing_earlier() -> None:
    """A member gets broadcasts after its join, and not those of the same turn before its join."""
    bus = Bus()
    early, late = RecordingOutbox(), RecordingOutbox()
    bus.member("A", early, key_for())
    bus.say("A", 1)
    bus.member("A", late, key_for())
    bus.say("A", 2)
    bus.end_turn()
    assert numbers(early) == [1, 2]
    assert numbers(late) == [2]


def test_who_leaves_in_mid_turn_hears_what_came_before() -> None:
    """A member gets the broadcasts before its leave, and no more."""
    bus = Bus()
    outbox = RecordingOutbox()
    bus.member("A", outbox, key_for())
    bus.say("A", 1)
    bus.leave("A", key_for(), outbox)
    bus.say("A", 2)
    bus.end_turn()
    assert numbers(outbox) == [1]
    assert bus.subscribers("A") == 0


def test_the_sender_of_a_broadcast_from_is_passed_by_alone() -> None:
    """The sender does not get its own message, but gets the messages before and after it in the turn."""
    bus = Bus()
    sending, other = RecordingOutbox(), RecordingOutbox()
    sender = bus.member("A", sending, key_for())
    bus.member("A", other, key_for())
    bus.say("A", 1)
    bus.say("A", 2, sender=sender)
    bus.say("A", 3)
    bus.end_turn()
    assert numbers(sending) == [1, 3]
    assert numbers(other) == [1, 2, 3]


def test_a_full_log_leaves_at_once() -> None:
    """A loop of broadcasts in one turn keeps bounded memory, and its caller is told to wait."""
    bus = Bus()
    outbox = RecordingOutbox()
    bus.member("A", outbox, key_for())
    crowded = [bus.say("A", n) for n in range(MAX_ENTRIES + 1)]
    assert crowded == [False] * (MAX_ENTRIES - 1) + [True, False]
    assert numbers(outbox) == list(range(MAX_ENTRIES))
    bus.end_turn()
    assert numbers(outbox) == list(range(MAX_ENTRIES + 1))
    assert outbox.writes == 2


def test_a_log_of_too_many_bytes_leaves_at_once() -> None:
    """The log of a turn is also bounded in bytes."""
    bus = Bus()
    outbox = RecordingOutbox()
    lane = fastlane.Lane(key_for())
    lane.members[outbox] = Member(outbox)
    outbox.lanes = 1
    frame = ((TEXT, b"x" * (MAX_BYTES // 2)),)
    assert bus.batch.add(lane, frame) is False
    assert outbox.writes == 0
    assert bus.batch.add(lane, frame) is True
    assert outbox.writes == 1
    bus.end_turn()
    assert outbox.writes == 1


def test_what_is_intercepted_goes_to_the_channel_and_not_to_the_client() -> None:
    """Only events of ``@on_out`` go to the channel. The sender of a ``broadcast_from`` is skipped."""
    bus = Bus()
    outbox, other = RecordingOutbox(), RecordingOutbox()
    member = bus.member("A", outbox, key_for(intercepts="x"))
    sender = bus.member("A", other, key_for(intercepts="x"))
    bus.say("A", 1, event="x", sender=sender)
    bus.say("A", 2, event="y")
    bus.end_turn()
    assert member.intercepted == [Broadcast("A", "x", {"n": 1})]
    assert sender.intercepted == []
    assert numbers(outbox) == numbers(other) == [2]


def test_a_payload_that_cannot_be_written_is_sent_to_nobody() -> None:
    """The caller gets the error, and no client gets the broadcast. In Phoenix some clients get it."""
    bus = Bus()
    old, new = RecordingOutbox(), RecordingOutbox()
    bus.member("A", old, key_for(JSONV1))  # V1 takes any JSON value, and V2 only an object
    bus.member("A", new, key_for(JSONV2))
    with pytest.raises(EncodeError):
        bus.local_broadcast("A", Broadcast("A", "e", [1]))
    bus.end_turn()
    assert old.writes == new.writes == 0


def test_a_binary_broadcast_passes_by_those_who_cannot_take_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A V1 client does not fail a binary broadcast for other clients. The log has a line about it."""
    bus = Bus()
    old, new = RecordingOutbox(), RecordingOutbox()
    bus.member("A", old, key_for(JSONV1))
    bus.member("A", new, key_for(JSONV2))
    bus.local_broadcast("A", Broadcast("A", "e", b"\x07"))
    bus.end_turn()
    assert old.writes == 0
    assert new.received == [b"\x02\x01\x01Ae\x07"]
    assert len(caplog.records) == 1
    assert "binary broadcast of 'e' on 'A' was not sent to 1 client(s)" in caplog.text
    assert bus.telemetry.drops == {("A", DropReason.NO_BINARY): 1}
