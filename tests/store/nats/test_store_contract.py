"""The contract of a store holds for JetStream: one server, and a cluster of three."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from bennu.store.nats import JetStreamStore
from bennu.store.store import Store
from bennu.testing.store_contract import StoreContract
from tests.support.brokers.nats import NatsServer, jetstream, nats_cluster, nats_server


class KeepsInJetStream(StoreContract):
    """What the kinds share.

    Attributes:
        address: The address of the servers, which all tests of a class share.
    """

    largest = 900_000  # the default of max_payload is 1 MiB, with headers
    too_large = 1024 * 1024
    has_gaps = True
    address: str

    def store(self) -> Store:
        return JetStreamStore(self.address)


class TestOneJetStream(KeepsInJetStream):
    """One server."""

    server: NatsServer

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def data(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        directory = tmp_path_factory.mktemp("nats")
        with nats_server(directory, jetstream(directory)) as server:
            cls.server, cls.address = server, server.address
            yield

    async def restart(self) -> None:
        await asyncio.to_thread(self.server.restart)


@pytest.mark.long
class TestOneJetStreamOnUvloop(TestOneJetStream):
    """One server, on uvloop."""

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        uvloop.run(test)


@pytest.mark.long
class TestTrustedJetStream(KeepsInJetStream):
    """One server that syncs each write, and whose data is trusted after a restart."""

    server: NatsServer

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def data(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        directory = tmp_path_factory.mktemp("nats")
        with nats_server(directory, jetstream(directory, sync="always")) as server:
            cls.server, cls.address = server, f"{server.address}?on_restart=trust"
            yield

    async def restart(self) -> None:
        await asyncio.to_thread(self.server.restart)


@pytest.mark.long  # a minute
class TestThreeJetStreams(KeepsInJetStream):
    """A cluster of three, with three replicas."""

    patience = 60.0

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def data(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        directory = tmp_path_factory.mktemp("nats")
        with nats_cluster(directory, has_jetstream=True) as running:
            cls.address = f"{running.address}?replicas=3"
            yield
