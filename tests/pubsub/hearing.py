"""Nodes on a bus in memory, as the tests of this folder need them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from bennu.bus import MemoryNetwork
from bennu.logs.log import Log
from bennu.pubsub.cluster import Cluster
from bennu.pubsub.envelope import Envelope
from bennu.telemetry import Telemetry
from bennu.testing.clock import settle

from ..support.hostile_adapter import HostileAdapter

__all__ = ["Tasks", "cluster", "hostile"]


class Tasks:
    """Runs coroutines as a node does, and awaits all at the end."""

    def __init__(self) -> None:
        self.all: list[asyncio.Task[None]] = []

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.all.append(asyncio.get_running_loop().create_task(work))

    async def end(self) -> None:
        for task in self.all:
            task.cancel()
        await asyncio.gather(*self.all, return_exceptions=True)


def hostile(network: MemoryNetwork, node: str) -> HostileAdapter:
    """Return an adapter of a network that can raise and hang."""
    return HostileAdapter(network.adapter(node))


class Heard(list[tuple[str | None, Envelope]]):
    """What a node has heard for PubSub."""

    def take(self, topic: str | None, envelope: Envelope, _node: str) -> None:
        self.append((topic, envelope))


@asynccontextmanager
async def cluster(
    adapter: HostileAdapter, telemetry: Telemetry | None = None
) -> AsyncIterator[tuple[Cluster, Heard]]:
    """Start a node; stop it at the end, and check that no task is left."""
    before = asyncio.all_tasks()
    heard = Heard()
    one = Cluster(adapter, heard.take, telemetry or Telemetry(), Log())
    try:
        await one.start()
        yield one, heard
    finally:
        await one.stop()
        await settle()
    assert asyncio.all_tasks() <= before
