"""The stores of a run, and what breaks in each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from ..faults.fleet import Worker
from ..support.brokers.nats import nats_server
from ..support.brokers.postgresql import postgresql
from ..support.brokers.redis import redis_server

__all__ = ["STORES", "StoreSetup"]


@dataclass
class StoreSetup:
    """A store that runs.

    Attributes:
        pubsub: The address of the bus.
        store: The address of the store.
        nodes: The number of nodes.
        server: The server that is restarted and paused; None if there is none.
        may_lose: Whether a fault of this run loses the log itself, so that clients may be told ``epoch``.
    """

    pubsub: str
    store: str
    nodes: int = 3
    server: Any = None
    may_lose: bool = False

    def workers(self) -> list[Worker]:
        """Return the nodes, not started."""
        app, store = "tests.recovery.app:endpoint", {"BENNU_STORE": self.store}
        return [
            Worker(number, self.pubsub, app=app, environment=store) for number in range(self.nodes)
        ]


@contextmanager
def memory() -> Iterator[StoreSetup]:
    """One node. Its kill loses the log."""
    yield StoreSetup("local://", "memory://", nodes=1, may_lose=True)


@contextmanager
def redis() -> Iterator[StoreSetup]:
    """One server, which writes each entry to its disk, and is trusted after a restart."""
    with redis_server({"appendonly": "yes", "appendfsync": "always"}) as server:
        yield StoreSetup(server.address, f"{server.address}?on_restart=trust", server=server)


@contextmanager
def redis_epochs() -> Iterator[StoreSetup]:
    """One server with the defaults: its restart begins a new epoch."""
    with redis_server() as server:
        yield StoreSetup(server.address, server.address, server=server, may_lose=True)


@contextmanager
def sql() -> Iterator[StoreSetup]:
    """PostgreSQL, as the store and as the bus."""
    with postgresql() as server:
        address = server.address
        store = address.replace("postgresql://", "postgresql+asyncpg://", 1)
        yield StoreSetup(address, store, server=server)


@contextmanager
def sqlite() -> Iterator[StoreSetup]:
    """SQLite for three processes of one host."""
    with TemporaryDirectory(prefix="sqlite-") as directory:
        yield StoreSetup(f"ipc://{directory}/bus", f"sqlite+aiosqlite:///{directory}/log.db")


@contextmanager
def jetstream() -> Iterator[StoreSetup]:
    """One server of NATS with JetStream, which is trusted after a restart."""
    with TemporaryDirectory(prefix="nats-") as directory:
        config = f'jetstream {{ store_dir: "{directory}/js", sync_interval: always }}\n'
        with nats_server(Path(directory), config=config) as server:
            yield StoreSetup(server.address, f"{server.address}?on_restart=trust", server=server)


STORES: Final[dict[str, Callable[[], Any]]] = {
    "memory": memory,
    "redis": redis,
    "redis-epochs": redis_epochs,
    "postgresql": sql,
    "sqlite": sqlite,
    "jetstream": jetstream,
}
"""The stores by their names."""
