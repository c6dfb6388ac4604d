"""Where a joined channel stands, and how it ends with its connection."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from bennu import Channel
from tests.support.clock import settle, work
from tests.support.memory import Over, endpoint_of, ok, serve
from tests.support.wires import NativeWire

both_transports = pytest.mark.parametrize("over", ["native", "asgi"])


@dataclass(frozen=True)
class User:
    """The assigns of a connection."""

    name: str


def connect(params: dict[str, Any]) -> User:
    """Let everybody in."""
    return User(params["name"])


@both_transports
@pytest.mark.conformance("CS012")
async def test_a_joined_channel_knows_where_it_stands(over: Over) -> None:
    """Its topic and what the topic says, join_ref, connection, endpoint, assigns: in join already.

    What Phoenix has in the socket are attributes here; `joined` shows in who hears the topic.
    """
    rooms: list[Room] = []

    class Room(Channel[User]):
        number: int

        async def join(self, payload: dict[str, Any]) -> dict[str, Any]:
            rooms.append(self)
            assert server.endpoint.pubsub.subscribers(self.topic) == 0
            return {"number": self.number, **payload}

    endpoint = endpoint_of(
        {"room:{number}": Room}, connect=connect, id=lambda user: f"users:{user.name}"
    )
    async with serve(endpoint) as server:
        client = await server.connect(params={"name": "ann"}, over=over)
        assert await client.join("room:7", {"asked": True}) == ok({"number": 7, "asked": True})
        assert await client.join("room:8") == ok({"number": 8})
        seven, eight = rooms
        assert (seven.topic, seven.number, seven.join_ref) == ("room:7", 7, "1")
        assert (eight.topic, eight.number, eight.join_ref) == ("room:8", 8, "2")
        assert seven.assigns == User("ann")
        assert seven.assigns is eight.assigns
        assert seven.endpoint is endpoint
        assert seven.connection is eight.connection
        assert (seven.connection.id, seven.connection.transport) == ("users:ann", "websocket")
        assert seven.connection.info.uri.query == "name=ann&vsn=2.0.0"
        assert endpoint.pubsub.subscribers("room:7") == 1


def slow(ends: list[Any], gate: asyncio.Event, timeout: float = 5.0) -> type[Channel[Any]]:
    """Return a channel that writes down why it ends, and once more when it has been let go on."""

    class Slow(Channel[Any]):
        terminate_timeout = timeout

        async def terminate(self, reason: Any) -> None:
            ends.append(reason)
            await gate.wait()
            ends.append("done")

    return Slow


@both_transports
@pytest.mark.conformance("CS039", "CS040", "WS025")
async def test_a_connection_that_is_closed_ends_its_channel_with_closed(over: Over) -> None:
    """terminate is told so once, however often the end is said, and whatever says it again."""
    ends: list[Any] = []
    gate = asyncio.Event()
    async with serve(endpoint_of({"room": slow(ends, gate)})) as server:
        client = await server.connect(params={"name": "ann"}, over=over)
        await client.join("room")
        client.close()
        await settle()
        assert ends == ["closed"]
        assert server.endpoint.pubsub.subscribers("room") == 0
        client.vanish()
        await server.endpoint.disconnect("ann")
        await settle()
        assert ends == ["closed"]
        gate.set()
    assert ends == ["closed", "done"]
    assert not client.read()


@both_transports
@pytest.mark.conformance("CS041")
async def test_a_terminate_that_hangs_is_cut_short_and_not_run_again(over: Over) -> None:
    """After its time-out, in one line of the log; what it would still do is not done."""
    ends: list[Any] = []
    async with serve(endpoint_of({"room": slow(ends, asyncio.Event(), timeout=0.5)})) as server:
        client = await server.connect(over=over)
        await client.join("room")
        client.close()
        await settle()
        assert ends == ["closed"]
        await server.endpoint.stop()
        server.logged("terminate of ", "Slow on 'room' took over 0.5s")
    assert ends == ["closed"]


@pytest.mark.conformance("CS041")
async def test_a_terminate_that_ignores_its_cancellation_is_killed() -> None:
    """Nothing keeps a channel alive for ever: the server could not stop."""
    ends: list[Any] = []

    class Stubborn(Channel[Any]):
        terminate_timeout = 0.5

        async def terminate(self, reason: Any) -> None:
            ends.append(reason)
            while True:
                try:
                    await work(60)
                except asyncio.CancelledError:
                    ends.append("cancelled")

    async with serve(endpoint_of({"room": Stubborn})) as server:
        client = await server.connect()
        await client.join("room")
        client.close()
        await settle()
        await server.endpoint.stop()
        server.logged("Stubborn on 'room' ignored its cancellation and was killed")
    assert ends == ["closed", "cancelled"]


@pytest.mark.conformance("WS051")
@pytest.mark.parametrize("content", [b"", b"hello", bytes(125)], ids=len)
async def test_a_ping_is_answered_with_what_it_held(content: bytes) -> None:
    """At once, also while a join holds the line; the channels hear nothing of it.

    Under other servers than our own the ASGI server answers pings.
    """

    class Room(Channel[Any]):
        async def handle_in(self, event: str, payload: Any) -> None:
            raise AssertionError(f"{event} is no event")

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        wire = client.wire
        assert isinstance(wire, NativeWire)
        await client.join("room")
        wire.ping(content)
        await client.expect_nothing()
        assert wire.pongs == [content]
