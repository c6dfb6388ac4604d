"""The contract of a bus, on one server, and on a cluster whose nodes are connected to different servers."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from bennu.bus import BusAdapter
from bennu.bus.nats import adapter_for
from bennu.testing.bus_contract import BusContract

from ...support.brokers.nats import NatsCluster, NatsServer
from .ends import private


class TestOneServer(BusContract):
    @pytest.fixture(autouse=True)
    def bus(self, shared_server: NatsServer) -> None:
        self.server = shared_server
        self.address = private(shared_server.address)

    def adapter(self, node: str) -> BusAdapter:
        return adapter_for(self.address, node)

    @asynccontextmanager
    async def interrupted(self, one: BusAdapter, other: BusAdapter) -> AsyncGenerator[None]:
        self.server.kill()
        self.server.start()
        yield


@pytest.mark.long
class TestClusterOfThree(BusContract):
    @pytest.fixture(autouse=True)
    def bus(self, shared_cluster: NatsCluster) -> None:
        self.cluster_of_servers = shared_cluster
        self.turns = itertools.cycle(shared_cluster.servers)
        self.query = private("").partition("?")[2]

    def adapter(self, node: str) -> BusAdapter:
        """Return an adapter that begins with the next server, and knows only this one before it connects."""
        return adapter_for(f"{next(self.turns).address}?{self.query}", node)

    @asynccontextmanager
    async def interrupted(self, one: BusAdapter, other: BusAdapter) -> AsyncGenerator[None]:
        first, *_ = self.cluster_of_servers.servers
        first.kill()
        yield
        first.start()
        self.cluster_of_servers.wait_until_joined()
