"""The world of the explorer: three nodes, eight clients, a store, and a bus that loses, repeats and reorders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from random import Random
from typing import Final

from bennu.history.gate import Gate
from bennu.history.member import MemberState
from bennu.history.position import MAX_OFFSET, Position
from bennu.history.run import Bounds
from bennu.store import NOBODY, Draft, LogEntry

from ..support.inside import gate_of
from .explorer_client import ModelClient
from .explorer_node import ModelNode
from .explorer_store import SIZE, Fault, ModelStore, Truth

__all__ = ["MODEL", "WEIGHTS", "World"]

WEIGHTS: Final = {
    "publish": 7.0,
    "bus": 40.0,
    "issue": 20.0,
    "read": 20.0,
    "answer": 20.0,
    "receive": 70.0,
    "request": 30.0,
    "pump": 20.0,
    "connect": 24.0,
    "cut": 2.5,
    "time_out": 4.0,
    "slow": 1.5,
    "trim": 0.3,
    "lose_all": 0.04,
    "fail_over": 0.06,
    "kill": 0.1,
    "check": 2.0,
    "forge": 0.6,
    "commit": 6.0,
    "handle": 8.0,
    "idle": 0.5,
    "read_again": 0.5,
    "leave": 0.5,
}
"""How often each kind of step is tried."""

SWARM: Final = (0.5, 1.0, 1.0, 3.0)
"""Factors of the weights."""

MODEL: Final = {
    "read_first": "a node reads the store first, hears the bus afterwards, and never compares again",
    "no_gap": "a node passes on an entry that does not follow the last one",
    "no_epoch": "a join compares offsets only, not epochs",
    "reply_top": "the reply's offset is the newest one, not the one that the frames start after",
    "early": "the client's helper accepts frames before the reply to its present join",
    "sequence": "offsets come from a sequence: assigned before the commit, visible after it",
    "user": "broadcast_from is kept by the user's id, not by the client's",
    "lineage": "a store that lost its newest entries in a failover keeps its epoch",
    "no_check": "nobody compares positions with the store while nothing arrives",
    "off_by_one": "a position whose next entry was trimmed still counts as recovered",
    "lane_early": "a channel enters the lane before it has caught up with it",
    "trim_replay": "a replay that finds its next entry trimmed goes on with the oldest that is left",
}
"""The mutations of the design. What clients get must betray them: the other checks of the explorer are off."""

CHOICES: Final = (
    Bounds(12, 10**6),
    Bounds(12, 10**6),
    Bounds(12, 60),
    Bounds(4, 10**6),
    Bounds(1, 10**6),
)
"""How much a client can get. A payload has 1 to 10 bytes."""


class World:
    """All that can happen to one topic.

    Args:
        seed: Of all chance.
        mutation: The rule that is removed, or "".
        stats: Counts what happened.
        gaps: Whether offsets have gaps.
        gate_type: The gate: another one for some mutations.
        weights: How often each kind of step is tried, if not as in ``WEIGHTS``.
    """

    def __init__(
        self,
        seed: int,
        mutation: str,
        stats: Counter[str],
        *,
        gaps: bool = False,
        gate_type: type[Gate] = Gate,
        weights: Mapping[str, float] = {},
    ) -> None:
        self.rng = Random(seed)
        self.mutation = mutation
        self.stats = stats
        self.gate_type = gate_type
        self.bounds = CHOICES[0] if mutation in MODEL else self.rng.choice(CHOICES)
        self.clock = 0
        self.store = ModelStore(self.rng, self.announce, Truth(), gaps, mutation)
        self.nodes = [ModelNode(self) for _ in range(3)]
        self.clients = [ModelClient(self, number) for number in range(8)]
        self.is_rough = True
        self.checks = mutation not in ("no_check", "read_first")
        given = {**WEIGHTS, **weights}
        if (
            self.rng.random() < 0.5
        ):  # in half of the runs, some things happen more often than others
            given = {name: one * self.rng.choice(SWARM) for name, one in given.items()}
        self.steps = [getattr(self, name) for name in given]
        self.weights = [sum(list(given.values())[: end + 1]) for end in range(len(given))]

    def tick(self) -> int:
        """Return a number that was not used before."""
        self.clock += 1
        return self.clock

    def complain(self, what: str) -> None:
        """Report what a client can't see."""
        if self.mutation not in MODEL:
            raise Fault(what)

    def step(self) -> None:
        """Let something happen."""
        self.node, self.client = self.rng.choice(self.nodes), self.rng.choice(self.clients)
        (happen,) = self.rng.choices(self.steps, cum_weights=self.weights)
        happen()
        self.check_memory(self.node)

    # Steps.

    def announce(self, epoch: str, entry: LogEntry) -> None:
        for node in self.nodes:
            if node.is_subscribed:
                node.bus.append((epoch, entry))

    def publish(self) -> None:
        """Publish, with or without a sender, in a handler of the client's channel or elsewhere."""
        rng, sender = self.rng, NOBODY
        member = self.client.member()
        if rng.random() < 0.3:
            if self.client.number < 5:
                sender = self.client.number + 1
            elif member is not None and member.is_positioned:
                sender = member.sender
        event = "x" if rng.random() < 0.2 else "m"
        name, skew = f"{self.tick()}", rng.choice((0, 0, 0, -3, 3))  # clocks differ
        draft = Draft(name, event, bytes(rng.randint(1, 10)), sender, self.clock + skew)
        self.store.append(draft)
        self.stats["published"] += 1
        if self.node.bus and self.node.bus[-1][1].id == name and rng.random() < 0.5:
            self.node.receive(*self.node.bus.pop())  # this node has published it

    def bus(self) -> None:
        self.carry(self.node)

    def carry(self, node: ModelNode) -> None:
        """Let the bus bring something, or lose it."""
        if not node.bus:
            return
        rng = self.rng
        at = rng.randrange(len(node.bus)) if rng.random() < 0.1 else 0
        if rng.random() < 0.1 and self.is_rough:
            del node.bus[at]
        elif rng.random() < 0.05:
            node.receive(*node.bus[at])  # will come again
        else:
            node.receive(*node.bus.pop(at))

    def issue(self) -> None:
        self.node.issue()

    def read(self) -> None:
        self.node.ask(self.rng.random() < 0.1)

    def answer(self) -> None:
        self.node.answer()

    def receive(self) -> None:
        if self.client.connection is not None and self.client.connection.frames:
            self.client.receive()

    def request(self) -> None:
        for connection in tuple(self.node.connections):
            self.node.take(connection)

    def pump(self) -> None:
        """The clients of a node have read something."""
        for connection in tuple(self.node.connections):
            connection.is_slow = False
            if connection.member is not None:
                connection.member.catch_up()

    def connect(self) -> None:
        if self.client.state == "off":
            self.client.connect(self.node)
        if self.client.state == "errored" and self.is_rough and self.rng.random() < 0.05:
            self.forge()
        elif self.client.state == "errored":
            self.client.join()

    def cut(self) -> None:
        self.client.cut()

    def time_out(self) -> None:
        if self.client.state == "joining":
            self.client.time_out()

    def slow(self) -> None:
        for member in [one for one in self.node.lane if one.is_positioned][:1]:
            member.slow_down()

    def trim(self) -> None:
        self.store.trim(self.rng.randint(1, SIZE))

    def lose_all(self) -> None:
        self.store.lose_all()

    def fail_over(self) -> None:
        self.store.lose_newest(self.rng.randint(1, 3))

    def kill(self) -> None:
        """A node is killed, and comes back."""
        for connection in tuple(self.node.connections):
            connection.client.cut()
        self.node.bus.clear()
        self.node.forget()

    def check(self) -> None:
        """A node compares its topics with the store."""
        if self.checks and self.node.is_subscribed:
            self.node.gate.compare(self.store.head())

    def forge(self) -> None:
        """A client makes up a position, or is loaded again."""
        rng, client = self.rng, self.client
        if client.state == "errored" and rng.random() < 0.7:
            epoch = self.store.epoch or "?" if rng.random() < 0.8 else "forged"
            offset = rng.choice((0, MAX_OFFSET, rng.randint(0, 40), self.store.top))
            client.join(Position(epoch, offset), is_valid=rng.random() < 0.8)
        elif client.state in ("off", "errored") and rng.random() < 0.2:
            client.position = None

    def commit(self) -> None:
        self.store.commit_one()

    def handle(self) -> None:
        """A handler for the event "x" ends."""
        member = self.client.member()
        if member is not None:
            member.handler_done()

    def idle(self) -> None:
        """A node without members forgets the topic. An answer that comes later is ignored."""
        if self.node.is_subscribed and all(one.member is None for one in self.node.connections):
            self.node.bus.clear()
            self.node.forget()

    def read_again(self) -> None:
        """The store, or its announcements, were away."""
        if self.checks and self.node.is_subscribed:
            self.node.gate.wants_read = True

    def leave(self) -> None:
        """A channel ends by itself."""
        member = self.client.member()
        if member is not None and member.state is not MemberState.JOINING:
            member.end()
            member.send("error")

    # What must be true at each time.

    def check_memory(self, node: ModelNode) -> None:
        """Check that a gate keeps no more than it must."""
        gate = gate_of(node.gate)
        members = [one.member for one in node.connections if one.member is not None]
        in_wait = (MemberState.JOINING, MemberState.CATCHING_UP)
        if any(one not in members or one.state not in in_wait for one in gate.waiting):
            self.complain("a member waits that is gone or live")
        catching_up = {one for one in members if one.state is MemberState.CATCHING_UP}
        if gate.catching_up != catching_up:
            self.complain("the gate does not know who catches up")
        joined = {*catching_up, *(one for one in node.lane if one.is_positioned)}
        if set(gate.members) != joined:
            self.complain("the gate does not know its members")
        if gate.tail and not (gate.waiting or gate.catching_up):
            self.complain("a tail that nobody needs")
        if any(later.prev != one.offset for one, later in pairwise(gate.tail)):
            self.complain("a tail with a hole")

    # The end.

    def settle(self) -> None:
        """Let everything come to rest, then look whether everybody has everything."""
        for number in range(60):
            self.is_rough = number < 10
            while self.store.open:
                self.store.commit_one()
            self.settle_a_bit(may_check=number == 20)
        for client in self.clients:
            self.expect_rest(client)
        for node in self.nodes:
            if node.is_subscribed and (node.gate.wants_read or node.gate.has_gap):
                self.complain("a gate does not come to rest")
            self.check_memory(node)

    def settle_a_bit(self, *, may_check: bool) -> None:
        for client in self.clients:
            self.client, self.node = client, self.rng.choice(self.nodes)
            self.connect()
        for node in self.nodes:
            self.node = node
            if may_check:
                self.check()
            while node.bus:
                self.carry(node)
            self.request()
            node.issue()
            node.ask(is_down=False)
            node.answer()
            self.pump()
        for client in self.clients:
            self.client = client
            self.handle()
            while client.connection is not None and client.connection.frames:
                client.receive()

    def expect_rest(self, client: ModelClient) -> None:
        """Check that a client has joined, and has everything up to the newest entry."""
        if client.state != "joined":
            raise Fault(f"client {client.number} does not come to rest: {client.state}")
        if client.is_plain:
            return
        assert client.position is not None
        if client.position.epoch != self.store.touch():
            raise Fault(f"client {client.number} rests in an old epoch")
        client.expect_whole(self.store.top)
