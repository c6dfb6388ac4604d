"""The contract of a bus holds for Redis: one server, Sentinel, and a cluster."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from bennu.bus import BusAdapter
from bennu.bus.broker.adapter import BrokerAdapter
from bennu.testing.bus_contract import BusContract
from tests.support.brokers.redis import (
    RedisServer,
    redis_cluster,
    redis_sentinels,
    redis_server,
)

from .hearer import driver_for


class OnRedis(BusContract):
    """What the kinds share. A test gets a prefix of its own, so one set of servers is enough for all tests.

    Attributes:
        servers: The servers that carry messages.
        address: Their address.
    """

    servers: list[RedisServer]
    address: str

    @pytest.fixture(autouse=True)
    def prefix(self, request: pytest.FixtureRequest) -> None:
        self.own = str(hash(request.node.nodeid))

    def adapter(self, node: str) -> BusAdapter:
        return BrokerAdapter(driver_for(self.address), node, prefix=self.own)

    @asynccontextmanager
    async def interrupted(self, one: BusAdapter, other: BusAdapter) -> AsyncGenerator[None]:
        """Close all connections that have subscribed."""
        for server in self.servers:
            server.kill_clients("pubsub")
        yield


class TestSingle(OnRedis):
    """One server."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def bus(cls) -> Iterator[None]:
        with redis_server() as server:
            cls.servers, cls.address = [server], server.address
            yield


class TestSingleOnUvloop(TestSingle):
    """One server, on uvloop."""

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        uvloop.run(test)


@pytest.mark.long
class TestSentinel(OnRedis):
    """A primary that Sentinels watch."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def bus(cls) -> Iterator[None]:
        with redis_sentinels() as running:
            cls.servers, cls.address = running.servers, running.address
            yield


class TestCluster(OnRedis):
    """A cluster of three."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def bus(cls) -> Iterator[None]:
        with redis_cluster() as running:
            cls.servers, cls.address = running.servers, running.address
            yield
