"""How presence grows with the nodes: messages, bytes and memory of each node, over a bus in memory.

    python -m benchmarks.presence_growth                      # a table for several sizes
    python -m benchmarks.presence_growth --nodes 64 --presences 1000000

The simulation runs the pure part of presence (``bennu.presence.crdt``), as the tracker does, in one process and without
waiting: a clock in memory goes on in steps of a tenth of a second. Every message is encoded, as for the bus, and its bytes
are counted. It is decoded once, and all receiving nodes merge the same object: so the memory of 64 nodes fits into one
process. The CPU time counts the decoding for each receiving node. ``--memory`` measures the memory of a node that has
decoded all presences itself.

Phases: *fill*: all presences are tracked, evenly on all nodes, at ``--rate`` changes a second on each node. *quiet*: nothing
changes for a minute. *churn*: for a minute each node tracks one and untracks one, ``--churn`` times a second. *join*: one
more node starts, and gets everything by transfers. *death*: one node ends without a farewell.
"""

from __future__ import annotations

import argparse
import heapq
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple

from bennu.presence.crdt import Outcome, Periods, ReplicaStatus, Shard, ShardMessage, decode, encode

SOON = 0.1
"""Seconds from a change until it is sent, as in the tracker."""

ROOM = 1000
"""Presences of one topic."""


class Phase(NamedTuple):
    """What happened in a phase, over all nodes.

    Attributes:
        name: The phase.
        seconds: Its length in simulated time.
        published: Messages that a node has published. A broker gets each of them once.
        received: Messages that a node has received.
        bytes_in: Bytes that a node has received.
        most_bytes: Bytes that the node with the most has received: in `join` the new node.
        largest: Bytes of the largest message.
        cpu: Seconds of CPU for each node, to decode and merge what it received.
    """

    name: str
    seconds: float
    published: int
    received: int
    bytes_in: int
    most_bytes: int
    largest: int
    cpu: float


@dataclass
class Node:
    """One node: its shard, and the time of its next tick."""

    shard: Shard
    is_dirty: bool = False
    tracked: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])


class Simulation:
    """All nodes, and the clock."""

    def __init__(self, nodes: int, rate: int, churn: float) -> None:
        self.periods = Periods()
        self.now = 0.0
        self.rate = rate
        self.churn = churn
        self.nodes: dict[str, Node] = {}
        self.dead: set[str] = set()
        self.published: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self.bytes_in: Counter[str] = Counter()
        self.largest = 0
        self.cpu = 0.0
        self.phases: list[Phase] = []
        self._timers: list[tuple[float, int, str]] = []
        self._numbers = count()
        self._keys = count(1)
        for _ in range(nodes):
            self.add_node()

    def add_node(self) -> str:
        """Start a node. Its first tick comes after a part of the period that differs from node to node."""
        name = f"web-{len(self.nodes)}@host"
        self.nodes[name] = Node(Shard((name, 1_700_000_000_000_000 + len(self.nodes))))
        first = self.now + self.periods.broadcast * (len(self.nodes) * 0.618 % 1)
        heapq.heappush(self._timers, (first, next(self._numbers), name))
        return name

    def kill(self, name: str) -> None:
        """End a node without a farewell."""
        self.dead.add(name)

    def track(self, name: str) -> None:
        """Add a presence of a usual size."""
        node, number = self.nodes[name], next(self._keys)
        topic, key = f"room:{number // ROOM}", f"user-{number}"
        meta = {"phx_ref": f"R{number:015}", "online_at": 1_700_000_000 + number, "device": "phone"}
        node.shard.state.track(topic, number, key, meta)
        node.tracked.append((topic, number, key))
        node.is_dirty = True

    def untrack(self, name: str) -> None:
        """Remove the oldest presence of a node."""
        node = self.nodes[name]
        node.shard.state.untrack(*node.tracked.pop(0))
        node.is_dirty = True

    def step(self) -> None:
        """Go on by a tenth of a second: changes are sent, and due ticks run."""
        self.now += SOON
        for name, node in self.nodes.items():
            if node.is_dirty and name not in self.dead:
                node.is_dirty = False
                self._follow(name, node.shard.send_changes())
        while self._timers[0][0] <= self.now:
            _, _, name = heapq.heappop(self._timers)
            if name not in self.dead:
                self._follow(name, self.nodes[name].shard.tick(self.now))
                again = self.now + self.periods.broadcast
                heapq.heappush(self._timers, (again, next(self._numbers), name))

    def _follow(self, sender: str, outcome: Outcome) -> None:
        waiting = [(sender, to, message) for to, message in outcome.sends]
        while waiting:
            sender, to, message = waiting.pop(0)
            data = encode(message)
            self.published[sender] += 1
            self.largest = max(self.largest, len(data))
            began = time.process_time()
            copy: ShardMessage = decode(data)
            decoding = time.process_time() - began
            for name in [to] if to is not None else [*self.nodes]:
                if name != sender and name not in self.dead:
                    self.received[name] += 1
                    self.bytes_in[name] += len(data)
                    self.cpu += decoding
                    answer = self.nodes[name].shard.receive(copy, self.now)
                    waiting += [(name, node, sent) for node, sent in answer.sends]
            self.cpu += time.process_time() - began - decoding

    def phase(self, name: str, steps: Iterable[object]) -> None:
        """Run a phase, and note what happened."""
        self.published.clear()
        self.received.clear()
        self.bytes_in.clear()
        self.largest, self.cpu, began = 0, 0.0, self.now
        for _ in steps:
            self.step()
        nodes = len(self.nodes) - len(self.dead)
        self.phases.append(
            Phase(
                name,
                self.now - began,
                round(self.published.total() / nodes),
                round(self.received.total() / nodes),
                round(self.bytes_in.total() / nodes),
                max(self.bytes_in.values(), default=0),
                self.largest,
                self.cpu / nodes,
            )
        )
        print(f"{len(self.nodes)} nodes: {name}", file=sys.stderr)

    def run(self, presences: int) -> None:
        """Run all phases."""
        names = [*self.nodes]
        self.phase("start", range(40))
        each = presences // len(names)

        def fill() -> Iterable[object]:
            done, per_step = 0, max(1, round(self.rate * SOON))
            while done < each:
                now = min(per_step, each - done)
                for name in names:
                    for _ in range(now):
                        self.track(name)
                done += now
                yield None
            yield from range(20)

        def churn() -> Iterable[object]:
            owed = 0.0
            for _ in range(600):
                owed += self.churn * SOON
                while owed >= 1:
                    owed -= 1
                    for name in names:
                        self.track(name)
                        self.untrack(name)
                yield None

        self.phase("fill", fill())
        self.check(presences // len(names) * len(names))
        self.phase("quiet", range(600))
        self.phase("churn", churn())
        new = self.add_node()
        self.phase("join", range(100))
        self.check(presences // len(names) * len(names), new)
        self.kill(names[0])
        self.phase("death", range(round((self.periods.down + 5) / SOON)))
        left = presences // len(names) * (len(names) - 1)
        self.check(left, new)

    def check(self, presences: int, name: str | None = None) -> None:
        """Check that a node sees all presences."""
        shard = self.nodes[name or next(iter(self.nodes))].shard
        down = [node for node, status in shard.replicas.items() if status is ReplicaStatus.DOWN]
        assert len(down) == len(self.dead), down
        rooms = {topic for node in self.nodes.values() for topic, _, _ in node.tracked}
        seen = sum(len(shard.state.entries(topic)) for topic in rooms)
        assert seen == presences, f"{seen} of {presences} presences are seen"


def memory(presences: int) -> None:
    """Print the memory of a node that has received presences of another node."""
    nodes = [Shard(("web-1@host", 1)), Shard(("web-2@host", 2))]
    simulation = Simulation(1, 1, 0)
    simulation.nodes = {"web-1@host": Node(nodes[0])}
    for shard, other in (nodes, nodes[::-1]):
        for _, message in shard.tick(0).sends:
            other.receive(decode(encode(message)), 0)
    before = _resident()
    for _ in range(presences // ROOM):
        for _ in range(ROOM):
            simulation.track("web-1@host")
        for _, message in nodes[0].send_changes().sends:
            nodes[1].receive(decode(encode(message)), 0)
    after = _resident()
    # Both shards are in this process, and have separate entries.
    print(
        f"{presences:,} presences: {(after - before) / presences / 2 * 1000:,.0f} bytes a presence"
    )


def _resident() -> float:
    """Return the resident memory of this process, in KB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1000


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--nodes", type=int, nargs="+", default=[2, 4, 8, 16, 32, 64])
    parser.add_argument("--presences", type=int, nargs="+", default=[64_000])
    parser.add_argument("--rate", type=int, default=2000, help="new presences a second on a node")
    parser.add_argument("--churn", type=float, default=5, help="changes a second on a node")
    parser.add_argument("--memory", action="store_true", help="measure the memory instead")
    options = parser.parse_args()
    if options.memory:
        for presences in options.presences:
            memory(presences)
        return
    print(
        "| nodes | presences | phase | simulated s | published | received | KB received | most KB | largest KB | CPU s |"
    )
    print("|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|")
    for nodes in options.nodes:
        for presences in options.presences:
            simulation = Simulation(nodes, options.rate, options.churn)
            simulation.run(presences)
            for one in simulation.phases:
                print(
                    f"| {nodes} | {presences:,} | {one.name} | {one.seconds:.0f} | {one.published:,}"
                    f" | {one.received:,} | {one.bytes_in / 1000:,.0f}"
                    f" | {one.most_bytes / 1000:,.0f} | {one.largest / 1000:,.1f}"
                    f" | {one.cpu:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
