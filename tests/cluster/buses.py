"""The buses of the suite: each starts the servers that it needs, and ends them by their process ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ..support.brokers.nats import nats_cluster
from ..support.brokers.postgresql import postgresql
from ..support.brokers.redis import redis_cluster, redis_sentinels, redis_server

__all__ = ["BUSES", "Bus", "run_bus"]


class Bus:
    """A bus that runs.

    Attributes:
        name: Its name in :data:`BUSES`.
        addresses: Its address, for ``Endpoint(pubsub=...)``, or the address of each of its servers.
    """

    def __init__(self, name: str, addresses: list[str]) -> None:
        self.name = name
        self.addresses = addresses

    @property
    def is_local(self) -> bool:
        """Whether there is no bus: one process takes the role of all nodes."""
        return self.name == "local"

    def address(self, number: int) -> str:
        """Return the address for a node. Nodes are spread over the servers, so that messages cross between servers."""
        return self.addresses[number % len(self.addresses)]


@contextmanager
def _local() -> Iterator[list[str]]:
    yield ["local://"]


@contextmanager
def _ipc() -> Iterator[list[str]]:
    with TemporaryDirectory(prefix="ipc-") as directory:
        yield [f"ipc://{directory}"]


@contextmanager
def _redis() -> Iterator[list[str]]:
    with redis_server(password="hunter2") as server:
        yield [server.address]


@contextmanager
def _redis_sentinel() -> Iterator[list[str]]:
    with redis_sentinels(replicas=1) as sentinels:
        yield [sentinels.address]


@contextmanager
def _redis_cluster() -> Iterator[list[str]]:
    with redis_cluster() as cluster:
        yield [cluster.address]


@contextmanager
def _nats() -> Iterator[list[str]]:
    with TemporaryDirectory(prefix="nats-") as directory, nats_cluster(Path(directory)) as cluster:
        yield [server.address for server in cluster.servers]


@contextmanager
def _postgresql() -> Iterator[list[str]]:
    with postgresql() as server:
        yield [server.address]


BUSES: Final[dict[str, Callable[[], AbstractContextManager[list[str]]]]] = {
    "local": _local,
    "ipc": _ipc,
    "redis": _redis,
    "redis-sentinel": _redis_sentinel,
    "redis-cluster": _redis_cluster,
    "nats": _nats,
    "postgresql": _postgresql,
}


@contextmanager
def run_bus(name: str) -> Iterator[Bus]:
    """Run a bus."""
    with BUSES[name]() as addresses:
        yield Bus(name, addresses)
