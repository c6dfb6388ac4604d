"""A bad network, drawn by hypothesis: whatever it did, when it is well again all nodes soon agree.

A run is a list of steps: what is tracked, what becomes of each message (it comes, late, twice, in another
order, or not at all), who is cut off from whom, who dies, says goodbye, or starts anew. What holds at all
times is checked after each step, and what holds in the end after the network was well for a while.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given, strategies as st

from bennu.presence.crdt import Diff, Entry, Outcome, ReplicaStatus, ShardMessage, encode

from ...support.properties import property_test
from .cluster import TOPICS, Cluster, Node
from .histories import dirty_entries

NAMES = "abcd"
MOST_DELAY = 2.0  # seconds; with three between heartbeats, that is less silence than QUICK.down


class Letter(NamedTuple):
    """A message in transit."""

    sent: float
    sender: Node
    to: str
    data: bytes


class Network(Cluster):
    """A cluster whose messages wait until they are delivered or dropped."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.tracked: dict[str, tuple[Node, Entry]] = {}
        # Whom a node could not hear at some time, in this life of both.
        self.unheard: set[tuple[Node, Node]] = set()
        super().__init__(NAMES, max_delta_sizes=(2, 4, 8))

    def kill(self, name: str) -> Node:
        """End a node. Its entries no longer exist."""
        node = super().kill(name)
        for ref in [ref for ref, (owner, _) in self.tracked.items() if owner is node]:
            del self.tracked[ref]
        return node

    def post(self, sender: str, to: str | None, message: ShardMessage) -> None:
        """Put a message in transit to each of its receivers."""
        node, data = self.nodes[sender], encode(message)
        for name in sorted(self.nodes) if to is None else [to]:
            if name != sender and name in self.nodes:
                self.letters.append(Letter(self.now, node, name, data))
                if (sender, name) in self.cut:
                    self.drop(-1)

    def drop(self, index: int) -> None:
        """Lose a message."""
        letter = self.letters.pop(index)
        if letter.to in self.nodes:
            self.unheard.add((self.nodes[letter.to], letter.sender))

    def act(self, name: str, outcome: Outcome) -> None:
        """Do what an outcome says. Entries of a living node leave only if its messages were lost."""
        node = self.nodes[name]
        for entry in [entry for diff in outcome.diffs for entry in diff.leaves]:
            owner, _ = self.tracked.get(entry.meta["phx_ref"], (None, None))
            if owner is not None:
                assert node.shard.replicas.get(owner.name) is not ReplicaStatus.UP
                assert (node, owner) in self.unheard
        super().act(name, outcome)

    def pass_time(self, periods: int) -> None:
        """Let all nodes tick. Messages that are in transit for long arrive."""
        for _ in range(periods):
            self.run()
            while self.letters and self.letters[0].sent <= self.now - MOST_DELAY:
                self.arrive(0)

    def arrive(self, index: int, *, again: bool = False) -> None:
        """Deliver a message. It can arrive again later."""
        letter = self.letters[index] if again else self.letters.pop(index)
        self.deliver(letter.to, letter.data)

    def flush(self) -> None:
        """Deliver all messages in transit, and their answers."""
        while self.letters:
            self.arrive(0)

    def local(self, name: str, change: str, **what: Any) -> None:
        """Change an entry on a node, if that is possible there."""
        if name not in self.nodes:
            return
        node = self.nodes[name]
        there = node.shard.state.get(what["topic"], what["actor"], what["key"]) is not None
        node.take_diffs()
        if change == "leave":
            for topic in TOPICS:
                for key in "kl":
                    node.untrack(key, actor=what["actor"], topic=topic)
        elif change == "untrack":
            node.untrack(**what)
        elif there:
            node.update(**what)
        else:
            node.track(**what)
        for diff in node.diffs:
            self.note(node, diff)

    def note(self, node: Node, diff: Diff) -> None:
        """Record what is really tracked."""
        for entry in diff.leaves:
            del self.tracked[entry.meta["phx_ref"]]
        for entry in diff.joins:
            self.tracked[entry.meta["phx_ref"]] = (node, entry)

    def do(self, step: tuple[Any, ...]) -> None:
        """Take a step."""
        match step:
            case ("local", name, change, topic, actor, key):
                self.local(name, change, topic=topic, actor=actor, key=key)
            case ("send_changes", name) if name in self.nodes:
                self.send_changes(name)
            case ("pass", periods):
                self.pass_time(periods)
            case ("flush",):
                self.flush()
            case (("arrive" | "again" | "drop") as fate, index) if self.letters:
                index %= len(self.letters)
                if fate == "drop":
                    self.drop(index)
                else:
                    self.arrive(index, again=fate == "again")
            case ("cut", one, other):
                self.cut.add((one, other))
            case ("split", one):
                for other in NAMES:
                    self.split(one, other)
            case ("heal",):
                self.heal()
            case ("kill", name) if name in self.nodes:
                self.kill(name)
            case ("goodbye", name) if name in self.nodes:
                self.goodbye(name)
            case ("start", name):
                if name in self.nodes:
                    self.kill(name)
                self.start(name)
            case _:
                pass  # there is nobody, or nothing, to do it with

    def check(self) -> None:
        """Check what holds at all times: the sum of all diffs is the list."""
        for node in self.nodes.values():
            assert node.seen == node.present()

    def check_agreement(self) -> None:
        """Check what holds in the end: all nodes list what is tracked, and nothing else is left."""
        tracked = {ref: entry for ref, (_, entry) in self.tracked.items()}
        for name, node in self.nodes.items():
            assert node.present() == tracked
            assert node.shard.replicas == dict.fromkeys(
                self.nodes.keys() - {name}, ReplicaStatus.UP
            )
            for topic in TOPICS:
                state = node.shard.state
                assert dirty_entries(state, topic) == state.entries(topic)


names = st.sampled_from(NAMES)
locals_ = st.tuples(
    st.just("local"),
    names,
    st.sampled_from(["track", "track", "untrack", "leave"]),
    st.sampled_from(TOPICS),
    st.integers(1, 2),
    st.sampled_from("kl"),
)
some = st.integers(0, 9)
passes = st.tuples(st.just("pass"), st.sampled_from([1, 1, 1, 2, 3, 8, 15]))
fates = st.tuples(st.sampled_from(["arrive", "again", "drop", "drop"]), some)
talk = st.one_of(locals_, passes, fates, st.tuples(st.just("send_changes"), names))
trouble = st.one_of(
    st.just(("flush",)),
    st.tuples(st.just("cut"), names, names),
    st.tuples(st.just("split"), names),
    st.just(("heal",)),
    st.tuples(st.sampled_from(["kill", "goodbye", "start"]), names),
)
steps = st.one_of(talk, talk, trouble)


@pytest.mark.conformance("TR040")
@property_test
@given(st.lists(steps, min_size=25, max_size=100))
def test_whatever_the_network_did_all_agree_when_it_is_well(run: list[tuple[Any, ...]]) -> None:
    """Until then the diffs are exact, and no entry of a living, connected node leaves."""
    network = Network()
    for step in run:
        network.do(step)
        network.check()
    network.heal()
    for _ in range(30):
        network.flush()
        network.run()
    network.flush()
    network.check()
    network.check_agreement()
