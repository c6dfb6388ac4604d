"""The fastlane with clients that stop reading and continue: the order holds, and drops are counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from unittest import mock

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec import json

from bennu import Broadcast, DropOldest, Latest
from bennu.backpressure import DropPolicy
from bennu.protocol import JSONV2
from bennu.pubsub import fastlane
from bennu.reasons import DropReason
from bennu.server.backpressure import CHUNK

from .outboxes import Bus, Member, RecordingOutbox, StallingOutbox, TupleFraming, key_for


def numbers(received: Sequence[bytes]) -> list[Any]:
    """Return broadcasts and pushes as numbers, and other messages as text."""
    return [
        json.decode(data)[4]["n"] if data.startswith(b"[") else data.decode() for data in received
    ]


def is_part_of(part: Sequence[bytes], whole: Sequence[bytes]) -> bool:
    """Return whether these messages came in order, with gaps."""
    rest = iter(whole)
    return all(one in rest for one in part)


# The property.

TOPICS = "ABC"
EVENTS = "xy"
BOUND = 5
"""A small bound in place of MAX_ENTRIES, so that programs reach it."""

OLDEST = DropOldest(max=2)
LATEST = Latest(key="key")
POLICIES: list[dict[str, DropPolicy | None]] = [
    dict.fromkeys(TOPICS),
    dict.fromkeys(TOPICS),
    dict.fromkeys(TOPICS, OLDEST),
    dict.fromkeys(TOPICS, LATEST),
    {"A": None, "B": OLDEST, "C": LATEST},
]
"""The policy of each connection and topic. The first two policies must lose nothing."""


class Programs(RuleBasedStateMachine):
    """Random programs, run on the fastlane, and on lists that are written to at once."""

    connections = st.integers(0, len(POLICIES) - 1)
    topics = st.sampled_from(TOPICS)
    events = st.sampled_from(EVENTS)

    def __init__(self) -> None:
        super().__init__()
        self.bus = Bus()
        one, other = TupleFraming(), TupleFraming()
        self.outboxes = [StallingOutbox(self.bus, one) for _ in POLICIES[1:]]
        self.outboxes.insert(1, StallingOutbox(self.bus, other))
        self.unbatched: list[list[bytes]] = [[] for _ in POLICIES]
        self.members: dict[tuple[int, str], Member] = {}
        self.said: dict[Member, list[tuple[Any, bytes]]] = defaultdict(list)
        self.undroppable: list[set[bytes]] = [set() for _ in POLICIES]
        self.intercepted: dict[Member, list[Broadcast]] = defaultdict(list)
        self.intercepts: dict[Member, str] = {}
        self.sent = 0
        self.bound = mock.patch.object(fastlane, "MAX_ENTRIES", BOUND)
        self.bound.start()

    def teardown(self) -> None:
        self.bound.stop()
        for outbox in self.outboxes:
            outbox.read_on()
        self.end_of_turn()
        for number, outbox in enumerate(self.outboxes):
            assert self.undroppable[number] <= set(outbox.received)
        for (member, said), got in ((one, self.got(one[0])) for one in self.said.items()):
            if member.drop_policy is OLDEST:
                assert {data for _, data in said[-OLDEST.max :]} <= got
            else:
                assert set(dict(said).values()) <= got  # the newest of each key
        lost = sum(map(len, self.unbatched)) - sum(len(one.received) for one in self.outboxes)
        drops = self.bus.telemetry.drops
        assert sum(drops.values()) == lost
        assert {reason for _, reason in drops} <= {
            DropReason.SLOW_OLDEST,
            DropReason.SLOW_REPLACED,
        }

    def got(self, member: Member) -> set[bytes]:
        return next(set(one.received) for one in self.outboxes if one.connection is member.outbox)

    @rule(connection=connections, topic=topics, intercepts=st.sampled_from(["", "", "x"]))
    def join(self, connection: int, topic: str, intercepts: str) -> None:
        if (connection, topic) not in self.members:
            policy = POLICIES[connection][topic]
            member = self.outboxes[connection].join(topic, policy, intercepts)
            self.members[connection, topic] = member
            self.intercepts[member] = intercepts

    @rule(connection=connections, topic=topics)
    def leave(self, connection: int, topic: str) -> None:
        member = self.members.pop((connection, topic), None)
        if member is not None:
            self.outboxes[connection].leave(member)

    @rule(topic=topics, event=events)
    def broadcast(self, topic: str, event: str) -> None:
        self.say(topic, event, None)

    @rule(connection=connections, topic=topics, event=events)
    def broadcast_from(self, connection: int, topic: str, event: str) -> None:
        stranger = Member(self.outboxes[connection].connection)
        self.say(topic, event, self.members.get((connection, topic), stranger))

    def say(self, topic: str, event: str, sender: Member | None) -> None:
        message = Broadcast(topic, event, self.payload())
        self.bus.local_broadcast(topic, message, sender=sender)
        for (connection, joined), member in self.members.items():
            if joined == topic and member is not sender:
                if event in self.intercepts[member]:
                    self.intercepted[member].append(message)
                else:
                    _, data = JSONV2.broadcast(topic, event, message.payload)
                    self.note(connection, member, event, message.payload, data)

    @rule(connection=connections, topic=topics, event=events)
    def push(self, connection: int, topic: str, event: str) -> None:
        member = self.members.get((connection, topic))
        if member is not None:
            payload = self.payload()
            _, data = self.outboxes[connection].push(member, event, payload)
            self.note(connection, member, event, payload, data)

    def payload(self) -> dict[str, int]:
        self.sent += 1
        return {"n": self.sent, "key": self.sent % 2}

    def note(
        self, connection: int, member: Member, event: str, payload: dict[str, int], data: bytes
    ) -> None:
        self.unbatched[connection].append(data)
        if member.drop_policy is None:
            self.undroppable[connection].add(data)
        else:
            self.said[member].append(((event, payload["key"]), data))

    @rule(connection=connections)
    def reply(self, connection: int) -> None:
        self.sent += 1
        data = f"reply {self.sent}"
        self.outboxes[connection].reply(data)
        self.unbatched[connection].append(data.encode())
        self.undroppable[connection].add(data.encode())

    @rule(connection=connections)
    def stall(self, connection: int) -> None:
        self.outboxes[connection].stall()

    @rule(connection=connections)
    def read_on(self, connection: int) -> None:
        self.outboxes[connection].read_on()

    @rule()
    def end_of_turn(self) -> None:
        self.bus.end_turn()
        for outbox, unbatched in zip(self.outboxes, self.unbatched, strict=True):
            if not outbox.wire.is_stalled:
                assert outbox.connection.backpressure is None
                assert outbox.received[-1:] == unbatched[-1:]  # the last is never dropped
        for outbox, unbatched in zip(self.outboxes[:2], self.unbatched, strict=False):
            if not outbox.wire.is_stalled:
                assert outbox.received == unbatched

    @invariant()
    def nothing_comes_early_twice_or_out_of_order(self) -> None:
        for outbox, unbatched in zip(self.outboxes[:2], self.unbatched, strict=False):
            assert outbox.received == unbatched[: len(outbox.received)]
        for outbox, unbatched in zip(self.outboxes, self.unbatched, strict=True):
            assert is_part_of(outbox.received, unbatched)
        for member, expected in self.intercepted.items():
            assert member.intercepted == expected


class TestOrderHoldsForTheSlow(Programs.TestCase):  # type: ignore[misc, valid-type]
    """The messages that arrive are in the order of single writes. The others are counted."""

    settings = settings(max_examples=60, stateful_step_count=50, deadline=None)


# By example.


def test_a_slow_connection_steps_out_of_its_lane_and_back() -> None:
    """A slow connection is not in the batch of a turn. The writes to other connections stay the same."""
    bus = Bus()
    slow, other = StallingOutbox(bus), RecordingOutbox()
    slow.join("A", OLDEST)
    bus.enter("A", key_for(), other, Member(other))
    slow.stall()
    bus.say("A", 1)
    bus.end_turn()
    for n in (2, 3, 4, 5):
        bus.say("A", n)
    assert bus.subscribers("A") == 2
    bus.end_turn()
    assert (slow.writes, other.writes) == (1, 2)
    slow.read_on()
    bus.say("A", 6)
    bus.end_turn()
    assert numbers(slow.received) == [1, 4, 5, 6]
    assert numbers(other.received) == [1, 2, 3, 4, 5, 6]
    assert bus.telemetry.drops == {("A", DropReason.SLOW_OLDEST): 2}


def test_who_catches_up_in_mid_turn_hears_nothing_twice() -> None:
    """A message from the connection's queue is not written again at the end of the turn."""
    bus = Bus()
    slow = StallingOutbox(bus)
    slow.join("A", OLDEST)
    slow.stall()
    slow.reply("reply")
    bus.say("A", 1)
    slow.read_on()
    bus.say("A", 2)
    bus.end_turn()
    assert numbers(slow.received) == ["reply", 1, 2]


def test_the_sender_of_a_broadcast_from_may_be_slow() -> None:
    """The sender does not get its own message, but gets all others."""
    bus = Bus()
    slow = StallingOutbox(bus)
    member = slow.join("A", LATEST)
    slow.stall()
    slow.reply("reply")
    bus.local_broadcast("A", Broadcast("A", "e", {"n": 1, "key": 0}))
    bus.local_broadcast("A", Broadcast("A", "e", {"n": 2, "key": 0}), sender=member)
    bus.end_turn()
    slow.read_on()
    assert numbers(slow.received) == ["reply", 1]


def test_a_transport_may_say_that_it_drained_within_a_write() -> None:
    """A transport under TLS can drain within a write. Waiting messages are written once, and in order."""
    bus = Bus()
    slow = StallingOutbox(bus)
    slow.join("A", DropOldest(max=1000))
    slow.stall()
    slow.reply("reply")
    for n in range(500):
        bus.local_broadcast("A", Broadcast("A", "e", {"n": n, "x": "x" * 1000}))
    slow.wire.is_nervous = True
    slow.read_on()
    assert numbers(slow.received) == ["reply", *range(500)]
    assert slow.connection.backpressure is None


def test_a_connection_that_is_given_up_hears_nothing_more() -> None:
    """All messages until the connection is closed are counted."""
    bus = Bus()
    slow = StallingOutbox(bus, max_unsent=2000)
    slow.join("A", OLDEST)
    slow.stall()
    slow.reply("reply")
    replies = 0
    while not bus.callbacks:
        slow.reply("x" * 100)
        replies += 1
    bus.say("A", 1)
    slow.reply("too late")
    bus.end_turn()
    assert slow.code == 1013
    assert bus.telemetry.drops == {
        ("*", DropReason.SLOW_ENDED): replies,
        ("A", DropReason.SLOW_ENDED): 1,
    }


@pytest.mark.parametrize("policy", [None, LATEST])
def test_a_push_to_a_slow_client_comes_after_what_was_broadcast(policy: DropPolicy | None) -> None:
    """The push is after the broadcast, with and without a policy that drops messages."""
    bus = Bus()
    slow = StallingOutbox(bus)
    member = slow.join("A", policy)
    slow.stall()
    slow.reply("reply")
    bus.local_broadcast("A", Broadcast("A", "e", {"n": 1, "key": 1}))
    slow.push(member, "e", {"n": 2, "key": 2})
    bus.local_broadcast("A", Broadcast("A", "e", {"n": 3, "key": 3}))
    bus.end_turn()
    slow.read_on()
    assert numbers(slow.received) == ["reply", 1, 2, 3]


def test_a_transport_is_given_what_it_takes() -> None:
    """The transport gets only what it takes: messages in the queue can still be dropped."""
    bus = Bus()
    slow = StallingOutbox(bus)
    slow.join("A", DropOldest(max=500))
    slow.stall()
    slow.reply("reply")
    for n in range(500):
        bus.local_broadcast("A", Broadcast("A", "e", {"n": n, "x": "x" * 1000}))
    slow.read_once()
    assert CHUNK <= slow.wire.unsent < CHUNK + 2000
    assert slow.writes == 2
    for n in range(500, 1000):
        bus.local_broadcast("A", Broadcast("A", "e", {"n": n, "x": "x" * 1000}))
    slow.read_on()
    assert numbers(slow.received)[-500:] == list(range(500, 1000))


def test_who_is_slow_for_long_is_still_listened_to() -> None:
    """The client's messages are handled once its replies are written, even if more broadcasts wait."""
    bus = Bus()
    slow = StallingOutbox(bus, max_unsent=100_000)
    slow.join("A", OLDEST)
    slow.stall()
    for _ in range(100):
        slow.reply("x" * 100)
    assert slow.wire.is_paused
    bus.say("A", 1)
    slow.read_once()
    bus.say("A", 2)
    assert slow.connection.backpressure is not None
    assert not slow.wire.is_paused
