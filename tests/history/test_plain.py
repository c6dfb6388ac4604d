"""Broadcasts to topics with history that other nodes have sent without an entry."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from bennu import Channel, History, Publisher
from bennu.bus import MemoryNetwork
from bennu.bus.bus import PUBLISHER
from bennu.history.plain import MOST, PlainBroadcasts
from bennu.logs.log import Log
from bennu.testing.clock import settle
from bennu.testing.shared_store import SharedStore

from ..support.frames import broadcast
from ..support.memory import endpoint_of, serve


class Room(Channel[Any]):
    """A room with history."""

    history = History(size=100, ephemeral=["typing"])


class Lobby(Channel[Any]):
    """A channel without history."""


async def test_they_are_delivered_and_each_topic_and_node_is_named_once() -> None:
    """Ephemeral events and topics without history are not named."""
    network = MemoryNetwork()
    endpoint = endpoint_of(
        {"room:*": Room, "lobby": Lobby}, pubsub=network.adapter("web"), store=SharedStore()
    )
    async with serve(endpoint) as server:
        ann = await server.connect()
        for topic in ("room:1", "room:2", "lobby"):
            await ann.join(topic, within=30)
        async with Publisher(network.adapter(f"{PUBLISHER}cron")) as publisher:
            for topic, event in (
                ("room:1", "typing"),
                ("lobby", "news"),
                ("room:1", "news"),
                ("room:1", "more"),
                ("room:2", "news"),
            ):
                await publisher.broadcast(topic, event, {"n": 1})
                await ann.expect(broadcast(topic, event, {"n": 1}), within=1)
            await publisher.broadcast("room:1", "image", b"\x00")
            await ann.expect(broadcast("room:1", "image", b"\x00"), within=1)
            await publisher.broadcast("room:3", "news", {"n": 1})  # it has no subscriber here
            await settle()
        lines = [record.getMessage() for record in server.records]
        server.records.clear()
        assert len(lines) == 2
        for line, topic in zip(lines, ("room:1", "room:2"), strict=True):
            assert line.startswith(
                f"The broadcast of 'news' to '{topic}' by the node publisher@cron is not in the log"
            )
            assert "Write Publisher(..., store=..., histories=...) there" in line
        ann.close()


async def test_a_node_without_the_history_is_named() -> None:
    """It has the same channel of an older version of the application."""
    network, store = MemoryNetwork(), SharedStore()
    new = endpoint_of({"room:*": Room}, pubsub=network.adapter("new"), store=store)
    old = endpoint_of({"room:*": Lobby}, pubsub=network.adapter("old"), store=store)
    async with serve(old) as first, serve(new) as server:
        ann = await server.connect()
        await ann.join("room:1", within=30)
        await old.broadcast("room:1", "news", {"n": 1})
        await new.broadcast("room:1", "news", {"n": 2})
        assert [(await ann.receive(within=1)).payload["n"] for _ in range(2)] == [1, 2]
        for one in (first, server):  # both record the lines of the process
            one.logged("by the node old is not in the log", level=logging.WARNING)
        ann.close()


def test_the_memory_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """After many pairs the first ones are forgotten. The log counts lines beyond the first few."""
    plain = PlainBroadcasts(Log("bennu.history"))
    for n in range(MOST + 1):
        plain.note(f"room:{n}", "news", "old")
    plain.note(f"room:{MOST}", "news", "old")
    assert 1 < len(caplog.records) < 20
