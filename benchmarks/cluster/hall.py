"""Four nodes with 2,500 clients each, in one topic: joined, present, and chatting.

All clients join the topic ``hall:0``. Its presence sends clients their number (``Count``). When all clients have seen that
they are 10,000, the chat begins: two messages a second, each of which all clients get.
"""

from __future__ import annotations

from typing import Any, Final

from benchmarks.bus import bus

from .nodes import bennu_nodes, figures, wsload

__all__ = ["CONNS", "NODES", "measure_hall", "table_of_hall"]

NODES: Final = 4

CONNS: Final = 10_000

RATE: Final = 2
"""Messages a second, from clients of all nodes in turn."""


def measure_hall(kind: str, secs: float, conns: int = CONNS) -> dict[str, Any]:
    """Return the figures: those of the load generator, and ``cpu``, ``rss``, ``peak`` and ``complaints`` of each node."""
    with bus(kind) as address, bennu_nodes(NODES, address) as nodes:
        idle = [node.memory() for node in nodes]
        before = [node.cpu for node in nodes]
        load = ("--mode", "fanout", "--prefix", "hall", "--conns", conns, "--pubs", 40)
        pace = ("--rate", RATE, "--warm", 0.1, "--secs", secs, "--drain", 30)
        with wsload(nodes, *load, *pace, "--sees", f'"keys":{conns},') as process:
            result = figures(process, secs + 300)
        result["cpu"] = [node.cpu - then for node, then in zip(nodes, before, strict=True)]
        result["idle"] = idle
        result["rss"] = [node.memory() for node in nodes]
        result["peak"] = [node.memory("VmHWM") for node in nodes]
        result["complaints"] = [line for node in nodes for line in node.complaints()]
    return result


def table_of_hall(found: dict[str, dict[str, Any]]) -> str:
    """Return a table: one column for each bus."""
    rows = {
        "until all had joined, s": lambda one: f"{one['join_s']:.1f}",
        "from then until all had seen the whole number, s": lambda one: f"{one['seen_s']:.1f}",
        "clients that saw the whole number at the end": lambda one: f"{one['seen']:,}",
        "frames of presence": lambda one: f"{one['told']:,}",
        "messages sent": lambda one: f"{one['sent']:,}",
        "messages due at the clients": lambda one: f"{one['expected']:,}",
        "of these lost": lambda one: f"{one['undelivered']:,}",
        "connections lost": lambda one: f"{one['dead']:,}",
        "p50 of a message, ms": lambda one: f"{one['p50_us'] / 1000:.0f}",
        "p99 of a message, ms": lambda one: f"{one['p99_us'] / 1000:.0f}",
        "CPU of each node, s": lambda one: _range(one["cpu"], 1),
        "memory of each node before, MB": lambda one: _range(one["idle"], 0),
        "memory of each node at the end, MB": lambda one: _range(one["rss"], 0),
        "memory of each node at the peak, MB": lambda one: _range(one["peak"], 0),
    }
    lines = ["| | " + " | ".join(f"`{kind}://`" for kind in found) + " |"]
    lines.append("|---|" + "---:|" * len(found))
    for name, cell in rows.items():
        lines.append(f"| {name} | " + " | ".join(map(cell, found.values())) + " |")
    return "\n".join(lines)


def _range(values: list[float], digits: int) -> str:
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"
