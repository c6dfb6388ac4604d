"""Shards that exchange messages in memory, as bytes, with a simulated clock."""

from __future__ import annotations

from itertools import count
from typing import Any

from bennu.presence.crdt import (
    Diff,
    Entry,
    Outcome,
    Periods,
    Shard,
    ShardMessage,
    TransferRequest,
    decode,
    encode,
)

from .histories import dirty_entries

__all__ = ["QUICK", "Cluster", "Node"]

QUICK = Periods(broadcast=1.0, max_silent=2, down=6.0, permdown=12.0)
"""Idle replicas speak every third second."""

TOPICS = ("t", "u")


class Node:
    """A shard, the sum of its diffs, and methods that track with generated metas."""

    _refs = count(1)

    def __init__(self, name: str, vsn: int, periods: Periods, **options: Any) -> None:
        self.name = name
        self.shard = Shard((name, vsn), periods, **options)
        self.diffs: list[Diff] = []
        self.seen: dict[str, Entry] = {}

    def track(self, key: str = "k", *, actor: int = 1, topic: str = "t", **meta: Any) -> Entry:
        """Track, and return the entry."""
        diff = self.shard.state.track(topic, actor, key, self.meta(**meta))
        self.replay(diff)
        return diff.joins[0]

    def update(self, key: str = "k", *, actor: int = 1, topic: str = "t", **meta: Any) -> Entry:
        """Update, and return the new entry."""
        diff = self.shard.state.update(topic, actor, key, self.meta(**meta))
        self.replay(diff)
        return diff.joins[0]

    def untrack(self, key: str = "k", *, actor: int = 1, topic: str = "t") -> None:
        """Untrack."""
        self.replay(self.shard.state.untrack(topic, actor, key))

    def meta(self, **meta: Any) -> dict[str, Any]:
        """Return a new meta with a unique phx_ref."""
        return {**meta, "phx_ref": f"{self.name}/{next(self._refs)}"}

    def replay(self, diff: Diff) -> None:
        """Apply a diff to the known entries. No entry can join or leave twice."""
        if diff:
            self.diffs.append(diff)
        for entry in diff.leaves:
            del self.seen[entry.meta["phx_ref"]]
        for entry in diff.joins:
            assert entry.meta["phx_ref"] not in self.seen
            self.seen[entry.meta["phx_ref"]] = entry

    def take_diffs(self) -> list[Diff]:
        """Return the diffs since the last call."""
        diffs, self.diffs = self.diffs, []
        return diffs

    def keys(self, topic: str = "t") -> list[str]:
        """Return the keys that are present in a topic, in their order."""
        return [entry.key for entry in self.shard.state.entries(topic)]

    def dirty_keys(self, topic: str = "t") -> list[str]:
        """Return the keys in a topic, including replicas that are down."""
        return [entry.key for entry in dirty_entries(self.shard.state, topic)]

    def present(self) -> dict[str, Entry]:
        """Return all listed entries, by phx_ref."""
        state = self.shard.state
        topics = {entry.topic for entry in dirty_entries(state)}
        return {e.meta["phx_ref"]: e for topic in topics for e in state.entries(topic)}


class Cluster:
    """Nodes, and the bus between them, which delivers at once unless a way is cut.

    Args:
        names: Of the nodes; each letter is one.
        periods: Of all of them.
        options: Of each shard.
    """

    def __init__(self, names: str = "", periods: Periods = QUICK, **options: Any) -> None:
        self.now = 0.0
        self.nodes: dict[str, Node] = {}
        self.cut: set[tuple[str, str]] = set()
        self.sent: list[tuple[str, str | None, ShardMessage]] = []
        self._periods = periods
        self._options = options
        self._vsns = count(1)
        for name in names:
            self.start(name)

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def start(self, name: str) -> Node:
        """Start a node, with a new vsn."""
        self.nodes[name] = Node(name, next(self._vsns), self._periods, **self._options)
        return self.nodes[name]

    def kill(self, name: str) -> Node:
        """End a node without a good-bye."""
        return self.nodes.pop(name)

    def split(self, one: str, other: str) -> None:
        """Cut the connection of two nodes, in both directions."""
        self.cut |= {(one, other), (other, one)}

    def heal(self) -> None:
        """Restore all connections."""
        self.cut.clear()

    def run(self, periods: float = 1, *, only: str | None = None) -> None:
        """Let time pass. All nodes, or the given nodes, tick in the order of their names."""
        for _ in range(round(periods)):
            self.now += self._periods.broadcast
            for name in sorted(self.nodes):
                if only is None or name in only:
                    self.tick(name)

    def tick(self, name: str) -> None:
        """Tick one node."""
        self.act(name, self.nodes[name].shard.tick(self.now))

    def send_changes(self, name: str) -> None:
        """Send the changes of one node."""
        self.act(name, self.nodes[name].shard.send_changes())

    def goodbye(self, name: str) -> None:
        """Send the good-bye of a node, and end the node."""
        self.post(name, None, self.nodes[name].shard.goodbye())
        self.kill(name)

    def act(self, name: str, outcome: Outcome) -> None:
        """Send the messages and record the diffs of an outcome."""
        assert all(outcome.diffs)
        for diff in outcome.diffs:
            self.nodes[name].replay(diff)
        for to, message in outcome.sends:
            self.post(name, to, message)

    def post(self, sender: str, to: str | None, message: ShardMessage) -> None:
        """Put a message on the bus."""
        self.sent.append((sender, to, message))
        data = encode(message)
        for name in sorted(self.nodes) if to is None else [to]:
            if name != sender and (sender, name) not in self.cut:
                self.deliver(name, data)

    def deliver(self, name: str, data: bytes) -> None:
        """Deliver a message to a node, if the node exists."""
        if name in self.nodes:
            self.act(name, self.nodes[name].shard.receive(decode(data), self.now))

    def take_sent(self) -> list[tuple[str, str | None, ShardMessage]]:
        """Return the sender, receiver and kind of each message since the last call."""
        sent, self.sent = self.sent, []
        return sent

    def take_requests(self) -> list[tuple[str, str | None]]:
        """Return the sender and receiver of each transfer request since the messages were last taken."""
        return [(s, to) for s, to, m in self.take_sent() if isinstance(m, TransferRequest)]
