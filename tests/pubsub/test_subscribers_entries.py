"""Entries of logs for lanes: what a client gets whose transport fills up while an entry is given to several lanes."""

from __future__ import annotations

from typing import Any

import pytest

from bennu import Channel, History, on
from bennu.pubsub import fastlane
from bennu.testing.clock import settle

from ..support.memory import Client, endpoint_of, ok, serve

BODY = "x" * 20_000


class Room(Channel[Any]):
    """A room with history."""

    history = History(size=1_000)

    @on("flood")
    async def flood(self, payload: dict[str, Any]) -> None:
        for n in range(payload["n"]):
            await self.broadcast_from("said", {"n": n + 1, "body": BODY})


@pytest.mark.parametrize("most", [1, 2, 3, 5, 8])
async def test_a_client_that_turns_out_to_be_slow_misses_no_entry(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """The batch is written after few entries. Its clients are in lanes of several kinds, and in several topics."""
    monkeypatch.setattr(fastlane, "MAX_ENTRIES", most)
    async with serve(endpoint_of({"room:*": Room})) as server:
        clients: list[tuple[Client, str]] = []
        for version in ("2.0.0", "1.0.0", "2.0.0", "1.0.0"):
            client = await server.connect(version=version)
            reply = await client.join("room:1", {"recovery": {}})
            clients.append((client, reply["response"]["recovery"]["epoch"]))
        plain = await server.connect()
        assert await plain.join("room:1") == ok()
        for client, _ in clients:
            client.wire.stop_reading()
        teller = await server.connect()
        await teller.join("room:1", {"recovery": {}})
        teller.push("room:1", "flood", {"n": 60})
        await settle()
        for client, _ in clients:
            client.wire.read_on()
        for client, epoch in clients:
            got = [(await client.receive()).ref for _ in range(60)]
            assert got == [f"{n}:{epoch}" for n in range(1, 61)]
            await client.expect_nothing()
        assert [(await plain.receive()).payload["n"] for _ in range(60)] == list(range(1, 61))
        await teller.expect_nothing()
