"""Measures how long the garbage collector stops a server while many clients connect and join.

The server runs `benchmarks.collector:endpoint`, which times each collection: by the CPU time of the thread, and
by the clock. The clock also counts what other programs took from the core. The exit status is 1 if a collection took
more CPU time than TARGET.

    benchmarks/build && python -m benchmarks.collector
"""

import argparse
import atexit
import gc
import json
import os
import resource
import sys
import time
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.endpoint import endpoint
from benchmarks.measure import Load, Setting, generate, running

__all__ = ["endpoint", "main"]

TARGET = 30.0
"""Milliseconds of CPU time that one collection may take."""

CONNS = 19_500
"""Clients: a process has 20,000 open files here."""

REPORT = "BENNU_COLLECTOR_REPORT"
"""The variable with the file that the server writes at its end."""


def watch(report: Path) -> None:
    """Time each collection of this process; write all at its end."""
    begun = [0.0, 0.0]
    pauses: list[tuple[int, float, float]] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            begun[:] = time.thread_time(), time.perf_counter()
        else:
            cpu, clock = time.thread_time() - begun[0], time.perf_counter() - begun[1]
            pauses.append((info["generation"], cpu * 1000, clock * 1000))

    # The collection of start-up, with all modules, is before the first client: only later ones count.
    atexit.register(lambda: report.write_text(json.dumps(pauses)))
    original = gc.freeze

    def freeze() -> None:
        original()
        gc.callbacks.append(note)

    gc.freeze = freeze


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--conns", type=int, default=CONNS, help="clients (default: %(default)s)")
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with TemporaryDirectory() as folder:
        report = Path(folder) / "pauses.json"
        os.environ[REPORT] = str(report)
        command = (
            f"{quote(sys.executable)} -m bennu run benchmarks.collector:endpoint --port {{port}}"
        )
        setting = Setting("/socket/websocket?vsn=2.0.0", 1.0, 0, 1)
        with running(command, setting.server_core) as (port, pids):
            load = Load("hold", options.conns, "")
            figures: dict[str, Any] = json.loads(generate(load, setting, port, pids)[0])
        pauses: list[tuple[int, float, float]] = json.loads(report.read_text())
    print(f"{figures['conns']} clients, {figures['join_cpu_us']} us CPU each\n")
    print("| generation | collections | longest, CPU ms | longest, by the clock | all, CPU ms |")
    print("|---|---:|---:|---:|---:|")
    for generation in range(3):
        cpu = [one for which, one, _ in pauses if which == generation]
        clock = [one for which, _, one in pauses if which == generation]
        if cpu:
            print(
                f"| {generation} | {len(cpu)} | {max(cpu):.1f} | {max(clock):.1f} | {sum(cpu):.0f} |"
            )
    longest = max((one for _, one, _ in pauses), default=0.0)
    print(f"\nlongest {longest:.1f} ms, target {TARGET:g} ms")
    return int(longest > TARGET)


if REPORT in os.environ and __name__ != "__main__":
    watch(Path(os.environ[REPORT]))

if __name__ == "__main__":
    sys.exit(main())
