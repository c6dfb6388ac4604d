"""Ephemeral events of a topic with history: clients get them, and the log does not."""

from __future__ import annotations

from typing import Any

import pytest

from bennu import Channel, DefinitionError, History, on
from bennu.bus import MemoryNetwork

from ..support.frames import broadcast
from ..support.memory import endpoint_of, serve
from ..support.stores import SharedStore


class Room(Channel[Any]):
    """A room whose people type."""

    history = History(size=100, ephemeral=["typing"])

    @on("type")
    async def type(self, payload: dict[str, Any]) -> None:
        await self.broadcast_from("typing", payload)

    @on("say")
    async def say(self, payload: dict[str, Any]) -> None:
        await self.broadcast("said", payload)


async def test_an_ephemeral_event_reaches_the_others_on_all_nodes_and_is_not_kept() -> None:
    store, network = SharedStore(), MemoryNetwork()
    endpoints = [
        endpoint_of({"room:*": Room}, pubsub=network.adapter(name), store=store)
        for name in ("one", "two")
    ]
    async with serve(endpoints[0]) as one, serve(endpoints[1]) as two:
        ann, ben = await one.connect(), await one.connect()
        eve = await two.connect()  # without recovery
        epoch = (await ann.join("room:1", {"recovery": {}}))["response"]["recovery"]["epoch"]
        await ben.join("room:1", {"recovery": {}})
        await eve.join("room:1")
        for n in (1, 2):
            ann.push("room:1", "type", {"n": n})
            ann.push("room:1", "say", {"n": n})
        said = [broadcast("room:1", "said", {"n": n}, at=f"{n}:{epoch}") for n in (1, 2)]
        typing = [broadcast("room:1", "typing", {"n": n}) for n in (1, 2)]
        await ann.expect(*said)
        await ben.expect(typing[0], said[0], typing[1], said[1])
        plain = [broadcast("room:1", "said", {"n": n}) for n in (1, 2)]
        await eve.expect(typing[0], plain[0], typing[1], plain[1])
        history = await endpoints[1].history("room:1")
        assert [entry.event for entry in history] == ["said", "said"]
        for client in (ann, ben, eve):
            client.close()


async def test_an_ephemeral_event_can_be_bytes() -> None:
    endpoint = endpoint_of({"room:*": Room})
    async with serve(endpoint) as server:
        client = await server.connect()
        await client.join("room:1", {"recovery": {}})
        await endpoint.broadcast("room:1", "typing", b"\x00\x01")
        await client.expect(broadcast("room:1", "typing", b"\x00\x01"))


@pytest.mark.parametrize("given", ["typing", 7, [b"typing"]])
def test_ephemeral_events_are_a_list_of_texts(given: Any) -> None:
    with pytest.raises(DefinitionError, match=r"(?s)ephemeral=.*a list of texts"):
        History(ephemeral=given)
