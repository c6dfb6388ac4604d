"""Honest clients: a few stay, send heartbeats and time the answers; newcomers connect and join.

    python -m benchmarks.attacks.honest PORT ws|wss PID

The program runs until its standard input ends. Then it prints its samples as JSON: `[kind, begun, seconds, starved]`
each. The kinds are `beat` and `newcomer`. `seconds` is null without an answer. `starved` is the part of that time in
which the server or this process was ready to run, and had no core. The kernel counts this time.
"""

import asyncio
import json
import socket
import ssl
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

ADDRESS = "127.0.0.2"
STAYING = 4
BEAT = 0.05
NEWCOMER = 0.25
PATIENCE = 20.0

FAILURES = (OSError, TimeoutError, WebSocketException)


class Honest:
    """All honest clients.

    Args:
        port: The port of the server.
        scheme: ``ws`` or ``wss``.
        pid: The process id of the server.

    Attributes:
        samples: The measurements.
    """

    def __init__(self, port: int, scheme: str, pid: int) -> None:
        self._url = f"{scheme}://127.0.0.1:{port}/socket/websocket?vsn=2.0.0"
        self._files = [Path(f"/proc/{one}/schedstat") for one in (pid, "self")]
        self.samples: list[tuple[str, float, float | None, float]] = []

    async def run(self) -> None:
        """Run until standard input ends."""
        await self._newcomer()
        tasks = [asyncio.create_task(self._stay()) for _ in range(STAYING)]
        tasks.append(asyncio.create_task(self._arrive()))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _stay(self) -> None:
        """Join once, and send heartbeats."""
        while True:
            with suppress(*FAILURES):
                async with self._opened() as client:
                    await ask(client, "room:honest", "phx_join")
                    while True:
                        with self._timed("beat"):
                            await ask(client, "phoenix", "heartbeat")
                        await asyncio.sleep(BEAT)
            await asyncio.sleep(BEAT)

    async def _arrive(self) -> None:
        while True:
            with suppress(*FAILURES):
                await self._newcomer()
            await asyncio.sleep(NEWCOMER)

    async def _newcomer(self) -> None:
        """Connect, join and disconnect."""
        with self._timed("newcomer"):
            client = await self._opened()
            await ask(client, "room:honest", "phx_join")
        await client.close()

    @contextmanager
    def _timed(self, kind: str) -> Generator[None]:
        """Time a block, and add a sample. A failed block has no time."""
        begun, starved, is_answered = time.monotonic(), self._starved(), True
        try:
            yield
        except FAILURES:
            is_answered = False
            raise
        finally:
            took = time.monotonic() - begun if is_answered else None
            self.samples.append((kind, begun, took, self._starved() - starved))

    def _starved(self) -> float:
        return sum(int(file.read_text().split()[1]) for file in self._files) / 1e9

    def _opened(self) -> connect:
        """Connect from the address of honest clients, without compression, pings and proxies."""
        context = None
        if self._url.startswith("wss"):
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return connect(
            self._url,
            ssl=context,
            compression=None,
            ping_interval=None,
            open_timeout=PATIENCE,
            close_timeout=1,
            proxy=None,
            local_addr=(ADDRESS, 0),
            family=socket.AF_INET,
        )


async def ask(client: ClientConnection, topic: str, event: str) -> None:
    """Send a message, and wait for the answer."""
    ref = "1" if event == "phx_join" else None
    async with asyncio.timeout(PATIENCE):
        await client.send(json.dumps([ref, "1", topic, event, {}]))
        await client.recv()


if __name__ == "__main__":
    honest = Honest(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    asyncio.run(honest.run())
    print(json.dumps(honest.samples))
