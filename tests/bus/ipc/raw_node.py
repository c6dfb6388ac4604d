"""A node whose frames a test writes and reads by hand."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bennu.bus.ipc.directory import Directory
from bennu.bus.ipc.frames import (
    VERSION,
    Control,
    FrameReader,
    Hello,
    Interest,
    InterestReady,
    Welcome,
    control_frame,
)

__all__ = ["Connection", "RawNode", "raw_node"]


class Connection:
    """One connection: what it has received, frame by frame."""

    def __init__(self, raw: socket.socket) -> None:
        self.found: list[Any] = []
        self._socket = raw
        self._reader = FrameReader(
            lambda key, data: self.found.append((key, data)), self.found.append
        )

    async def send(self, *frames: Control | bytes) -> None:
        """Send frames, or bytes."""
        loop = asyncio.get_running_loop()
        for frame in frames:
            data = frame if isinstance(frame, bytes) else control_frame(frame)
            await loop.sock_sendall(self._socket, data)

    async def receive(self) -> Any:
        """Return the next frame; None at the end of the connection."""
        async with asyncio.timeout(20):
            while not self.found:
                try:
                    data = await asyncio.get_running_loop().sock_recv(self._socket, 1 << 16)
                except ConnectionError:
                    return None
                if not data:
                    return None
                self._reader.feed(data)
        return self.found.pop(0)

    async def ended(self) -> bool:
        """Read until the end of the connection."""
        while await self.receive() is not None:
            pass
        return True

    def finish(self) -> None:
        """Write nothing more."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


class RawNode:
    """The node: it listens, and can connect."""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self._directory = Directory(path)
        self._directory.open(name)
        self._listener = self._directory.listen(name)
        self._open: list[Connection] = []

    async def connect(self, node: str, *, epoch: int = 1) -> Connection:
        """Open a connection to a node, and say hello."""
        connection = self.connect_silently(node)
        await connection.send(Hello(VERSION, self.name, epoch))
        return connection

    def connect_silently(self, node: str) -> Connection:
        """Open a connection to a node."""
        connection = Connection(self._directory.connect(node))
        self._open.append(connection)
        return connection

    async def accept(self) -> Connection:
        """Return the next connection that a node opens, after its hello."""
        async with asyncio.timeout(20):
            raw, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        connection = Connection(raw)
        self._open.append(connection)
        assert isinstance(await connection.receive(), Hello)
        return connection

    async def welcome(self, connection: Connection, *topics: bytes, epoch: int = 1) -> Any:
        """Answer a hello with an interest. Return the frame that takes it."""
        await connection.send(
            Welcome(self.name, epoch), Interest(1, list(topics)), InterestReady(1)
        )
        return await connection.receive()

    def close(self) -> None:
        """End, as if the process was killed."""
        for connection in self._open:
            connection.close()
        self._listener.close()
        self._directory.close()


@asynccontextmanager
async def raw_node(path: Path, name: str = "raw") -> AsyncIterator[RawNode]:
    """Run a node."""
    node = RawNode(path, name)
    try:
        yield node
    finally:
        node.close()
