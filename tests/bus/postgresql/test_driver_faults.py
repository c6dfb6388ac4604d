"""Whatever happens to the server: what a node heard and what it missed is what the other one published."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from bennu.bus.broker.adapter import BrokerAdapter
from bennu.bus.broker.settings import BrokerSettings
from bennu.bus.postgresql.address import parse_address
from bennu.bus.postgresql.driver import PostgreSQLDriver
from bennu.testing.contract_node import ContractNode

from ...support.brokers.postgresql import PostgreSQL
from ...support.until import until

pytestmark = pytest.mark.clock("both loops")

SETTINGS = BrokerSettings(
    beat=0.1, gone=2.0, deaf=0.5, patience=0.5, connect=2.0, first_delay=0.01, last_delay=0.1
)


def end_the_hearer(server: PostgreSQL) -> None:
    server.terminate(server.clients()[1])


def end_the_publisher(server: PostgreSQL) -> None:
    server.terminate(server.clients()[0])


def end_both(server: PostgreSQL) -> None:
    for pid in server.clients():
        server.terminate(pid)


def kill(server: PostgreSQL) -> None:
    with server.killed():
        pass


def nothing(server: PostgreSQL) -> None:
    pass


@pytest.fixture(autouse=True)
def alive(server: PostgreSQL) -> Iterator[None]:
    """Start the server again if a test has failed before it did so."""
    yield
    if not server.is_running:
        server.start()


@asynccontextmanager
async def started(server: PostgreSQL, name: str) -> AsyncIterator[ContractNode]:
    driver = PostgreSQLDriver(parse_address(server.address, name))
    node = ContractNode(BrokerAdapter(driver, name, settings=SETTINGS))
    await node.start()
    try:
        yield node
    finally:
        await node.adapter.stop()


class Publishing:
    """Publishes numbers, from 1, and is at most 200 numbers ahead of the node that hears them or counts them as lost.

    Attributes:
        number: The last number.
    """

    def __init__(self, node: ContractNode, hearer: ContractNode) -> None:
        self._node = node
        self._hearer = hearer
        self._is_over = False
        self.number = 0

    async def run(self) -> None:
        while not self._is_over:
            await until(lambda: self.number < self._hearer.accounts_for("t") + 200)
            self.number += 1
            await self._node.adapter.publish("t", b"%d" % self.number)

    async def end(self) -> None:
        """Return when the bus has taken all."""
        self._is_over = True
        await self._node.adapter.confirm()


@pytest.mark.parametrize(
    "fault", [nothing, end_the_hearer, end_the_publisher, end_both, PostgreSQL.restart, kill]
)
async def test_all_is_heard_or_counted(
    server: PostgreSQL, fault: Callable[[PostgreSQL], None]
) -> None:
    async with started(server, "one") as one, started(server, "two") as two:
        await two.adapter.subscribe(["t"])
        publishing = Publishing(one, two)
        task = asyncio.create_task(publishing.run())
        await until(lambda: two.last("t") > 100)
        await asyncio.to_thread(fault, server)
        after = publishing.number
        await until(lambda: two.last("t") > after + 100)
        await publishing.end()
        await task
        await until(lambda: two.accounts_for("t") == publishing.number)
        numbers = [int(data) for data in two.data("t")]
        assert numbers == sorted(set(numbers))
        assert one.adapter.nodes() == {"two"}


async def test_a_paused_server_is_noticed_and_used_again(server: PostgreSQL) -> None:
    async with started(server, "one") as one, started(server, "two") as two:
        await two.adapter.subscribe(["t"])
        publishing = Publishing(one, two)
        task = asyncio.create_task(publishing.run())
        await until(lambda: two.last("t") > 100)
        adapters = (one.adapter, two.adapter)
        with server.paused():
            await until(lambda: all(is_deaf(adapter) for adapter in adapters))
        await until(lambda: not any(is_deaf(adapter) for adapter in adapters))
        after = publishing.number
        await until(lambda: two.last("t") > after + 100)
        await publishing.end()
        await task
        await until(lambda: two.accounts_for("t") == publishing.number)


def is_deaf(adapter: object) -> bool:
    assert isinstance(adapter, BrokerAdapter)
    return adapter.silent_since is not None
