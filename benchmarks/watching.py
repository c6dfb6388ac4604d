"""What it costs to see inside: nothing attached, metrics, metrics and traces, an open dashboard, an inspector that follows all.

    benchmarks/build
    python -m benchmarks.watching              # about seven minutes

One server for each way runs on the same core. In a turn they are loaded one after the other, in another order each time. A ratio
is the median of the ratios of the turns to the server with nothing attached. A page is a client that logs in and joins as the
page in a browser does; it runs on the core of the generator. Nobody scrapes the metrics.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from operator import truediv
from shlex import quote
from statistics import median
from threading import Event, Thread
from typing import Any, Final

import httpx

from benchmarks.compare import PATH, prepare
from benchmarks.measure import Load, Setting, Unmeasured, in_turn, measure_on, running
from benchmarks.watched import PASSWORD, WATCHED
from bennu.client import Client

LOADS: Final = {
    "push and reply, µs of CPU": (Load("echo", 1_000, "--window 1"), "cpu_us"),
    "1,000 in a room, µs of CPU a delivery": (
        Load("fanout", 1_000, "--pubs 1 --window 1"),
        "cpu_us",
    ),
    "20 in each of 50 rooms, µs of CPU a delivery": (
        Load("fanout", 1_000, "--pubs 1 --window 1 --topics 50"),
        "cpu_us",
    ),
    "5,000 broadcasts a second in 50 rooms of 2, p99 in µs": (
        Load("fanout", 100, "--topics 50 --pubs 50 --rate 5000 --every 61"),
        "p99_us",
    ),
}

FOLLOWED: Final = "*"
"""What the inspector's page follows: all topics."""


class OpenPage:
    """A page that is open until :meth:`close`, in a thread of its own.

    Args:
        port: The port of the server.
        follows: Whether it is the inspector's page.
    """

    def __init__(self, port: int, *, follows: bool) -> None:
        self.came: Counter[str] = Counter()
        self._port = port
        self._follows = follows
        self._is_open = Event()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._thread.start()
        if not self._is_open.wait(30):
            raise Unmeasured("the page is not open after 30 s")

    def close(self) -> None:
        """Close the page."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _run(self) -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self._port}/dashboard/") as http:
            (await http.post("login", json={"password": PASSWORD})).raise_for_status()
            token = (await http.post("pass")).raise_for_status().json()["token"]
        url = f"ws://127.0.0.1:{self._port}/dashboard/socket"
        async with Client(url, params={"token": token}) as client:
            figures = client.channel("bennu:dashboard")
            figures.on("tick", lambda _: self.came.update(ticks=1))
            await figures.join()
            if self._follows:
                inspector = client.channel("bennu:inspector")
                inspector.on("seen", self._seen)
                await inspector.join()
                await inspector.push("follow", {"topic": FOLLOWED})
            self._is_open.set()
            await self._end.wait()

    def _seen(self, batch: dict[str, Any]) -> None:
        self.came.update(records=len(batch["records"]))


@contextmanager
def servers(setting: Setting) -> Iterator[dict[str, tuple[int, list[int]]]]:
    """Start a server for each way, open its page, and yield their ports and processes."""
    with ExitStack() as stack:
        found = {}
        for way in WATCHED:
            command = f"env BENNU_WATCHED={quote(way)} {quote(sys.executable)} -m bennu run benchmarks.watched:endpoint --port {{port}}"
            port, pids = stack.enter_context(running(command, setting.server_core))
            found[way] = port, pids
            if way.startswith(("dashboard", "inspector")):
                page = OpenPage(port, follows=way.startswith("inspector"))
                stack.callback(_say, way, page)
                stack.callback(page.close)
        yield found


def _say(way: str, page: OpenPage) -> None:
    print(f"  {way}: the page got {dict(page.came)}", file=sys.stderr)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.watching", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--secs", type=float, default=2)
    options = parser.parse_args()
    prepare()
    setting = Setting(PATH, options.secs, 0, 1)
    ways = list(WATCHED)
    print(f"| load | {' | '.join(ways)} |")
    print(f"|---|{'---:|' * len(ways)}", flush=True)
    with servers(setting) as found:
        for title, (load, column) in LOADS.items():
            turns = []
            for number in range(options.runs):
                turn = {}
                for way in in_turn(ways, number):
                    port, pids = found[way]
                    turn[way] = measure_on(port, pids, load, setting)[column]
                turns.append(turn)
            first = [turn[ways[0]] for turn in turns]
            cells = []
            for way in ways:
                figures = [turn[way] for turn in turns]
                cells.append(f"{median(figures):.1f} ({median(map(truediv, figures, first)):.2f})")
            print(f"| {title} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
