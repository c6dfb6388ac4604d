"""Endpoints on a bus in memory, with a channel that uses all of PubSub."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

from msgspec import Struct

from bennu import Broadcast, Channel, Latest, on, on_info, on_out
from bennu.bus import MemoryNetwork

from ..support.frames import Frame, broadcast
from ..support.hostile_adapter import HostileAdapter
from ..support.memory import Client, Server, endpoint_of, serve

__all__ = ["Node", "Price", "Room", "Ticker", "lines_of", "nodes", "said"]


class Price(Struct, frozen=True):
    """A message of server code that a handler names."""

    cents: int


class Room(Channel[Any]):
    """A channel that says what it hears from server code."""

    async def after_join(self) -> None:
        self.subscribe("server")

    @on("say")
    async def say(self, payload: dict[str, Any]) -> None:
        await self.broadcast("said", payload)

    @on("tell")
    async def tell(self, payload: dict[str, Any]) -> None:
        await self.broadcast_from("said", payload)

    @on_out("secret")
    async def secret(self, payload: dict[str, Any]) -> None:
        await self.push("seen", {"by": self.assigns, **payload})

    @on_info(Price)
    async def price(self, price: Price) -> None:
        await self.push("price", {"cents": price.cents})

    @on_info(Broadcast)
    async def news(self, news: Broadcast) -> None:
        await self.push("server", {"event": news.event, "payload": news.payload})


class Ticker(Channel[Any]):
    """A channel whose slow clients get the newest message."""

    when_slow = Latest()


class Node(NamedTuple):
    """An endpoint on the bus."""

    server: Server
    adapter: HostileAdapter

    async def enter(self, name: str, topic: str = "room:1", **options: Any) -> Client:
        """Connect a client that joins a topic."""
        client = await self.server.connect(params={"name": name}, **options)
        reply = await client.join(topic)
        assert reply["status"] == "ok"
        return client


@asynccontextmanager
async def nodes(
    *names: str, network: MemoryNetwork | None = None, **options: Any
) -> AsyncIterator[list[Node]]:
    """Run endpoints on one bus. At the end their clients leave."""
    network = network or MemoryNetwork()
    channels = {"room:*": Room, "ticker:*": Ticker}
    async with AsyncExitStack() as stack:
        started: list[Node] = []
        for name in names:
            adapter = HostileAdapter(network.adapter(name))
            endpoint = endpoint_of(channels, pubsub=adapter, **options)
            started.append(Node(await stack.enter_async_context(serve(endpoint)), adapter))
        yield started
        for node in started:
            for wire in node.server.wires:
                if wire.code is None:
                    wire.close()


def lines_of(*nodes: Node) -> list[str]:
    """Return the lines that were logged since the last call. All nodes write to one log."""
    lines = [record.getMessage() for record in nodes[0].server.records]
    for node in nodes:
        node.server.records.clear()
    return lines


def said(payload: Any, event: str = "said", topic: str = "room:1") -> Frame:
    """Return the frame of a broadcast."""
    return broadcast(topic, event, payload)
