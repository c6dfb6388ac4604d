"""Nodes as processes, and what tests ask of them over HTTP."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any, Final

from bennu.bus import LossReason

from ..support.servers import HOST, Server

__all__ = ["PATIENCE", "Node", "RoundRobin", "ask"]

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 30.0
RUNNING: Final = re.compile(r"running on http://127\.0\.0\.1:(\d+)")
SECRET: Final = "the secret of all nodes of the suite"

COMPLAINTS: Final = ("ERROR", "CRITICAL", "Traceback", "Lost on the bus")
"""What no scenario makes a node log."""


class Node:
    """A process of the suite's endpoint.

    Args:
        address: The address of its bus.
        arguments: More arguments of ``bennu run``.
        target: The endpoint.

    Attributes:
        server: Its address.
        lines: The lines of its log.
    """

    def __init__(
        self, address: str, *arguments: str, target: str = "tests.cluster.app:endpoint"
    ) -> None:
        self.server = Server("native", 0)
        self.lines: list[str] = []
        self._address = address
        self._arguments = arguments
        self._target = target
        self._process: asyncio.subprocess.Process
        self._reading: asyncio.Task[None]

    async def start(self) -> None:
        """Start the process, and wait until it listens."""
        listens: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bennu", "run", self._target, "--port", "0"),
            *("--no-access-log", *self._arguments),
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONUNBUFFERED": "1",
                "BENNU_PUBSUB": self._address,
                "BENNU_SECRET_KEY": SECRET,
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reading = asyncio.create_task(self._read(listens))
        async with asyncio.timeout(PATIENCE):
            self.server.port = await listens

    async def _read(self, listens: asyncio.Future[int]) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.lines.append(line.decode())
            found = RUNNING.search(self.lines[-1])
            if found and not listens.done():
                listens.set_result(int(found[1]))
        if not listens.done():
            listens.set_exception(AssertionError("it did not start:\n" + "".join(self.lines)))

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.returncode is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait for the end of the process; return its exit status."""
        async with asyncio.timeout(PATIENCE):
            await self._reading
            return await self._process.wait()

    async def kill(self) -> None:
        """End the process as a crash would."""
        if self.is_running:
            self.signal(signal.SIGKILL)
        await self.ended()

    async def stop(self) -> int:
        """End the process as a deploy does; return its exit status."""
        if self.is_running:
            self.signal(signal.SIGTERM)
        return await self.ended()

    @property
    def complaints(self) -> list[str]:
        """The lines of the log that no scenario expects. A node that was killed leaves an unknown tail."""
        return [
            line
            for line in self.lines
            if any(text in line for text in COMPLAINTS) and LossReason.TAIL.meaning not in line
        ]


async def ask(
    server: Server, method: str, target: str, headers: list[tuple[bytes, bytes]], body: bytes
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Send a request on a connection of its own; return the status, the headers and the body of the answer."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        lines = [
            f"{method} {target} HTTP/1.1".encode(),
            *(name + b": " + value for name, value in headers),
            b"content-length: %d" % len(body),
            b"connection: close",
        ]
        writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        async with asyncio.timeout(PATIENCE):
            head, _, content = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.transport.abort()
    status, *fields = head.split(b"\r\n")
    pairs = [tuple(field.split(b": ", 1)) for field in fields]
    return int(status.split()[1]), [(name.lower(), value) for name, value in pairs], content


class RoundRobin:
    """A load balancer that sends each request to the next node, as an ASGI application for polling clients.

    Args:
        nodes: The nodes.

    Attributes:
        nodes: As given; a test can replace them.
        seen: The method and the node of each request, in order.
    """

    def __init__(self, *nodes: Node) -> None:
        self.nodes = nodes
        self.seen: list[tuple[str, Node]] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        node = self.nodes[len(self.seen) % len(self.nodes)]
        self.seen.append((scope["method"], node))
        body = (await receive())["body"]
        target = f"{scope['path']}?{scope['query_string'].decode()}"
        headers = [pair for pair in scope["headers"] if pair[0] != b"host"]
        headers.append((b"host", f"{HOST}:{node.server.port}".encode()))
        status, fields, content = await ask(node.server, scope["method"], target, headers, body)
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": content})
