"""What slow viewers of the ticker cost the fast ones: the delay of the prices, the memory of the server, and what they get.

    python -m benchmarks.ticker                          2,000 viewers, 200 of them slow; two runs of 60 seconds
    python -m benchmarks.ticker --viewers 500 --slow 50 --secs 20

The server is the one of the demo (``bennu_demos.ticker``) with its 5,000 symbols, in its own process. Each viewer watches 30
of the 500 most traded symbols. A fast viewer answers each batch as the page does. A slow viewer reads nothing from its
connection for a long time. Then it reads, and answers, until it has a batch with prices of now. The first run has no slow
viewers: instead of each slow one there is a fast one.

The columns:

- delay: from the tick of the market whose prices a batch has, until the batch is decoded by a fast viewer. Prices change
  each 100 ms, and a batch goes out when the viewer's pace allows it, so some tens of milliseconds are there by design.
- batches: what a fast viewer gets in a second.
- memory: the resident set of the server, at the begin and at the end of the time in which the slow ones read nothing.
- old batches: how many batches a slow viewer got, when it read again, whose prices were older than a second. One is expected:
  it was on its way when the viewer stopped reading.
- behind: the time from the moment at which a slow viewer reads again until it has prices of now.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import resource
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path
from statistics import mean
from typing import Any

import uvicorn
import uvloop

from bennu import Endpoint, Socket
from bennu.cli.config import Config
from bennu.cli.first_protocol import FirstProtocol
from bennu.client import Client
from bennu_demos.ticker.channel import TickerChannel
from bennu_demos.ticker.market import TICK, Exchange

PAGE = os.sysconf("SC_PAGE_SIZE")
POPULAR = 500
WATCHED = 30
MOST_TICKS = 100_000


def serve(port: int, ticks: SynchronizedArray[Any]) -> None:
    """Run the server; note the time of each tick of the market."""

    @asynccontextmanager
    async def open_exchange() -> AsyncIterator[Exchange]:
        exchange = Exchange()
        running = asyncio.create_task(advance(exchange))
        yield exchange
        running.cancel()

    async def advance(exchange: Exchange) -> None:
        due = time.monotonic()
        while True:
            due = max(due + TICK, time.monotonic() - 1)
            await asyncio.sleep(due - time.monotonic())
            exchange.advance()
            ticks[exchange.tick] = time.monotonic()

    async def enter() -> None:
        """Accept every viewer."""

    socket = Socket(connect=enter, channels={"ticker": TickerChannel}, max_unsent=65_536)
    endpoint = Endpoint(sockets={"/socket": socket}, lifespan=open_exchange)
    uvicorn.Server(
        Config(
            endpoint, host="127.0.0.1", port=port, http=FirstProtocol, log_config=None, backlog=8192
        )
    ).run()


def memory_of(pid: int) -> float:
    """Return the resident set of a process in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**20


@dataclass
class Tally:
    """What the fast viewers saw."""

    ticks: SynchronizedArray[Any]
    delays: list[float] = field(default_factory=list)
    is_counting: bool = False

    def count(self, tick: int) -> None:
        """Count a batch with the prices of a tick."""
        if self.is_counting:
            self.delays.append(time.monotonic() - self.ticks[tick])

    def quantile(self, share: float) -> float:
        """Return a quantile of the delays in ms."""
        delays = sorted(self.delays)
        return 1000 * delays[min(int(share * len(delays)), len(delays) - 1)]


async def watch_fast(client: Client, symbols: list[str], tally: Tally) -> None:
    """Be a page that keeps up."""
    ticker = client.channel("ticker")

    def take(batch: dict[str, Any]) -> None:
        tally.count(batch["tick"])
        _ = ticker.push("seen", {"number": batch["number"]})

    ticker.on("batch", take)
    await ticker.join()
    await ticker.push("watch", {"add": symbols})


class SlowViewer:
    """A viewer that reads its socket only when it is told to: a WebSocket by hand, without a library that reads ahead."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int, symbols: list[str]) -> SlowViewer:
        """Connect, join, watch, and then read nothing."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
        writer.write(
            f"GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        viewer = cls(reader, writer)
        viewer._send(["1", "1", "ticker", "phx_join", {}])
        viewer._send(["1", "2", "ticker", "watch", {"add": symbols}])
        writer.transport.pause_reading()  # type: ignore[attr-defined] # asyncio's transports of sockets have it
        return viewer

    def _send(self, message: list[Any]) -> None:
        body = json.dumps(message).encode()
        size = len(body)
        length = bytes([128 | size]) if size < 126 else bytes([128 | 126]) + size.to_bytes(2, "big")
        self._writer.write(b"\x81" + length + b"\0\0\0\0" + body)  # a mask of zeros changes nothing

    def beat(self) -> None:
        """Send a heartbeat, as a client does whose user does not look."""
        self._send([None, "3", "phoenix", "heartbeat", {}])

    async def catch_up(self, ticks: SynchronizedArray[Any]) -> tuple[int, float]:
        """Read again; return the number of old batches that came, and the seconds until one was new."""
        self._writer.transport.resume_reading()  # type: ignore[attr-defined] # as above
        began, old = time.monotonic(), 0
        while True:
            head = await self._reader.readexactly(2)
            size = head[1] & 127
            if size >= 126:
                size = int.from_bytes(
                    await self._reader.readexactly(2 if size == 126 else 8), "big"
                )
            _, _, _, event, payload = json.loads(await self._reader.readexactly(size))
            if event != "batch":
                continue
            self._send(["1", None, "ticker", "seen", {"number": payload["number"]}])
            if time.monotonic() - ticks[payload["tick"]] < 1:
                return old, time.monotonic() - began
            old += 1

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


async def run(
    options: argparse.Namespace, slow: int, pid: int, ticks: SynchronizedArray[Any]
) -> None:
    """Measure one run, and print a row."""
    url = f"ws://127.0.0.1:{options.port}/socket"
    popular = [company.symbol for company in Exchange().companies[:POPULAR]]
    chooser = random.Random(1)
    tally = Tally(ticks)
    clients = [Client(url, timeout=120, buffer=0) for _ in range(options.viewers - slow)]
    gate = asyncio.Semaphore(50)

    async def enter(client: Client) -> None:
        async with gate:
            await client.opened()
            await watch_fast(client, chooser.sample(popular, WATCHED), tally)

    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(enter(client))
    sleepers = [
        await SlowViewer.open(options.port, chooser.sample(popular, WATCHED)) for _ in range(slow)
    ]
    await asyncio.sleep(options.warm_up)
    before = memory_of(pid)
    tally.is_counting = True
    until = time.monotonic() + options.secs
    while time.monotonic() < until:
        await asyncio.sleep(min(20, max(until - time.monotonic(), 0)))
        for sleeper in sleepers:
            sleeper.beat()
    tally.is_counting = False
    after = memory_of(pid)
    rate = len(tally.delays) / len(clients) / options.secs
    caught = await asyncio.gather(*(sleeper.catch_up(ticks) for sleeper in sleepers))
    print(
        f"{len(clients):5,} fast, {slow:3} slow | delay p50 {tally.quantile(0.5):5.0f} ms,"
        f" p99 {tally.quantile(0.99):5.0f} ms | {rate:.1f} batches/s | memory {before:.1f} to {after:.1f} MiB"
    )
    if caught:
        old, behind = [row[0] for row in caught], [row[1] for row in caught]
        print(
            f"  the slow ones, after {options.secs:g} s: old batches {mean(old):.1f} each (at most {max(old)}),"
            f" prices of now after {1000 * mean(behind):.0f} ms (at most {1000 * max(behind):.0f})"
        )
    for sleeper in sleepers:
        sleeper.close()
    for client in clients:
        await client.close()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--viewers", type=int, default=2_000)
    parser.add_argument("--slow", type=int, default=200, help="slow viewers among them")
    parser.add_argument(
        "--secs", type=float, default=60.0, help="seconds in which the slow ones read nothing"
    )
    parser.add_argument("--warm-up", type=float, default=5.0, help="seconds before")
    parser.add_argument("--port", type=int, default=4322)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    context = multiprocessing.get_context("spawn")
    for slow in (0, options.slow):
        ticks = context.Array("d", MOST_TICKS)
        server = context.Process(target=serve, args=(options.port, ticks))
        server.start()
        assert server.pid is not None
        try:
            uvloop.run(run(options, slow, server.pid, ticks))
        finally:
            server.terminate()
            server.join()


if __name__ == "__main__":
    main()
