"""In development, what server code sends is checked against the ``emits`` of the topic's channels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from bennu import Channel, Endpoint, History, Socket
from bennu.testing.clock import settle
from tests.support.memory import endpoint_of, serve
from tests.support.payloads import Point


class Room(Channel[Any]):
    """Declares what it sends."""

    emits: ClassVar = {"point": Point, "raw": bytes}


class Hall(Room):
    history = History(size=10)


class Other(Channel[Any]):
    emits: ClassVar = {"other": Point}


class Open(Channel[Any]):
    """Declares nothing."""


CHANNELS = {"room:*": Room, "open:*": Open}

CALLS: dict[str, Callable[..., Any]] = {
    "broadcast": lambda endpoint, *sent: endpoint.broadcast(*sent),
    "broadcast_from": lambda endpoint, *sent: endpoint.broadcast_from("me", *sent),
    "local_broadcast": lambda endpoint, *sent: endpoint.local_broadcast(*sent),
    "local_broadcast_from": lambda endpoint, *sent: endpoint.local_broadcast_from("me", *sent),
}


@pytest.mark.parametrize("call", CALLS)
async def test_an_event_that_nobody_declared_is_an_error(call: str) -> None:
    """The error names the topic, the event, where to declare it, and the event that was perhaps meant."""
    async with serve(endpoint_of(CHANNELS, debug=True)) as server:
        client = await server.connect()
        await client.join("room:1")
        with pytest.raises(ValueError, match="a broadcast to 'room:1' sends 'pint'") as raised:
            await CALLS[call](server.endpoint, "room:1", "pint", Point(1, 2))
        assert "which Room.emits does not name (it names ['point', 'raw'])" in str(raised.value)
        assert str(raised.value).endswith(
            "add \"pint\": <type of the payload>; did you mean 'point'?"
        )
        with pytest.raises(ValueError, match="whose channel is Room, sends 'point' with a payload"):
            await CALLS[call](server.endpoint, "room:1", "point", {"x": "1"})
        await CALLS[call](server.endpoint, "room:1", "point", {"x": 1, "y": 2})
        await CALLS[call](server.endpoint, "room:1", "raw", b"1")
        await settle()
        assert [frame.event for frame in client.read()] == ["point", "raw"]
        client.read().clear()
        client.close()


@pytest.mark.parametrize(
    ("topic", "debug"), [("open:1", True), ("elsewhere", True), ("room:1", False)]
)
async def test_what_can_not_be_wrong_is_sent(topic: str, debug: bool) -> None:
    """A channel without ``emits``, a topic without a channel, and production."""
    async with serve(endpoint_of(CHANNELS, debug=debug)) as server:
        await server.endpoint.broadcast(topic, "anything", {"x": "1"})


async def test_one_channel_of_the_topic_must_declare_the_event() -> None:
    """Two sockets have a channel for the topic."""
    first, second = ({"room:*": one} for one in (Room, Other))
    sockets: dict[str, Socket[Any]] = {
        "/a": Socket(connect=lambda: None, channels=first),
        "/b": Socket(connect=lambda: None, channels=second),
    }
    async with serve(Endpoint(sockets=sockets, debug=True)) as server:
        await server.endpoint.broadcast("room:1", "other", {"x": 1, "y": 2})
        await server.endpoint.broadcast("room:1", "point", {"x": 1, "y": 2})
        with pytest.raises(ValueError, match=r"which Room.emits, Other.emits does not name"):
            await server.endpoint.broadcast("room:1", "third", {})


async def test_a_thread_gets_the_error_too() -> None:
    async with serve(endpoint_of(CHANNELS, debug=True)) as server:
        with pytest.raises(ValueError, match="sends 'pint'"):
            await asyncio.to_thread(server.endpoint.sync.broadcast, "room:1", "pint", {})


@pytest.mark.clock("real")
async def test_an_outbox_refuses_before_the_commit(tmp_path: Path) -> None:
    path = f"sqlite+aiosqlite:///{tmp_path / 'chat.db'}"
    endpoint = endpoint_of({"room:*": Hall}, debug=True, store=path)
    engine = create_async_engine(path)
    await endpoint.start()
    try:
        async with AsyncSession(engine) as session:
            outbox = endpoint.outbox(session)
            with pytest.raises(ValueError, match="sends 'pint'"):
                outbox.broadcast("room:1", "pint", {})
            outbox.broadcast("room:1", "point", Point(1, 2))
            await session.commit()
        assert [one.event for one in await endpoint.history("room:1")] == ["point"]
    finally:
        await endpoint.stop()
        await engine.dispose()
