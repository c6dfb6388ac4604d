"""An application with workers, and what a test asks it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from tests.cli.command import Command
from tests.support.servers import Server
from tests.support.until import until
from tests.support.wire import connect

__all__ = [
    "APP",
    "Load",
    "ask_json",
    "block",
    "bus_directory",
    "dial",
    "serving_pid",
    "workers_ready",
]
Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

APP: Final = """
import asyncio, json, os, sys, time
from contextlib import asynccontextmanager
from bennu import Channel, Endpoint, Socket, on

def tell(line):
    # In one write: the workers share a pipe, and print() writes the end of a line by itself.
    sys.stdout.write(line + "\\n")
    sys.stdout.flush()

class Room(Channel):
    @on("pid")
    async def pid(self) -> dict:
        return {"pid": os.getpid(), "code": "first"}

    @on("say")
    async def say(self, payload: dict) -> None:
        await self.broadcast("said", payload)

    @on("block")
    async def block(self, payload: dict) -> None:
        tell(f"blocks {os.getpid()}")
        time.sleep(payload["seconds"])

    @on("sleep")
    async def sleep(self, payload: dict) -> None:
        tell("sleeps")
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(1000)

    async def terminate(self, reason) -> None:
        tell(f"terminate {reason}")

@asynccontextmanager
async def lifespan():
    tell(f"begins {os.environ.get('BENNU_PUBSUB')}")
    yield
    tell("ends")

endpoint = Endpoint(
    sockets={"/socket": Socket(connect=lambda: None, channels={"room:*": Room})},
    lifespan=lifespan, health="/health",
)

def files():
    fds = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    return [os.readlink(fd) for fd in fds if os.path.lexists(fd)]

async def app(scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/pid":
        facts = {"pid": os.getpid(), "parent": os.getppid(), "code": "first", "env": dict(os.environ), "files": files()}
        body = json.dumps(facts).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    else:
        await endpoint(scope, receive, send)

app.bennu_endpoint = endpoint
"""


async def ask_json(server: Server, path: str = "/pid") -> dict[str, Any]:
    """Send a request on a connection of its own; return the answer."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
    finally:
        writer.close()
    found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


async def bus_directory(server: Server) -> Path:
    """Return the directory of the bus that connects the workers."""
    address: str = (await ask_json(server))["env"]["BENNU_PUBSUB"]
    return Path(address.removeprefix("ipc://"))


async def serving_pid(server: Server) -> int:
    """Return the process id of a worker: of the one that the next connection reaches."""
    return int((await ask_json(server))["pid"])


async def workers_ready(command: Command, count: int) -> Server:
    """Wait for the banner; return the address."""
    server = await command.listening()
    assert len(command.workers) == count, command.output
    return server


async def block(server: Server, pid: int, seconds: float) -> None:
    """Block the event loop of a worker, without waiting for it."""
    while True:
        async with connect(server) as client:
            await client.join("room:1")
            await client.push("room:1", "pid")
            reply = await client.receive()
            if reply.payload["response"]["pid"] == pid:
                await client.push("room:1", "block", {"seconds": seconds})
                return


class Load:
    """Clients that connect all the time, and what became of them.

    Args:
        dial: Opens a connection.
        clients: The number of clients.

    Attributes:
        outcomes: How many requests had which answer, or which error.
    """

    def __init__(self, dial: Dial, clients: int = 10) -> None:
        self.outcomes: Counter[str] = Counter()
        self._dial = dial
        self._clients = clients
        self._is_over = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._run()) for _ in range(self._clients)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_over = True
        await asyncio.wait(self._tasks)

    async def more(self, count: int) -> None:
        """Wait until so many more requests were answered."""
        wanted = self.outcomes.total() + count
        await until(lambda: self.outcomes.total() >= wanted)

    async def _run(self) -> None:
        while not self._is_over:
            try:
                async with asyncio.timeout(20):
                    answer = await self._ask()
            except OSError as error:  # a TimeoutError is one
                answer = type(error).__name__
            self.outcomes[answer] += 1

    async def _ask(self) -> str:
        reader, writer = await self._dial()
        try:
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        return answer.partition(b"\r\n")[0].decode()


def dial(server: Server) -> Dial:
    """Return a function that connects to a server."""
    return lambda: asyncio.open_connection(server.host, server.port)
