"""The attributes of a joined channel, and the messages that it does not get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from bennu import Channel
from bennu.testing.wires import NativeWire
from tests.support.memory import Over, both_transports, endpoint_of, ok, serve


@dataclass(frozen=True)
class User:
    """The assigns of a connection."""

    name: str


def connect(params: dict[str, Any]) -> User:
    """Accept every client."""
    return User(params["name"])


@both_transports
@pytest.mark.conformance("CS012")
async def test_a_joined_channel_knows_where_it_stands(over: Over) -> None:
    """The topic and its parameters, join_ref, connection, endpoint and assigns are set in join already.

    Phoenix has them in the socket, and Bennu as attributes. A joined channel is a subscriber of its topic.
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


@pytest.mark.conformance("WS051")
@pytest.mark.parametrize("content", [b"", b"hello", bytes(125)], ids=len)
async def test_a_ping_is_answered_with_what_it_held(content: bytes) -> None:
    """``bennu run`` answers a ping, and other servers answer it themselves. Channels do not get it."""

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
