"""Messages from a client of one node to a client of another node: throughput, latency, and CPU.

20 topics have a client on each of two nodes. The clients of the first node publish, and both get each message. The load is
made in two ways. *Paced*: 200 messages a second in all. The latency is that from the push of one client to the arrival at
the client on the other node. *Full*: each publisher has four messages on their way, so 80 in all, and sends the next one
when one has arrived on the other node. channels_redis drops messages when more than 100 wait for a node.

All stacks take turns, and each pair of nodes is fresh. A first load of a second is not measured. Brokers, nodes and the
generator share the cores of this machine, so throughputs compare what all of them cost together.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from benchmarks.bus import bus
from benchmarks.measure import with_descendants

from .nodes import PEERS_PYTHON, Node, bennu_nodes, cpu_seconds, figures, serve, wsload

__all__ = ["STACKS", "measure_hops", "table_of_hops"]

TOPICS: Final = 20

RATE: Final = 200
"""Messages a second of the paced load."""

WINDOW: Final = 4
"""Messages of each publisher on their way in the full load."""

UVICORN: Final = (str(PEERS_PYTHON), "-m", "uvicorn", "--no-access-log", "--log-level", "warning")


@dataclass(frozen=True)
class Stack:
    """What is measured.

    Attributes:
        bus: The bus of Bennu, or the broker of a peer, as in :func:`benchmarks.bus.bus`; "" for one node alone.
        app: The application of a peer; "" for Bennu.
        layer: The channel layer of channels_redis.
        options: Options for the load generator.
    """

    bus: str
    app: str = ""
    layer: str = ""
    options: tuple[str, ...] = ()


STACKS: Final = {
    "Bennu, one process": Stack(""),
    "Bennu, ipc://": Stack("ipc"),
    "Bennu, redis://": Stack("redis"),
    "Bennu, redis+cluster://": Stack("redis+cluster"),
    "Bennu, nats://": Stack("nats"),
    "Bennu, postgresql://": Stack("postgresql"),
    "python-socketio, AsyncRedisManager": Stack(
        "redis", "benchmarks.peers.socketio_app:app", options=("--proto", "sio")
    ),
    "channels, RedisChannelLayer": Stack(
        "redis", "benchmarks.peers.channels_app:app", "channels_redis.core.RedisChannelLayer"
    ),
    "channels, RedisPubSubChannelLayer": Stack(
        "redis",
        "benchmarks.peers.channels_app:app",
        "channels_redis.pubsub.RedisPubSubChannelLayer",
    ),
}


@contextmanager
def nodes_of(stack: Stack, address: str) -> Generator[list[Node], None, None]:
    """Run the nodes of a stack. One node alone is there twice: its clients are on the same node then."""
    with ExitStack() as exits:
        if not stack.bus:
            nodes = exits.enter_context(bennu_nodes(1, None)) * 2
        elif not stack.app:
            nodes = exits.enter_context(bennu_nodes(2, address))
        else:
            env = {"PEER_REDIS": address, "PEER_LAYER": stack.layer}
            nodes = [
                exits.enter_context(serve([*UVICORN, stack.app], env, has_health=False))
                for _ in range(2)
            ]
        yield nodes


def load(nodes: list[Node], stack: Stack, brokers: list[int], *options: object) -> dict[str, Any]:
    """Load the nodes once, and return the figures, with the CPU of each process in microseconds for each message."""
    common = ("--mode", "fanout", "--conns", 2 * TOPICS, "--pubs", TOPICS, "--topics", TOPICS)
    before = [nodes[0].cpu, nodes[1].cpu, cpu_seconds(brokers)]
    with wsload(nodes, *common, "--remote", 1, "--every", 1, *stack.options, *options) as process:
        result = figures(process)
    after = [nodes[0].cpu, nodes[1].cpu, cpu_seconds(brokers)]
    for name, then, now in zip(("publishing", "hearing", "broker"), before, after, strict=True):
        result[name] = (now - then) / result["sent"] * 1e6
    if nodes[0] is nodes[1]:
        del result["hearing"]  # it is the publishing node
    return result


def run(stack: Stack, address: str, servers: list[int], secs: float) -> dict[str, Any]:
    """Return the figures of a stack: ``paced`` and ``full``."""
    with nodes_of(stack, address) as nodes:
        # PostgreSQL starts a process for each connection.
        brokers = list({pid for server in servers for pid in with_descendants(server)})
        load(nodes, stack, brokers, "--rate", RATE, "--secs", 1)
        found = {
            "paced": load(nodes, stack, brokers, "--rate", RATE, "--secs", secs),
            "full": load(nodes, stack, brokers, "--window", WINDOW, "--secs", secs),
        }
        for node in nodes:
            for line in node.complaints()[:5]:
                print(f"  {line}", file=sys.stderr)
    return found


def measure_hops(runs: int, secs: float, names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the figures of all runs, by stack. Each bus has one set of servers for all runs and stacks."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with ExitStack() as exits:
        addresses = {"": ""}
        servers: dict[str, list[int]] = {"": []}
        for kind in dict.fromkeys(STACKS[name].bus for name in names):
            if kind:
                before = set(with_descendants(os.getpid()))
                addresses[kind] = exits.enter_context(bus(kind))
                servers[kind] = [pid for pid in with_descendants(os.getpid()) if pid not in before]
        for turn in range(runs):
            for name in list(found) if turn % 2 == 0 else reversed(found):
                stack = STACKS[name]
                result = run(stack, addresses[stack.bus], servers[stack.bus], secs)
                found[name].append(result)
                paced, full = result["paced"], result["full"]
                print(
                    f"hops {turn + 1}/{runs} {name}: p50 {paced['p50_us']:.0f}, p99 {paced['p99_us']:.0f} µs;"
                    f" {full['sent_per_s']:.0f}/s; lost {paced['undelivered']} + {full['undelivered']}",
                    file=sys.stderr,
                )
    return found


COLUMNS: Final = {
    "p50, ms": ("paced", "p50_us", 1e-3),
    "p99, ms": ("paced", "p99_us", 1e-3),
    "messages/s": ("full", "sent_per_s", 1),
    "p50 at full load, ms": ("full", "p50_us", 1e-3),
    "p99 at full load, ms": ("full", "p99_us", 1e-3),
    "publishing node, µs": ("full", "publishing", 1),
    "hearing node, µs": ("full", "hearing", 1),
    "broker, µs": ("full", "broker", 1),
}
"""The columns of the table: the load, the figure, and its factor."""


def table_of_hops(found: dict[str, list[dict[str, Any]]]) -> str:
    """Return a table of medians."""
    lines = [
        "| | " + " | ".join(COLUMNS) + " | lost |",
        "|---|" + "---:|" * (len(COLUMNS) + 1),
    ]
    for name, runs in found.items():
        cells = []
        for kind, column, factor in COLUMNS.values():
            value = median(run[kind].get(column, 0) for run in runs) * factor
            cells.append(f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value else "")
        lost = sum(run[kind]["undelivered"] for run in runs for kind in ("paced", "full"))
        lines.append(f"| {name} | " + " | ".join([*cells, f"{lost:,}"]) + " |")
    return "\n".join(lines)
