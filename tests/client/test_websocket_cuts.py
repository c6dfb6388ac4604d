"""Real connections through a proxy that breaks them: nothing that was promised is lost, and nothing comes twice."""

from __future__ import annotations

import asyncio
import gc
from random import Random
from typing import Any

import pytest

from bennu import Channel, History, on
from bennu.client import Backoff, Client, ClientError
from tests.recovery.proxy import Proxy
from tests.support.memory import endpoint_of
from tests.support.servers import serve
from tests.support.until import pause, until

pytestmark = pytest.mark.clock("real")

SOON = Backoff((0.01,))


class Talk(Channel[Any]):
    history = History(size=100_000, max_recovered=100_000)

    @on("say")
    async def say(self, payload: dict[str, Any]) -> dict[str, Any]:
        await self.broadcast("said", payload)
        return {}


class Talker:
    """A client that says things, and notes what it hears.

    Attributes:
        heard: The numbers.
        confirmed: The numbers whose push got an ok.
        missed: The reasons of losses.
    """

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self.heard: list[str] = []
        self.confirmed: list[str] = []
        self.missed: list[str] = []
        self._count = 0
        self.room = client.channel("room", missed=self.missed.append)
        self.room.on("said", lambda payload: self.heard.append(payload["id"]))

    async def say(self) -> None:
        """Say something, and wait for the reply or the loss of it."""
        self._count += 1
        one = f"{self.name}{self._count}"
        try:
            await self.room.push("say", {"id": one})
        except ClientError:
            return
        self.confirmed.append(one)

    async def go_on(self) -> None:
        """Say something again and again."""
        while True:
            await self.say()
            await pause()


async def live(cuts: int, seed: int) -> None:
    """Run two clients through a proxy until it has cut so many connections."""
    random = Random(seed)
    async with serve("native", endpoint_of({"room": Talk})) as server:
        proxy = Proxy(lambda: server.port, random)
        url = f"{await proxy.start()}/socket"
        clients = [Client(url, reconnect=SOON, rejoin=SOON) for _ in range(2)]
        talkers = [Talker(name, client) for name, client in zip("ab", clients, strict=True)]
        for client, talker in zip(clients, talkers, strict=True):
            await client.opened()
            await talker.room.join()
        first, second = talkers
        tasks = [asyncio.create_task(talker.go_on()) for talker in talkers]
        done = 0
        while done < cuts:
            await until(lambda: all(talker.room.is_joined for talker in talkers))
            for _ in range(random.randrange(20)):
                await pause()
            done += proxy.cut(0.6)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        said = len(first.confirmed)
        while len(first.confirmed) == said:  # the last cut can still be under way
            await first.say()
        last = first.confirmed[-1]
        await until(lambda: all(last in talker.heard for talker in talkers))
        for client in clients:
            await client.close()
        await proxy.stop()
    assert first.missed == second.missed == []
    assert first.heard == second.heard, "the same, in the same order"
    assert len(set(first.heard)) == len(first.heard), "nothing twice"
    assert {*first.confirmed, *second.confirmed} <= set(first.heard), "nothing is lost"


async def test_a_few_cuts() -> None:
    await live(cuts=6, seed=1)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_two_hundred_cuts() -> None:
    await live(cuts=100, seed=2)
    gc.collect()
    objects = len(gc.get_objects())
    await live(cuts=100, seed=3)
    gc.collect()
    assert len(gc.get_objects()) < 1.1 * objects
