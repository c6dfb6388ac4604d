"""A proxy with one address for all nodes: it connects each client to a node that lives, and can cut connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random

__all__ = ["Proxy"]


class Proxy:
    """The proxy.

    Args:
        port_of: Returns the port of a node that lives.
        random: Chooses what is cut.
    """

    def __init__(self, port_of: Callable[[], int], random: Random) -> None:
        self._port_of = port_of
        self._random = random
        self._server: asyncio.Server | None = None
        self._writers: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Listen, and return the address for clients."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Cut everything."""
        if self._server is not None:
            self._server.close()
        self.cut(1.0)
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))

    def cut(self, part: float) -> int:
        """Cut a random part of the connections without a word. Return how many."""
        chosen = [pair for pair in self._writers if self._random.random() < part]
        for pair in chosen:
            for writer in pair:
                writer.transport.abort()
        return len(chosen)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self._port_of())
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, upstream[1])
        self._writers.add(pair)
        for source, target in ((reader, upstream[1]), (upstream[0], writer)):
            task = asyncio.create_task(self._copy(source, target, pair))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _copy(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                target.write(data)
                await target.drain()
        self._writers.discard(pair)
        for writer in pair:
            writer.transport.abort()
