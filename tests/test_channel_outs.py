"""The payload of an intercepted broadcast has the annotated type, on every node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar

import pytest
from msgspec import Struct
from pydantic import BaseModel

from bennu import Channel, DefinitionError, Socket, on_out
from bennu.bus import MemoryNetwork
from bennu.testing.clock import settle

from .support.frames import PHX_ERROR
from .support.memory import Client, Server, endpoint_of, serve


class Point(Struct):
    x: int


@dataclass
class Size:
    x: int


class Model(BaseModel):
    x: int


class Typed(TypedDict):
    x: int


T = TypeVar("T")


class Hearing(Channel[Any], Generic[T]):
    """Pushes what it got, and its type."""

    @on_out("moved")
    async def moved(self, payload: T) -> None:
        await self.push("got", {"type": type(payload).__name__, "value": repr(payload)})


def hearing(kind: Any) -> type[Channel[Any, Any]]:
    class Room(Hearing[kind]):
        """A room whose handler expects this type."""

    return Room


@asynccontextmanager
async def nodes(channel: type[Channel[Any, Any]]) -> AsyncIterator[tuple[Server, list[Client]]]:
    """Run two nodes with a channel at ``room``, and a client of each. Yield the first node and the clients."""
    network = MemoryNetwork()
    one, two = (endpoint_of({"room": channel}, pubsub=network.adapter(name)) for name in "ab")
    async with serve(one) as here, serve(two) as there:
        clients = [await server.connect() for server in (here, there)]
        for client in clients:
            await client.join("room")
        yield here, clients
        for client in clients:
            client.close()
        await settle()


@pytest.mark.parametrize(
    ("annotation", "sent", "got"),
    [
        (Point, Point(1), "Point"),
        (Point, {"x": 1}, "Point"),
        (Size, Size(1), "Size"),
        (Size, Point(1), "Size"),
        (Model, Model(x=1), "Model"),
        (Model, {"x": 1}, "Model"),
        (Typed, {"x": 1}, "dict"),
        (dict[str, int], Point(1), "dict"),
        (dict[str, int], {"x": 1}, "dict"),
        (Any, {"x": 1}, "dict"),
        (bytes, b"\1", "bytes"),
        (Point | bytes, b"\1", "bytes"),
        (Point | bytes, Point(1), "Point"),
    ],
)
async def test_a_handler_gets_its_type_on_every_node(annotation: Any, sent: Any, got: str) -> None:
    async with nodes(hearing(annotation)) as (server, clients):
        await server.endpoint.broadcast("room", "moved", sent)
        here, there = [(await client.receive()).payload for client in clients]
        assert here == there
        assert here["type"] == got


class Plain(Channel[Any]):
    """Does not say what it expects."""

    @on_out("moved")
    async def moved(self, payload) -> None:  # type: ignore[no-untyped-def]
        await self.push("got", {"type": type(payload).__name__})


async def test_without_an_annotation_other_nodes_get_json() -> None:
    async with nodes(Plain) as (server, clients):
        await server.endpoint.broadcast("room", "moved", Point(1))
        assert [(await client.receive()).payload["type"] for client in clients] == ["Point", "dict"]


@pytest.mark.parametrize("sent", [{"x": "one"}, {}, b"\1"])
async def test_a_payload_that_does_not_fit_is_logged_and_dropped(sent: Any) -> None:
    """The channel goes on."""
    async with serve(endpoint_of({"room": hearing(Point)})) as server:
        client = await server.connect()
        await client.join("room")
        await server.endpoint.broadcast("room", "moved", sent)
        await client.expect_nothing()
        server.logged("moved", "expects another payload", level=30)
        await server.endpoint.broadcast("room", "moved", {"x": 2})
        assert (await client.receive()).payload["value"] == "Point(x=2)"


class Fragile(Struct):
    x: int

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ZeroDivisionError


async def test_a_type_that_raises_ends_the_channel_as_a_handler_would() -> None:
    async with serve(endpoint_of({"room": hearing(Fragile)})) as server:
        client = await server.connect()
        await client.join("room")
        await server.endpoint.broadcast("room", "moved", {"x": -1})
        assert (await client.receive()).event == PHX_ERROR
        server.logged("moved", level=40)


def test_a_type_that_json_can_not_become_is_refused_at_start_up() -> None:
    with pytest.raises(DefinitionError, match="moved"):
        endpoint_of({"room": hearing(Socket)})
