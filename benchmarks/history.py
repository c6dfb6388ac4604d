"""What a history costs: a delivery and a connect in rooms without, with, and with positions, by store.

    benchmarks/build
    python -m benchmarks.history                                  # memory, about two minutes
    python -m benchmarks.history --store memory --store redis --store postgresql --runs 5

All rooms are on one endpoint. The runs of a column take turns, each in a fresh process on the same core. CPU is that of
Bennu, user and system; a store that is a server has its own. A store without an address is started for the measurement: its
server is one of tests/support/brokers.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from statistics import median
from typing import Final

from benchmarks.compare import PATH, prepare
from benchmarks.measure import Figures, Load, Setting, Unmeasured, measure
from tests.support.brokers.nats import nats_server
from tests.support.brokers.postgresql import postgresql
from tests.support.brokers.redis import redis_server

ROOMS: Final = {
    "none": "--prefix room",
    "history": "--prefix kept",
    "positions": '--prefix kept --join {"recovery":{}}',
}
"""The rooms: without history; with history and clients that don't ask; with clients that ask for positions."""

LOADS: Final = {
    "1,000 in a room, µs a delivery": (Load("fanout", 1_000, "--pubs 1 --window 1"), "cpu_us"),
    "20 in each of 50 rooms, µs a delivery": (
        Load("fanout", 1_000, "--pubs 1 --window 1 --topics 50"),
        "cpu_us",
    ),
    "connect and join, µs": (Load("hold", 5_000, "--secs 1"), "join_cpu_us"),
}


@contextmanager
def store(name: str) -> Iterator[str]:
    """Run a store, and yield its address. A name that is an address is yielded as it is."""
    with tempfile.TemporaryDirectory(prefix="bennu-") as directory:
        match name:
            case "memory":
                yield "memory://"
            case "redis":
                with redis_server() as server:
                    yield server.address
            case "postgresql":
                with postgresql() as database:
                    yield database.address.replace("postgresql:", "postgresql+asyncpg:", 1)
            case "sqlite":
                yield f"sqlite+aiosqlite:///{directory}/log.db"
            case "jetstream":
                config = f'jetstream {{ store_dir: "{directory}/js" }}\n'
                with nats_server(Path(directory), config=config) as nats:
                    yield nats.address
            case _:
                yield name


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.history", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--store", action="append", help="memory, redis, postgresql, sqlite, jetstream, an address"
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--secs", type=float, default=3)
    options = parser.parse_args()
    prepare()
    print("| store | load | none | history | ratio | positions | ratio |")
    print("|---|---|---:|---:|---:|---:|---:|", flush=True)
    for name in options.store or ["memory"]:
        with store(name) as address:
            for title, (load, column) in LOADS.items():
                figures = _measure(load, column, address, options)
                none = figures["none"]
                cells = [f"{none:.2f}"]
                for room in ("history", "positions"):
                    cells += [f"{figures[room]:.2f}", f"{figures[room] / none:.2f}"]
                print(f"| {name} | {title} | {' | '.join(cells)} |", flush=True)


def _measure(
    load: Load, column: str, address: str, options: argparse.Namespace
) -> dict[str, float]:
    """Return the median of each room."""
    runs: dict[str, list[Figures]] = {room: [] for room in ROOMS}
    command = f"env BENNU_STORE={quote(address)} {quote(sys.executable)} -m bennu run benchmarks.kept:endpoint --port {{port}}"
    setting = Setting(PATH, options.secs, 0, 1)
    for turn in range(options.runs):
        for room in list(ROOMS) if turn % 2 == 0 else reversed(ROOMS):
            one = Load(load.mode, load.conns, f"{load.options} {ROOMS[room]}")
            try:
                runs[room].append(measure(command, one, setting))
            except Unmeasured as error:
                print(f"  {room}: {error}", file=sys.stderr, flush=True)
    return {room: median(one[column] for one in figures) for room, figures in runs.items()}


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
