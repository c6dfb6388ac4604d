"""What a client costs: the memory and the CPU of one process that holds many clients.

    python -m benchmarks.client                         5,000 clients, in one room each of 50, and all in one hall
    python -m benchmarks.client --clients 500 --over longpoll
    python -m benchmarks.client --url wss://example.com/socket

Without ``--url`` it runs ``bennu run benchmarks.endpoint:endpoint`` in another process. The numbers are of the process of
the clients:

- connect: the CPU for a connect and a join;
- memory: the growth of its resident set by the clients, divided by their number;
- join: the CPU for one more join;
- idle: the CPU per client, with heartbeats;
- push: the CPU for one push with its reply;
- receive: the CPU for one event that reaches a callback, decoded to a Struct;
- broadcast: the time from one push until the last client has the event;
- restart: the server is stopped and started again; the time until all clients are back in their channels, and how their
  connects spread.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import uvloop
from msgspec import Struct

from bennu.client import Client, ConnectFailed, RemoteChannel

ROOMS = 50
CONNECTING = 100
"""The clients that connect at the same time, at first. After a restart of the server, all connect when they like."""
PATIENCE = 120
PAGE = os.sysconf("SC_PAGE_SIZE")


class Said(Struct):
    """A message of benchmarks.endpoint."""

    t: str
    body: str


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
    def timed(cls, name: str, count: Callable[[], int], unit: str) -> Iterator[None]:
        """Print the CPU of a block, divided by a count that is taken after the block."""
        began, at = cls.cpu(), time.monotonic()
        yield
        done = count()
        each = (cls.cpu() - began) / max(done, 1)
        took = time.monotonic() - at
        print(f"{name:10} {each * 1e6:9.1f} µs of CPU {unit} ({done:,} in {took:.1f} s)")


class Server:
    """A process of ``bennu run``.

    Args:
        port: Its port.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it accepts."""
        command = "-m bennu run benchmarks.endpoint:endpoint --log-level warning --port"
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *command.split(), str(self.port)
        )
        async with asyncio.timeout(PATIENCE):
            while True:
                if self._process.returncode is not None:
                    raise RuntimeError(f"the server ended with {self._process.returncode}")
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal, and wait for its end."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            await process.wait()


class Crowd:
    """Many clients, each in a room and in the hall.

    Args:
        url: The socket.
        size: The number of clients.
        over: The transport.
    """

    def __init__(self, url: str, size: int, over: Any) -> None:
        self.clients = [
            Client(url, transport=over, timeout=PATIENCE, buffer=0) for _ in range(size)
        ]
        self.rooms: list[RemoteChannel] = []
        self.halls: list[RemoteChannel] = []
        self.received = 0
        self.failures = 0
        self.opened: list[float] = []
        self.joined: list[float] = []
        for client in self.clients:
            client.on_open(lambda: self.opened.append(time.monotonic()))
            client.on_error(self._fail)

    def _fail(self, error: Exception) -> None:
        self.failures += isinstance(error, ConnectFailed)

    def _hear(self, message: Said) -> None:
        del message
        self.received += 1

    async def connect(self) -> None:
        """Connect all, and join a room each."""
        gate = asyncio.Semaphore(CONNECTING)

        async def enter(number: int, client: Client) -> None:
            async with gate:
                await client.opened()
                self.rooms.append(await self._join(client, f"room:{number % ROOMS}"))

        async with asyncio.TaskGroup() as group:
            for number, client in enumerate(self.clients):
                group.create_task(enter(number, client))

    async def join_hall(self) -> None:
        """Let all join the hall."""
        for client in self.clients:
            self.halls.append(await self._join(client, "room:hall"))

    async def _join(self, client: Client, topic: str) -> RemoteChannel:
        channel = client.channel(topic)
        channel.on("new_msg", self._hear, payload=Said)
        channel.on_join(lambda _: self.joined.append(time.monotonic()))
        await channel.join()
        return channel

    async def hear(self, count: int) -> None:
        """Wait until the clients have heard this number of messages since ``received`` was set to 0."""
        await self._until(lambda: self.received >= count)

    async def returned(self) -> None:
        """Wait until each channel has joined since ``joined`` was cleared."""
        await self._until(lambda: len(self.joined) >= len(self.rooms) + len(self.halls))

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - the counters cost less than events
                await asyncio.sleep(0.002)

    @asynccontextmanager
    async def closing(self) -> AsyncGenerator[None, None]:
        """Close all clients at the end."""
        try:
            yield
        finally:
            await asyncio.gather(*(client.close() for client in self.clients))


async def run(options: argparse.Namespace) -> None:
    """Connect the clients, and measure."""
    server = None if options.url else Server(options.port)
    path = "/polled" if options.over == "longpoll" else "/socket"
    if server is not None:
        await server.start()
    try:
        before = Meter.memory()
        crowd = Crowd(
            options.url or f"ws://127.0.0.1:{options.port}{path}", options.clients, options.over
        )
        async with crowd.closing():
            await measure(crowd, before, options)
            if server is not None:
                for number in (signal.SIGTERM, signal.SIGKILL):
                    await restart(crowd, server, number)
    finally:
        if server is not None:
            await server.stop()


async def measure(crowd: Crowd, before: int, options: argparse.Namespace) -> None:
    """Measure all but the restart."""
    size = options.clients
    with Meter.timed("connect", lambda: size, "a connect and a join"):
        await crowd.connect()
    one = Meter.memory()
    print(f"memory     {(one - before) / size / 1024:9.1f} KiB a client with one channel")
    print(f"tasks      {(len(asyncio.all_tasks()) - 1) / size:9.2f} a client")

    with Meter.timed("join", lambda: size, "one more join"):
        await crowd.join_hall()
    two = Meter.memory()
    print(f"memory     {(two - one) / size / 1024:9.1f} KiB one more channel")

    with Meter.timed("idle", lambda: size, f"a client in {options.idle:g} s"):
        await asyncio.sleep(options.idle)

    with Meter.timed("push", lambda: options.pushes, "a push with its reply"):
        for first in range(0, options.pushes, 100):
            rooms = [crowd.rooms[(first + n) % size] for n in range(100)]
            for push in [room.push("echo", {"t": "0", "body": "x"}) for room in rooms]:
                await push

    with Meter.timed("receive", lambda: crowd.received, "an event that a callback gets"):
        delays = [await broadcast(crowd) for _ in range(options.events)]
    print(
        f"broadcast  {median(delays) * 1e3:9.0f} ms until the last of {size:,} has it (the longest: {max(delays) * 1e3:.0f} ms)"
    )


async def broadcast(crowd: Crowd) -> float:
    """Push one message to the hall. Return the seconds until the last client has it."""
    at = time.monotonic()
    before = crowd.received
    _ = crowd.halls[0].push("new_msg", {"t": "0", "body": "x" * 100})
    await crowd.hear(before + len(crowd.clients))
    return time.monotonic() - at


async def restart(crowd: Crowd, server: Server, number: signal.Signals) -> None:
    """Stop the server and start it again. Print how the clients come back."""
    crowd.failures = 0
    crowd.opened.clear()
    crowd.joined.clear()
    cpu, at = Meter.cpu(), time.monotonic()
    await server.stop(number)
    ended = time.monotonic()
    await server.start()
    began = time.monotonic()
    await crowd.returned()
    size = len(crowd.clients)
    done = time.monotonic()
    print(
        f"\n{number.name}: the server ended after {ended - at:.1f} s, and accepted again {began - ended:.1f} s later;"
        f" {crowd.failures / size:.1f} failed connects a client"
    )
    opened, joined = (
        [one - began for one in sorted(them)] for them in (crowd.opened, crowd.joined)
    )
    for name, them in (("open", opened), ("joined", joined)):
        marks = ", ".join(
            f"{part} % {them[(len(them) - 1) * part // 100]:.1f} s" for part in (0, 50, 99, 100)
        )
        print(f"  {name} after the new server accepted: {marks}")
    seconds = Counter(int(one) for one in opened)
    print(
        "  connects by second: "
        + ", ".join(f"{seconds[second]:,}" for second in range(min(seconds), max(seconds) + 1))
    )
    print(f"  {(Meter.cpu() - cpu) / size * 1e3:.2f} ms of CPU a client in {done - at:.1f} s")
    print(f"  a broadcast reaches the last client after {await broadcast(crowd) * 1e3:.0f} ms")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=5_000)
    parser.add_argument("--over", choices=("websocket", "longpoll"), default="websocket")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds of silence")
    parser.add_argument("--pushes", type=int, default=20_000)
    parser.add_argument("--events", type=int, default=20, help="events that all hear")
    parser.add_argument(
        "--url", help="the socket of a server of benchmarks.endpoint that runs already"
    )
    parser.add_argument("--port", type=int, default=4321, help="the port of the own server")
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"{options.clients:,} clients by {options.over}; at most {max(soft, hard):,} open files")
    uvloop.run(run(options))


if __name__ == "__main__":
    main()
