"""Several nodes of an application in one test, on a bus in memory that can lose, delay, repeat and reorder.

    async with nodes(make, 3) as cluster:
        one, two, three = cluster
        async with one.connect("/socket", {"name": "ann"}) as ann, two.connect("/socket", {"name": "bo"}) as bo:
            cluster.partition([one], [two, three])
            ...
            cluster.heal()

``make`` makes the endpoint of a node from its bus and from the store that all nodes share: ``Endpoint(..., pubsub=pubsub,
store=store)``. Without histories the store is not needed. The faults of the bus are those of :mod:`bennu.testing.faults`, and the
store fails and hangs as :mod:`bennu.testing.shared_store` says.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from random import Random
from typing import Any

from ..bus import BusAdapter
from ..bus.memory import MemoryNetwork
from ..endpoint import Endpoint
from ..store import Store
from .client import TestClient, connect
from .clock import attach_clock
from .faults import BusFaults
from .seeds import seeded
from .shared_store import SharedStore

__all__ = ["TestCluster", "TestNode", "nodes"]

Make = Callable[[BusAdapter, Store], Endpoint]


class TestNode:
    """A node of the application.

    Args:
        name: Its name on the bus.
        make: Makes its endpoint.
        network: The bus.
        store: The store of all nodes.

    Attributes:
        name: As given.
        endpoint: The endpoint. After a restart it is another one.
    """

    __test__ = False  # for pytest: no class of tests

    def __init__(self, name: str, make: Make, network: MemoryNetwork, store: Store) -> None:
        self.name = name
        self._make = make
        self._network = network
        self._store = store
        self.endpoint = make(network.adapter(name), store)
        self._clients: list[TestClient] = []
        self._is_up = False

    @property
    def is_up(self) -> bool:
        """Whether the node runs."""
        return self._is_up

    @property
    def clients(self) -> list[TestClient]:
        """The clients that are connected to this node."""
        return [client for client in self._clients if client.code is None]

    async def start(self) -> None:
        """Start the endpoint. After a stop or crash, this is a new endpoint with the same name."""
        if not self._is_up:
            await self.endpoint.start()
            self._is_up = True

    async def stop(self) -> None:
        """Stop the node in good order: its clients are told."""
        if self._is_up:
            self._is_up = False
            await self.endpoint.stop()
            self._renew()

    async def crash(self) -> None:
        """End the node without a word to its clients, or to other nodes.

        ``terminate`` of its channels runs, as it can't in a process that is killed, but what it sends reaches nobody.
        """
        if self._is_up:
            self._is_up = False
            self._network.kill(self.name)
            for client in self.clients:
                client.vanish()
            await self.endpoint.stop()
            self._renew()

    def _renew(self) -> None:
        self._clients = []
        self.endpoint = self._make(self._network.adapter(self.name), self._store)

    @asynccontextmanager
    async def connect(
        self, path: str, params: dict[str, Any] | None = None, **options: Any
    ) -> AsyncGenerator[TestClient]:
        """Connect a client to this node: :func:`bennu.testing.connect`."""
        async with connect(self.endpoint, path, params, **options) as client:
            self._clients.append(client)
            yield client


class TestCluster:
    """The nodes of an application, and the bus between them.

    Attributes:
        nodes: The nodes.
        faults: What the bus does to messages: none at first.
        random: The random numbers of the test.
        store: The store that all nodes share.
    """

    __test__ = False  # for pytest: no class of tests

    def __init__(self, make: Make, count: int, random: Random) -> None:
        self.random = random
        self.faults = BusFaults(random)
        self.store = SharedStore()
        self._network = MemoryNetwork()
        self._network.copies = self.faults.copies
        self.nodes = [
            TestNode(f"node-{number + 1}", make, self._network, self.store)
            for number in range(count)
        ]

    def __iter__(self) -> Iterator[TestNode]:
        return iter(self.nodes)

    def __getitem__(self, number: int) -> TestNode:
        return self.nodes[number]

    def partition(self, *groups: Sequence[TestNode]) -> None:
        """Cut the bus into groups of nodes that do not hear each other, until :meth:`heal`."""
        for number, group in enumerate(groups):
            for other in groups[number + 1 :]:
                for one in group:
                    for two in other:
                        self._network.cut(one.name, two.name)

    def heal(self) -> None:
        """End all partitions and faults of the bus. The nodes count what they have missed."""
        self.faults.clear()
        self._network.come_up()
        self._network.heal()

    def stop_broker(self) -> None:
        """Let the bus be gone: no message arrives, none is confirmed, until :meth:`heal`."""
        self._network.go_down()


def nodes(
    make: Make, count: int = 2, *, seed: int | None = None
) -> AbstractAsyncContextManager[TestCluster]:
    """Start several nodes of an application, on one bus. All stop at the end of the block.

    Args:
        make: Makes the endpoint of a node, from the adapter of its bus and the store of all nodes:
            ``Endpoint(..., pubsub=pubsub, store=store)``.
        count: The number of nodes.
        seed: The seed of the faults. Default: :func:`bennu.testing.seeds.seeded`. A test that fails says it.

    Example:
        ``async with nodes(lambda pubsub, store: make(pubsub=pubsub, store=store), 3) as cluster: ...``
    """
    return _nodes(make, count, seed)


@asynccontextmanager
async def _nodes(make: Make, count: int, seed: int | None) -> AsyncGenerator[TestCluster]:
    attach_clock()
    with seeded(seed) as random:
        cluster = TestCluster(make, count, random)
        async with AsyncExitStack() as stack:
            for node in cluster:
                await node.start()
                stack.push_async_callback(node.stop)
            yield cluster
