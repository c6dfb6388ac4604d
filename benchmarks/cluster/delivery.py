"""The CPU of a broadcast to 1,000 clients, on one process and on two workers.

All servers run on one core and the generator on another. The servers take turns, each time in fresh processes. The CPU is
that of the processes that serve, without the supervisor.
"""

from __future__ import annotations

import sys
import time
from statistics import median
from typing import Any, Final

from benchmarks.measure import Unmeasured

from .nodes import BENNU, figures, serve, wsload

__all__ = ["TARGET", "measure_delivery", "table_of_delivery"]

TARGET: Final = 1.2
"""The most that a delivery over two workers may cost, compared with one process."""

SERVERS: Final = {"one process": 0, "two workers": 2}
"""The servers, and ``--workers`` of each."""

CONNS: Final = 1000


def run(workers: int, secs: float, cores: tuple[int, int]) -> dict[str, Any]:
    """Return the figures of one run, and the connections of each worker.

    Raises:
        Unmeasured: Something was lost.
    """
    options = ["--workers", str(workers)] if workers else []
    server_core, generator_core = cores
    with serve([*BENNU, *options], {}, workers=workers, core=server_core) as node:
        before = node.sockets
        load = ("--mode", "fanout", "--conns", CONNS, "--pubs", 1, "--window", 1, "--secs", secs)
        with wsload([node], *load, core=generator_core) as process:
            time.sleep(1 + secs / 2)
            during = node.sockets
            result = figures(process)
        if complaints := node.complaints():
            print(*complaints[:5], sep="\n", file=sys.stderr)
    if result["errors"] or result["dead"] or result["undelivered"]:
        raise Unmeasured(f"{workers} workers: {result}")
    result["each"] = [now - then for now, then in zip(during, before, strict=True)]
    return result


def measure_delivery(
    runs: int, secs: float, cores: tuple[int, int]
) -> dict[str, list[dict[str, Any]]]:
    """Return the figures of all runs, by server."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in SERVERS}
    for turn in range(runs):
        for name in list(found) if turn % 2 == 0 else reversed(found):
            result = run(SERVERS[name], secs, cores)
            found[name].append(result)
            print(
                f"delivery {turn + 1}/{runs} {name}: {result['cpu_us']:.2f} µs,"
                f" foreign {result['foreign']:.2f}, connections {result['each']}",
                file=sys.stderr,
            )
    return found


def table_of_delivery(found: dict[str, list[dict[str, Any]]]) -> str:
    """Return a table with medians, the least and the greatest, and the ratio to one process."""
    lines = [
        "| | CPU of a delivery, µs | ratio | deliveries/s | connections of each process |",
        "|---|---:|---:|---:|---|",
    ]
    base = median(run["cpu_us"] for run in found["one process"])
    for name, runs in found.items():
        costs = [run["cpu_us"] for run in runs]
        lines.append(
            f"| {name} | {median(costs):.2f} ({min(costs):.2f} to {max(costs):.2f}) |"
            f" {median(costs) / base:.2f} | {median(run['per_s'] for run in runs):,.0f} |"
            f" {', '.join(map(str, runs[-1]['each']))} |"
        )
    ratio = median(run["cpu_us"] for run in found["two workers"]) / base
    verdict = "holds" if ratio <= TARGET else "is missed"
    lines.append(f"\nThe target of {TARGET} times one process {verdict}: {ratio:.2f}.")
    return "\n".join(lines)
