"""Idempotent pushes on two nodes, with Redis as the bus and as the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from msgspec import Struct

from bennu import Channel, on
from bennu.testing import TestChannel, connect, running
from tests.support.brokers.redis import RedisServer, redis_server
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
async def tills(redis: RedisServer, count: int) -> AsyncGenerator[list[TestChannel]]:
    """Join with the connections of one user, of which each other one is on the second node."""
    runs.clear()
    redis.command("FLUSHALL")
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(running(endpoint))
            for endpoint in (
                endpoint_of({"till:*": Till}, pubsub=redis.address, store=redis.address),
                endpoint_of({"till:*": Till}, pubsub=redis.address, store=redis.address),
            )
        ]
        clients = [
            await stack.enter_async_context(connect(nodes[n % 2], "/socket", {"name": "ann"}))
            for n in range(count)
        ]
        yield [await client.join("till:1") for client in clients]


async def test_pushes_at_the_same_time_run_once(redis: RedisServer) -> None:
    async with tills(redis, 12) as found:
        for number in range(1, 6):
            pushes = [till.push("buy", {"key": f"k{number}"}) for till in found]
            assert [await push for push in pushes] == [{"run": number}] * 12
        assert runs == ["k1", "k2", "k3", "k4", "k5"]


async def test_a_reply_outlives_its_nodes(redis: RedisServer) -> None:
    async with tills(redis, 2) as (one, _):
        assert await one.push("buy", {"key": "k"}) == {"run": 1}
    kept = [key for key in redis.command("KEYS", "*") if "push:" in key]
    assert len(kept) == 1
    assert 86_000 < redis.command("TTL", kept[0]) <= 86_400
