"""A load balancer: TCP connections go to servers in turn, and new connections only to servers that are ready."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count

from .servers import HOST, Server

__all__ = ["Accepted", "Balancer", "balance"]

logger = logging.getLogger(__name__)

CHUNK = 64 * 1024


@dataclass(frozen=True)
class Accepted:
    """A client's connection.

    Attributes:
        time: The time of the connect, by the event loop's clock.
        server: The index of its server.
    """

    time: float
    server: Server


class Balancer:
    """The load balancer between clients and servers.

    Attributes:
        accepted: Every connection, in order.
        port: The port for clients.
    """

    def __init__(self, servers: list[Server], path: str) -> None:
        self.accepted: list[Accepted] = []
        self.port = 0
        self._servers = servers
        self._path = path
        self._turns = count()
        self._check: asyncio.Task[list[Server]] | None = None
        self._clients: set[asyncio.Task[None]] = set()

    def of(self, server: Server) -> list[Accepted]:
        """Return the connections of a server."""
        return [one for one in self.accepted if one.server is server]

    def begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Accept a client's connection."""
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def end(self) -> None:
        """Cut all connections."""
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        time = asyncio.get_running_loop().time()
        try:
            ready = await self._ready()
            if not ready:
                return
            server = ready[next(self._turns) % len(ready)]
            self.accepted.append(Accepted(time, server))
            upstream, downstream = await asyncio.open_connection(server.host, server.port)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_copy(reader, downstream))
                    group.create_task(_copy(upstream, writer))
            finally:
                downstream.transport.abort()
        except OSError:
            logger.debug("A connection to a server failed", exc_info=True)
        finally:
            writer.transport.abort()

    async def _ready(self) -> list[Server]:
        """Ask all servers whether they are ready. A caller in the meantime gets the next answer."""
        if self._check is not None:
            await asyncio.wait([self._check])
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(self._ask_all())
        return await asyncio.shield(self._check)

    async def _ask_all(self) -> list[Server]:
        answers = await asyncio.gather(*(self._ask(server) for server in self._servers))
        return [server for server, is_ready in zip(self._servers, answers, strict=True) if is_ready]

    async def _ask(self, server: Server) -> bool:
        try:
            reader, writer = await asyncio.open_connection(server.host, server.port)
        except OSError:
            return False
        try:
            writer.write(
                f"GET {self._path} HTTP/1.1\r\nHost: {server.host}\r\nConnection: close\r\n\r\n".encode()
            )
            return b" 200 " in await reader.readline()
        except OSError:
            return False
        finally:
            writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy bytes up to the end of the stream, and pass on the end."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()


@asynccontextmanager
async def balance(servers: list[Server], path: str) -> AsyncIterator[Balancer]:
    """Run a load balancer.

    Args:
        servers: The ports of the servers.
        path: The page that a ready server answers with 200.
    """
    balancer = Balancer(servers, path)
    listener = await asyncio.start_server(balancer.begin, HOST, 0, backlog=1024)
    balancer.port = listener.sockets[0].getsockname()[1]
    try:
        yield balancer
    finally:
        listener.close()
        await balancer.end()
