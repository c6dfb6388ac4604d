"""Two nodes, served to real browsers, with clients that talk and one that does not read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from bennu import Dashboard
from bennu.bus.memory import MemoryNetwork
from bennu.testing import TestChannel, connect
from tests.support.servers import Server, serve

from .apps import PASSWORD, make

__all__ = ["Crowd", "crowd"]

PEOPLE = ("ann", "bo", "cyd", "dan", "eve", "fay")


class Crowd:
    """The nodes, and their clients.

    Args:
        servers: The servers of the nodes.
        channels: What the clients have joined.
    """

    def __init__(self, servers: list[Server], channels: list[TestChannel]) -> None:
        self.servers = servers
        self._channels = channels
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The URL of the page on the first node."""
        return self.servers[0].url("/dashboard/", "http")

    def talk(self, pause: float = 0.02) -> None:
        """Let the clients talk until the end."""
        self._task = asyncio.create_task(self._talk(pause))

    async def _talk(self, pause: float) -> None:
        number = 0
        while True:
            for channel in self._channels:
                number += 1
                await channel.push("say", {"text": f"message {number}", "password": "1234"})
                await asyncio.sleep(pause)

    async def end(self) -> None:
        """Let the clients be silent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


@asynccontextmanager
async def crowd(dashboard: Dashboard | None = None, **options: Any) -> AsyncIterator[Crowd]:
    """Start two nodes on a bus, and their clients."""
    network = MemoryNetwork()
    dashboard = Dashboard(password=PASSWORD) if dashboard is None else dashboard
    async with AsyncExitStack() as stack:
        servers: list[Server] = []
        channels: list[TestChannel] = []
        for name, people in (("node-1", PEOPLE[:3]), ("node-2", PEOPLE[3:])):
            app = make(dashboard, pubsub=network.adapter(name), **options)
            servers.append(await stack.enter_async_context(serve("native", app)))
            for person in people:
                client = await stack.enter_async_context(
                    connect(app, "/socket", {"name": person}, heartbeats=False)
                )
                channels += [await client.join("room:lobby"), await client.join(f"room:{person}")]
        people_at_work = Crowd(servers, channels)
        try:
            yield people_at_work
        finally:
            await people_at_work.end()
