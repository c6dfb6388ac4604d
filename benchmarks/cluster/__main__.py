"""What several nodes cost, and what their buses do, beside python-socketio and channels_redis.

    benchmarks/build && benchmarks/install
    python -m benchmarks.cluster                                 # all parts, about twenty minutes
    python -m benchmarks.cluster delivery hops --runs 1 --secs 2 # a quick look
    python -m benchmarks.cluster --json result.json
    .venv-benchmarks/bin/python benchmarks/plot.py result.json docs/scaling.svg

The parts are those of the modules beside this one: ``delivery``, ``idle``, ``fan``, ``hops`` and ``hall``. The brokers are started
for the measurement, on this host. The result is Markdown on standard output, and progress on standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.compare import cores, machine
from benchmarks.measure import Unmeasured

from .delivery import measure_delivery, table_of_delivery
from .fan import measure_fan, table_of_fan
from .hall import measure_hall, table_of_hall
from .hops import STACKS, measure_hops, table_of_hops
from .idle import measure_idle, table_of_idle
from .nodes import PEERS_PYTHON, prepare

PARTS = ("delivery", "idle", "fan", "hops", "hall")
BUSES = ("ipc", "redis", "redis+cluster", "nats", "postgresql")


def measure(part: str, options: argparse.Namespace) -> tuple[Any, str]:
    """Return the figures of a part, and its table."""
    match part:
        case "delivery":
            delivery = measure_delivery(options.runs, options.secs, options.cores)
            return delivery, table_of_delivery(delivery)
        case "idle":
            idle = {kind: measure_idle(kind) for kind in options.buses or BUSES}
            return idle, table_of_idle(idle)
        case "fan":
            fan = {kind: measure_fan(kind) for kind in options.buses or BUSES}
            return fan, table_of_fan(fan)
        case "hops":
            wanted = options.stacks
            names = [name for name in STACKS if not wanted or any(one in name for one in wanted)]
            if not PEERS_PYTHON.exists():
                names = [name for name in names if not STACKS[name].app]
                print("The peers are not installed: run benchmarks/install", file=sys.stderr)
            hops = measure_hops(options.runs, options.secs, names)
            return hops, table_of_hops(hops)
        case _:
            hall = {
                kind: measure_hall(kind, options.hall_secs)
                for kind in options.buses or ("ipc", "redis")
            }
            return hall, table_of_hall(hall)


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster", description=__doc__.split("\n", maxsplit=1)[0]
    )
    add = parser.add_argument
    add("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default: all")
    add("--runs", type=int, default=3, help="runs of delivery and hops; default 3")
    add("--secs", type=float, default=5, help="seconds of each load; default 5")
    add("--hall-secs", type=float, default=30, help="seconds of the chat in the hall; default 30")
    add("--buses", nargs="+", metavar="BUS", help="the buses of idle, fan and hall")
    add("--stacks", nargs="+", metavar="NAME", help="parts of the names of stacks of hops")
    add("--cores", type=cores, default="0,1", help="cores of server and generator in delivery")
    add("--json", type=Path, metavar="FILE", help="also write all figures to FILE")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown parts: {', '.join(unknown)}")
    prepare()
    found: dict[str, Any] = {"machine": f"{machine()}, {os.cpu_count()} cores"}
    print(f"{found['machine']}.")
    status = 0
    for part in options.parts or PARTS:
        try:
            found[part], table = measure(part, options)
        except Unmeasured as error:
            status, table = 1, f"Not measured: {error}"
        print(f"\n## {part}\n\n{table}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
