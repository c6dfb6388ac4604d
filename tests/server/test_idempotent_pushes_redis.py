"""Idempotent pushes on two nodes, over real sockets, with Redis as the bus and as the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from msgspec import Struct

from bennu import Channel, on
from tests.support import servers, wire
from tests.support.brokers.redis import RedisServer, redis_server
from tests.support.frames import ok
from tests.support.memory import endpoint_of

pytestmark = pytest.mark.clock("real")

runs: list[str] = []


class Purchase(Struct):
    """A payload."""

    key: str


class Till(Channel[Any]):
    """A channel whose handler takes some turns."""

    @on("buy", idempotent_by="key")
    async def buy(self, purchase: Purchase) -> dict[str, Any]:
        runs.append(purchase.key)
        for _ in range(20):
            await asyncio.sleep(0)
        return {"run": len(runs)}


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


@asynccontextmanager
async def clients(redis: RedisServer, count: int) -> AsyncGenerator[list[wire.Phoenix]]:
    """Connect a user to two nodes, several times each."""
    runs.clear()
    redis.command("FLUSHALL")
    async with AsyncExitStack() as stack:
        endpoints = [
            endpoint_of({"till:*": Till}, pubsub=redis.address, store=redis.address)
            for _ in range(2)
        ]
        nodes = [
            await stack.enter_async_context(servers.serve("native", endpoint))
            for endpoint in endpoints
        ]
        async with AsyncExitStack() as connections:
            found = [
                await connections.enter_async_context(
                    wire.connect(nodes[number % 2], params={"name": "ann"})
                )
                for number in range(count)
            ]
            for client in found:
                await client.join("till:1")
            yield found
        for endpoint in endpoints:  # both of them, before one server checks that no task is left
            await endpoint.stop()


async def buy(client: wire.Phoenix, key: str) -> Any:
    """Send a push, and return the payload of its reply."""
    await client.push("till:1", "buy", {"key": key})
    return (await client.receive()).payload


async def test_pushes_at_the_same_time_run_once(redis: RedisServer) -> None:
    async with clients(redis, 12) as found:
        for number in range(1, 6):
            replies = await asyncio.gather(*[buy(client, f"k{number}") for client in found])
            assert replies == [ok({"run": number})] * 12
        assert runs == ["k1", "k2", "k3", "k4", "k5"]


async def test_a_reply_outlives_its_nodes(redis: RedisServer) -> None:
    async with clients(redis, 2) as (one, _):
        first = await buy(one, "k")
        assert first == ok({"run": 1})
    kept = [key for key in redis.command("KEYS", "*") if "push:" in key]
    assert len(kept) == 1
    assert 86_000 < redis.command("TTL", kept[0]) <= 86_400
