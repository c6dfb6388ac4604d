"""Clients that come and go for a long time leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
from typing import Any

import pytest

from bennu import Channel, Endpoint, Socket, on
from bennu.testing.clock import settle
from tests.support.memory import Client, Server, serve

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


class Room(Channel[Any]):
    async def after_join(self) -> None:
        await self.broadcast("joined", {})

    @on("say")
    async def say(self, payload: dict[str, int]) -> dict[str, int]:
        await self.broadcast("said", payload)
        return payload

    @on("crash")
    async def crash(self) -> None:
        raise ZeroDivisionError

    async def terminate(self, reason: str | Exception) -> None:
        await self.broadcast_from("left", {})


async def connect() -> None:
    """Accept every client."""


async def live(client: Client, rng: random.Random) -> None:
    """Act as a client, correctly and not, and end with or without a close frame."""
    for _ in range(rng.randrange(1, 12)):
        topic = f"room:{rng.randrange(5)}"
        match rng.randrange(6):
            case 0 | 1:
                client.start_join(topic)
            case 2:
                client.leave(topic)
            case 3:
                client.push(topic, "say", {"n": rng.randrange(1000)})
            case 4:
                client.push(topic, rng.choice(("crash", "nothing")))
            case _:
                await asyncio.sleep(0)
    client.read().clear()
    if rng.random() < 0.5:
        client.vanish()
    else:
        client.close()


async def generation(server: Server, rng: random.Random) -> None:
    """Let twenty clients act at once, and check that all of them are gone."""
    clients = [await server.connect() for _ in range(20)]
    await asyncio.gather(*(live(client, rng) for client in clients))
    await settle()
    assert server.endpoint.connections == 0
    server.wires.clear()


async def test_ten_thousand_lives_leave_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    """No connection, subscriber or task is left, and after all clients there are as many objects as after half of them."""
    caplog.set_level(logging.CRITICAL, logger="bennu")  # the records of caplog are objects too
    rng = random.Random(20_261_122)
    endpoint = Endpoint(sockets={"/socket": Socket(connect=connect, channels={"room:*": Room})})
    counts: list[int] = []
    async with serve(endpoint) as server:
        for _ in range(2):
            for _ in range(250):
                await generation(server, rng)
            gc.collect()
            counts.append(len(gc.get_objects()))
        assert [endpoint.pubsub.subscribers(f"room:{n}") for n in range(5)] == [0] * 5
    assert counts[1] - counts[0] < 2_000
