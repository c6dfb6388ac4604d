"""How evenly the game ticks: 50 players at 20 Hz, without and with 10 more players whose pages are slow.

    python -m benchmarks.game                     two runs of 30 s each
    python -m benchmarks.game --players 100 --seconds 10

The server is the game demo, in a process of its own. The players are in this process, each with a connection of its own.
They steer, confirm what they get, and begin again when they die. Five of the slow players read nothing after their first
frames. The other five read only every two seconds: then they read all, and confirm the newest frame.

- tick: the time from the beginning of a tick to the beginning of the next one, less 50 ms, without its sign;
- work: what a tick takes, from its beginning until its last frame is written;
- gap: the time between two frames at a player that is not slow, less 50 ms, without its sign. This process adds its own delays;
- CPU: of the server's process, as a share of one core;
- waited: for how much of the time the server's process could run and had no core. If this is more than a few percent, the other
  figures are those of a busy machine, and not those of the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from struct import pack, unpack_from
from typing import Any

import httpx
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from websockets.asyncio.client import ClientConnection, connect

from bennu import Limits
from bennu_demos.game.app import make
from bennu_demos.game.arena import TICK, Arena, Send
from bennu_demos.game.player import Player

from .measure import scheduled

PORT = 4_326
NAPS = 2.0
"""Seconds between two readings of a slow player."""


class Meter:
    """What the server measures between two questions."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.began: list[float] = []
        self.work: list[float] = []
        self.frames: dict[Send, list[int]] = {}

    def figures(self) -> dict[str, Any]:
        """Return the figures since the last question, and begin anew."""
        figures = {
            "tick": [1_000 * abs(two - one - TICK) for one, two in pairwise(self.began)],
            "work": [1_000 * took for took in self.work],
            "frames": list(self.frames.values()),
        }
        self.clear()
        return figures


METER = Meter()


class MeasuredArena(Arena):
    """The arena, with a meter."""

    def enter(self, send: Send) -> Player:
        """Count the frames of this player, and their bytes."""

        async def counted(event: str, payload: Any) -> None:
            if event == "frame":
                METER.frames.setdefault(counted, []).append(len(payload))
            await send(event, payload)

        return super().enter(counted)

    async def step(self) -> None:
        """Measure a tick."""
        began = time.monotonic()
        METER.began.append(began)
        await super().step()
        METER.work.append(time.monotonic() - began)


async def figures(request: Request) -> JSONResponse:
    """Answer with the figures."""
    return JSONResponse(METER.figures())


app = make(lambda: MeasuredArena(crowd=0, seed=1), Limits(connections=1_000)).wrap(
    Starlette(routes=[Route("/", figures)])
)


class Page:
    """A page without a window: it speaks the protocol of channels, and knows of a frame only its tick and its own snake.

    Args:
        socket: The connection.
        chance: Decides where it steers.
    """

    def __init__(self, socket: ClientConnection, chance: random.Random) -> None:
        self.gaps: list[float] = []
        self._socket = socket
        self._chance = chance
        self._number = self._tick = self._wish = 0
        self._last: float | None = None
        self._is_playing = False

    async def join(self) -> None:
        """Join the arena."""
        await self._socket.send(json.dumps(["1", "1", "arena", "phx_join", {}]))

    async def play(self) -> None:
        """Begin a game."""
        self._is_playing = True
        wanted = {"name": f"player {self._chance.randrange(1_000)}", "colour": self._chance.randrange(12)}  # fmt: skip
        await self._socket.send(json.dumps(["1", "2", "arena", "play", wanted]))

    async def read(self) -> None:
        """Read for ever, and play again after each death."""
        async for message in self._socket:
            if isinstance(message, bytes):
                self._frame(message)
            elif '"died"' in message:
                await self.play()

    async def steer(self) -> None:
        """Send an input each tick."""
        while True:
            self._wish = (self._wish + self._chance.randint(0, 40)) % 1_024
            await self.confirm()
            await asyncio.sleep(TICK)

    async def confirm(self) -> None:
        """Send an input, which confirms the newest frame that was read."""
        self._number += 1
        head = (
            bytes((0, 1, 1, 5, 5)) + b"13arenainput"
        )  # a push: the lengths of the four names, and the names
        body = pack("<IIH", self._number, self._tick, self._wish)
        await self._socket.send(head + body)

    async def read_late(self) -> None:
        """Read all that has come, but only every two seconds."""
        while True:
            await asyncio.sleep(NAPS)
            try:
                async with asyncio.timeout(0.02):
                    while True:
                        message = await self._socket.recv()
                        if isinstance(message, bytes):
                            self._frame(message)
            except TimeoutError:
                await self.confirm()

    def _frame(self, message: bytes) -> None:
        now = time.monotonic()
        if self._last is not None:
            self.gaps.append(1_000 * abs(now - self._last - TICK))
        self._last = now
        (self._tick,) = unpack_from("<I", message, 4 + sum(message[1:4]))  # after the names


async def measure(options: argparse.Namespace, pid: int, *, slow: bool) -> str:
    """Connect the players, wait until they play evenly, measure, and return a line of the table."""
    url = f"ws://127.0.0.1:{options.port}/socket/websocket?vsn=2.0.0"
    chance = random.Random(1)
    pages: list[Page] = []
    sockets: list[ClientConnection] = []
    tasks: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()
    for number in range(options.players + 10 * slow):
        is_slow = number >= options.players
        socket = await connect(url, compression=None, max_queue=1 if is_slow else 64)
        page = Page(socket, random.Random(chance.random()))
        sockets.append(socket)
        await page.join()
        await page.play()
        if not is_slow:
            pages.append(page)
            tasks += [loop.create_task(page.read()), loop.create_task(page.steer())]
        elif number % 2:
            tasks.append(loop.create_task(page.read_late()))
    await asyncio.sleep(3)
    await ask(options.port)
    for page in pages:
        page.gaps.clear()
    ran, waited = scheduled([pid])
    await asyncio.sleep(options.seconds)
    ran, waited = (
        after - before for before, after in zip((ran, waited), scheduled([pid]), strict=True)
    )
    figures = await ask(options.port)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for socket in sockets:
        socket.transport.abort()
    gaps = [gap for page in pages for gap in page.gaps]
    players = sorted(figures["frames"], key=len)[-options.players :]
    sizes = [size for player in players for size in player]
    missing = sum(max(len(figures["tick"]) - len(player), 0) for player in players)
    return " | ".join(
        (
            f"| {options.players}{' and 10 slow' if slow else ''}",
            spread(figures["tick"]),
            spread(figures["work"]),
            spread(gaps),
            f"{100 * ran / options.seconds:.1f} %",
            f"{100 * waited / options.seconds:.1f} %",
            f"{sum(sizes) / len(sizes):,.0f}",
            f"{sum(sizes) / len(players) / options.seconds / 1_000:.1f}",
            f"{missing} |",
        )
    )


async def ask(port: int) -> Any:
    """Return the figures of the server since the last question."""
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(f"http://127.0.0.1:{port}/")).json()


def spread(values: Sequence[float]) -> str:
    """Return the median, the 99th percentile and the largest value."""
    ordered = sorted(values)
    return " / ".join(f"{ordered[min(int(len(ordered) * share), len(ordered) - 1)]:.1f}" for share in (0.5, 0.99, 1))  # fmt: skip


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--players", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each of the two runs")
    parser.add_argument("--port", type=int, default=PORT)
    options = parser.parse_args()
    print(
        "| players | tick, ms: p50 / p99 / max | work, ms | gap, ms | CPU | waited | bytes a frame | KB/s a player | frames missed |"
    )
    print("|---|---|---|---|---:|---:|---:|---:|---:|")
    command = (sys.executable, "-m", "bennu", "run", "benchmarks.game:app", "--no-access-log")
    for slow in (False, True):
        server = subprocess.Popen(
            (*command, "--port", str(options.port)), stderr=subprocess.PIPE, text=True
        )
        try:
            assert server.stderr is not None
            while "running on" not in (line := server.stderr.readline()):
                assert line, "the server did not start"
            print(uvloop.run(measure(options, server.pid, slow=slow)), flush=True)
        finally:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main()
