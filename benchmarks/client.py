"""What a client costs: the memory and the CPU of one process that holds many clients.

    python -m benchmarks.client                         5,000 clients, one room each of 50
    python -m benchmarks.client --clients 500 --over longpoll
    python -m benchmarks.client --url wss://example.com/socket --topic "room:{n}"

Without ``--url`` it starts a server of its own, in another process. The numbers are of the process of the clients:

- memory: the growth of its resident set by the clients, divided by their number;
- connect: the CPU for a connect and a join;
- idle: the CPU per client and minute, with heartbeats;
- receive: the CPU for one event that reaches a callback, decoded to a Struct;
- push: the CPU for one push with its reply.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from msgspec import Struct

from bennu import Channel, Endpoint, Socket, on
from bennu.cli.config import Config
from bennu.cli.first_protocol import FirstProtocol
from bennu.client import Client

ROOMS = 50
PAGE = os.sysconf("SC_PAGE_SIZE")


class Said(Struct):
    """A message of a room."""

    body: str
    n: int


class Room(Channel[Any]):
    """A room in which everybody hears everybody."""

    @on("say")
    async def say(self, payload: dict[str, Any]) -> dict[str, int]:
        """Tell all, and confirm."""
        await self.broadcast("said", payload)
        return {"ok": 1}

    @on("echo")
    async def echo(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Confirm."""
        return payload


async def connect() -> None:
    """Accept every client."""


def serve(port: int) -> None:
    """Run the server."""
    endpoint = Endpoint(
        sockets={"/socket": Socket(connect=connect, channels={"room:*": Room}, longpoll=True)}
    )
    uvicorn.Server(
        Config(
            endpoint, host="127.0.0.1", port=port, http=FirstProtocol, log_config=None, backlog=8192
        )
    ).run()


class Meter:
    """Measures this process."""

    @staticmethod
    def cpu() -> float:
        """Return the seconds of CPU, of user and system."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    @staticmethod
    def memory() -> int:
        """Return the bytes of the resident set."""
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE

    @classmethod
    @contextmanager
    def timed(cls, name: str, count: list[int], unit: str) -> Iterator[None]:
        """Print the CPU of a block, divided by a count that the block sets."""
        began, at = cls.cpu(), time.monotonic()
        yield
        each = (cls.cpu() - began) / max(count[0], 1)
        took = time.monotonic() - at
        print(f"{name:8} {each * 1e6:10.1f} µs of CPU {unit} ({count[0]:,} in {took:.1f} s)")


async def run(options: argparse.Namespace, url: str) -> None:
    """Connect the clients, and measure."""
    clients = [
        Client(url, transport=options.over, timeout=120, buffer=0) for _ in range(options.clients)
    ]
    before = Meter.memory()
    rooms: list[Any] = []
    gate = asyncio.Semaphore(100)

    async def enter(number: int, client: Client) -> None:
        async with gate:
            await client.opened()
            room = client.channel(options.topic.format(n=number % ROOMS))
            room.on("said", heard, payload=Said)
            await room.join()
            rooms.append(room)

    received = [0]

    def heard(message: Said) -> None:
        received[0] += 1

    count = [len(clients)]
    with Meter.timed("connect", count, "a connect and a join"):
        async with asyncio.TaskGroup() as group:
            for number, client in enumerate(clients):
                group.create_task(enter(number, client))
    grown = Meter.memory() - before
    print(
        f"memory   {grown / len(clients) / 1024:10.1f} KiB a client ({grown / 2**20:.0f} MiB in all)"
    )
    print(f"tasks    {(len(asyncio.all_tasks()) - 1) / len(clients):10.2f} a client")

    idle = [len(clients)]
    with Meter.timed("idle", idle, f"a client in {options.idle:g} s"):
        await asyncio.sleep(options.idle)

    pushes = [options.pushes]
    with Meter.timed("push", pushes, "a push with its reply"):
        for first in range(0, options.pushes, 100):
            batch = [rooms[(first + n) % len(rooms)].push("echo", {"n": n}) for n in range(100)]
            for push in batch:
                await push

    received[0] = 0
    with Meter.timed("receive", received, "an event that a callback gets"):
        for number in range(options.events):
            await rooms[number % len(rooms)].push("say", {"body": "x" * 100, "n": number})
        await asyncio.sleep(1)

    for client in clients:
        await client.close()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=5_000)
    parser.add_argument("--over", choices=("websocket", "longpoll"), default="websocket")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds of silence")
    parser.add_argument("--pushes", type=int, default=20_000)
    parser.add_argument("--events", type=int, default=500, help="events that a whole room hears")
    parser.add_argument("--url", help="the socket of a server that runs already")
    parser.add_argument("--topic", default="room:{n}")
    parser.add_argument("--port", type=int, default=4321, help="the port of the own server")
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"{options.clients:,} clients by {options.over}; at most {max(soft, hard):,} open files")
    server = None
    if options.url is None:
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(options.port,))
        server.start()
    try:
        uvloop.run(run(options, options.url or f"ws://127.0.0.1:{options.port}/socket"))
    finally:
        if server is not None:
            server.terminate()
            server.join()


if __name__ == "__main__":
    main()
