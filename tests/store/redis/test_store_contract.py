"""The contract of a store holds for Redis: one server, Sentinel, and a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from bennu.store.redis import RedisStore
from bennu.store.store import Store
from bennu.testing.store_contract import StoreContract
from tests.support.brokers.redis import (
    RedisSentinels,
    RedisServer,
    redis_cluster,
    redis_sentinels,
    redis_server,
)


class KeepsInRedis(StoreContract):
    """What the kinds share.

    Attributes:
        address: The address of the servers, which all tests of a class share.
    """

    too_large = 16 * 1024 * 1024
    address: str

    def store(self) -> Store:
        return RedisStore(self.address)


class TestOneServer(KeepsInRedis):
    """One server."""

    server: RedisServer

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def data(cls) -> Iterator[None]:
        with redis_server() as server:
            cls.server, cls.address = server, server.address
            yield

    async def restart(self) -> None:
        await asyncio.to_thread(self.server.restart)


@pytest.mark.long
class TestOneServerOnUvloop(TestOneServer):
    """One server, on uvloop."""

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        uvloop.run(test)


@pytest.mark.long
class TestSynced(KeepsInRedis):
    """One server that syncs each write, and whose data is trusted after a restart."""

    server: RedisServer

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def data(cls) -> Iterator[None]:
        with redis_server({"appendonly": "yes", "appendfsync": "always"}) as server:
            cls.server, cls.address = server, f"{server.address}?on_restart=trust"
            yield

    async def restart(self) -> None:
        await asyncio.to_thread(self.server.restart)


@pytest.mark.long
class TestBehindSentinels(KeepsInRedis):
    """A primary that Sentinels watch."""

    running: RedisSentinels

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def data(cls) -> Iterator[None]:
        with redis_sentinels() as running:
            cls.running, cls.address = running, running.address
            yield

    async def lose_newest(self) -> None:
        await asyncio.to_thread(self.running.failover)


class TestThreePrimaries(KeepsInRedis):
    """A cluster of three."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def data(cls) -> Iterator[None]:
        with redis_cluster() as running:
            cls.address = running.address
            yield
