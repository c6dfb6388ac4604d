"""The application under attack: configured as the documentation says, with careless but realistic handlers.

`endpoint` is served alone. `mounted` is the same endpoint beside ordinary HTTP routes.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, ClassVar, Literal

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

from bennu import Channel, Endpoint, Limits, Ok, Presence, Rates, Refused, Socket, on

__all__ = ["endpoint", "mounted"]

PER_ADDRESS = 100

presence = Presence()


class Room(Channel[None]):
    """Echoes, broadcasts, and keeps a client waiting."""

    @on("echo")
    async def echo(self, payload: Any) -> Any:
        return payload

    @on("say")
    async def say(self, payload: Any) -> None:
        await self.broadcast("said", {"said": payload})

    @on("slow")
    async def slow(self) -> None:
        await asyncio.sleep(20)

    @on("report")
    def report(self) -> Ok:
        """Ask a database that takes half a second, in a worker thread."""
        time.sleep(0.5)
        return Ok()

    @on("numbers")
    async def numbers(self, payload: dict[int, int]) -> Ok:
        return Ok(len(payload))

    @on("one_of")
    async def one_of(self, payload: Literal["a", "b"]) -> Ok:
        return Ok(payload)


class Pair(Channel[None]):
    """A topic with two parameters in one segment."""

    left: str
    right: str


class Farewell(Channel[None]):
    """Writes "last seen" to a busy database when it ends."""

    alive: ClassVar[int] = 0
    most: ClassVar[int] = 0

    async def join(self) -> None:
        Farewell.alive += 1
        Farewell.most = max(Farewell.alive, Farewell.most)

    @on("most")
    async def most_alive(self) -> Ok:
        return Ok(Farewell.most)

    async def terminate(self, _reason: object) -> None:
        try:
            await asyncio.sleep(4)
        finally:
            Farewell.alive -= 1


class Cursors(Channel[None]):
    """Lets its clients choose the keys and metas of their presences."""

    async def after_join(self) -> None:
        await presence.push_state(self)

    @on("at")
    async def at(self, payload: dict[str, Any]) -> None:
        await presence.track(self, payload["key"], payload["meta"])


def connect(params: dict[str, Any]) -> None:
    """Run in a worker thread, like many applications; refuse a client that sends the parameter `refuse`."""
    if "refuse" in params:
        raise Refused("unknown")


channels = {
    "room:*": Room,
    "pair:{left}-{right}": Pair,
    "farewell:*": Farewell,
    "cursors:*": Cursors,
}
RATES = Rates(joins="20/10s", messages="100/10s, burst 200", bytes="64k/second, burst 1M")

endpoint = Endpoint(
    sockets={
        "/socket": Socket(connect=connect, channels=channels, longpoll=True, compress=True),
        "/rated": Socket(connect=connect, channels=channels, longpoll=True, rates=RATES),
        "/readable": Socket(connect=connect, channels=channels, refusals="readable"),
    },
    presence=presence,
    hosts=["127.0.0.1"],
    limits=Limits(connections=5_000, connections_per_ip=PER_ADDRESS),
)

under_way: set[object] = set()


async def download(_request: Request) -> StreamingResponse:
    """Send 260 MB."""

    async def body() -> AsyncIterator[bytes]:
        under_way.add(one := object())
        try:
            for _ in range(4_000):
                yield bytes(65_536)
                await asyncio.sleep(0)
        finally:
            under_way.discard(one)

    return StreamingResponse(body())


async def downloads(_request: Request) -> PlainTextResponse:
    """Return the number of unfinished downloads."""
    return PlainTextResponse(str(len(under_way)))


mounted = Starlette(
    routes=[Route("/download", download), Route("/downloads", downloads), Mount("/", endpoint)],
    lifespan=endpoint.lifespan(),
)
