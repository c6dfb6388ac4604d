"""What a history costs: a delivery and a connect in rooms without, with, and with positions, by store.

    benchmarks/build
    python -m benchmarks.history                                  # memory, about two minutes
    python -m benchmarks.history --store memory --store redis --store postgresql --runs 5

All rooms are on one endpoint. Each turn has a fresh process, whose rooms are loaded one after the other, in another order each
time. A ratio is the median of the ratios of the turns: the speed of a shared machine changes from turn to turn, and less within
one. CPU is that of Bennu, user and system; a store that is a server has its own. A store without an address is started for
the measurement: its server is one of tests/support/brokers.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from operator import truediv
from pathlib import Path
from shlex import quote
from statistics import median
from typing import Final

from benchmarks.compare import PATH, prepare
from benchmarks.measure import Load, Setting, Unmeasured, in_turn, measure_on, running
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
                turns = _measure(load, column, address, options)
                none = [turn["none"] for turn in turns]
                cells = [f"{median(none):.2f}"]
                for room in ("history", "positions"):
                    figures = [turn[room] for turn in turns]
                    ratio = median(map(truediv, figures, none))
                    cells += [f"{median(figures):.2f}", f"{ratio:.2f}"]
                print(f"| {name} | {title} | {' | '.join(cells)} |", flush=True)


def _measure(
    load: Load, column: str, address: str, options: argparse.Namespace
) -> list[dict[str, float]]:
    """Return the figure of each room, for each turn."""
    command = f"env BENNU_STORE={quote(address)} {quote(sys.executable)} -m bennu run benchmarks.kept:endpoint --port {{port}}"
    setting = Setting(PATH, options.secs, 0, 1)
    turns = []
    for number in range(options.runs):
        try:
            with running(command, setting.server_core) as (port, pids):
                turn = {}
                for room in in_turn(list(ROOMS), number):
                    one = Load(load.mode, load.conns, f"{load.options} {ROOMS[room]}")
                    turn[room] = measure_on(port, pids, one, setting)[column]
            turns.append(turn)
        except Unmeasured as error:
            print(f"  a turn is left out: {error}", file=sys.stderr, flush=True)
    return turns


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
