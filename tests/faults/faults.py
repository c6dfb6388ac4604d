"""The faults, by bus: what breaks, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from ..support.brokers.nats import nats_cluster, nats_server
from ..support.brokers.postgresql import postgresql
from ..support.brokers.redis import redis_cluster, redis_sentinels, redis_server
from .fleet import Fleet
from .namespaces import Link

__all__ = ["CASES", "Case", "Setup"]

PAUSE: Final = 20.0
"""Seconds for which a broker is paused."""


@dataclass
class Setup:
    """A bus that runs.

    Attributes:
        addresses: Its addresses: node n gets the n-th, and so on around.
        server: What the fault acts on.
        link: The network of the last node, if it is a host of its own.
    """

    addresses: list[str]
    server: Any = None
    link: Link | None = None


Fault = Callable[[Fleet, Setup, Random], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """A fault of a bus.

    Attributes:
        bus: Starts the bus.
        fault: Breaks it, and returns when nothing is broken any more.
        means: What the fault is, in a few words.
        is_root: Whether it needs root.
        size: Bytes of each broadcast.
        part: The part of the rate with which nodes publish.
    """

    bus: Callable[[], Any]
    fault: Fault
    means: str
    is_root: bool = False
    size: int = 100
    part: float = 1.0


# Buses.


@contextmanager
def ipc() -> Iterator[Setup]:
    """A directory."""
    with TemporaryDirectory(prefix="ipc-") as directory:
        yield Setup([f"ipc://{directory}"])


@contextmanager
def redis() -> Iterator[Setup]:
    """One server."""
    with redis_server() as server:
        yield Setup([server.address], server)


@contextmanager
def narrow_redis() -> Iterator[Setup]:
    """One server, which closes a subscriber that does not read 64 KB."""
    options = {"client-output-buffer-limit": "pubsub 64kb 64kb 1"}
    with redis_server(options) as server:
        yield Setup([server.address], server)


@contextmanager
def sentinel() -> Iterator[Setup]:
    """A primary, two replicas, and three Sentinels."""
    with redis_sentinels() as sentinels:
        yield Setup([sentinels.address], sentinels)


@contextmanager
def cluster() -> Iterator[Setup]:
    """A Redis Cluster of three."""
    with redis_cluster() as servers:
        yield Setup([servers.address], servers)


@contextmanager
def nats() -> Iterator[Setup]:
    """A NATS cluster of three; each node is connected to another server."""
    with TemporaryDirectory(prefix="nats-") as directory, nats_cluster(Path(directory)) as servers:
        # Each node tries its own server first, and knows the others.
        yield Setup([one.address for one in servers.servers], servers)


@contextmanager
def one_nats() -> Iterator[Setup]:
    """One NATS server."""
    with TemporaryDirectory(prefix="nats-") as directory, nats_server(Path(directory)) as server:
        yield Setup([server.address], server)


@contextmanager
def postgres() -> Iterator[Setup]:
    """A PostgreSQL."""
    with postgresql() as server:
        yield Setup([server.address], server)


def on_another_host(bus: Callable[[], Any], port: Callable[[Setup], int]) -> Callable[[], Any]:
    """Return a bus whose last node runs in a network namespace, and reaches the broker over a link."""

    @asynccontextmanager
    async def running() -> AsyncGenerator[Setup]:
        with bus() as setup:
            async with Link.to(port(setup)) as link:
                setup.link = link
                yield setup

    return running


# Faults.


async def kill_worker(fleet: Fleet, setup: Setup, random: Random) -> None:
    """End a node with SIGKILL."""
    random.choice(fleet.workers).kill()


async def hang_worker(fleet: Fleet, setup: Setup, random: Random) -> None:
    """Hold the event loop of a node for ten seconds."""
    await random.choice(fleet.workers).hang()


async def restart(fleet: Fleet, setup: Setup, random: Random) -> None:
    """Kill the broker, wait, and start it again on its port."""
    await asyncio.to_thread(setup.server.kill)
    await asyncio.sleep(random.uniform(0.2, 3))
    await asyncio.to_thread(setup.server.start)


async def restart_one(fleet: Fleet, setup: Setup, random: Random) -> None:
    """Kill one broker of several, wait, and start it again."""
    server = random.choice(setup.server.servers)
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(random.uniform(0.2, 3))
    await asyncio.to_thread(server.start)


async def pause(fleet: Fleet, setup: Setup, random: Random) -> None:
    """Pause the broker with SIGSTOP."""
    setup.server.pause()
    await asyncio.sleep(PAUSE)
    setup.server.resume()


async def pause_postgresql(fleet: Fleet, setup: Setup, random: Random) -> None:
    """Pause all processes of the server with SIGSTOP."""
    with setup.server.paused():
        await asyncio.sleep(PAUSE)


async def fail_over(fleet: Fleet, setup: Setup, random: Random) -> None:
    """Kill the primary; the Sentinels choose another. The old one comes back as a replica."""
    primary = await asyncio.to_thread(lambda: setup.server.primary)
    await asyncio.to_thread(primary.kill)
    await asyncio.to_thread(lambda: setup.server.primary)
    await asyncio.to_thread(primary.start)


async def change_primary(fleet: Fleet, setup: Setup, random: Random) -> None:
    """Make a replica the primary, though the primary lives."""
    await asyncio.to_thread(setup.server.failover)


async def cut_off(fleet: Fleet, setup: Setup, random: Random) -> None:
    """Cut the link of the last node's host, and mend it."""
    assert setup.link is not None
    setup.link.cut()
    await asyncio.sleep(random.uniform(5, 12))
    setup.link.mend()


def _port(setup: Setup) -> int:
    return int(setup.server.port)


CASES: Final[dict[str, Case]] = {
    "ipc-kill": Case(ipc, kill_worker, "kill -9 a node"),
    "ipc-hang": Case(ipc, hang_worker, "a node's loop hangs for 10 s"),
    "redis-kill": Case(redis, kill_worker, "kill -9 a node"),
    "redis-hang": Case(redis, hang_worker, "a node's loop hangs for 10 s"),
    "redis-restart": Case(redis, restart, "the broker is killed and started"),
    "redis-pause": Case(redis, pause, "the broker is paused for 20 s"),
    "redis-overflow": Case(
        narrow_redis,
        hang_worker,
        "the broker closes a node that does not read",
        size=20_000,
        part=0.1,
    ),
    "redis-cut": Case(
        on_another_host(redis, _port), cut_off, "a host is cut off and healed", is_root=True
    ),
    "sentinel-failover": Case(sentinel, fail_over, "the primary is killed"),
    "sentinel-change": Case(sentinel, change_primary, "another server becomes the primary"),
    "cluster-restart": Case(cluster, restart_one, "one of three servers is killed and started"),
    "nats-kill": Case(nats, kill_worker, "kill -9 a node"),
    "nats-hang": Case(nats, hang_worker, "a node's loop hangs for 10 s"),
    "nats-restart": Case(nats, restart_one, "one of three servers is killed and started"),
    "nats-pause": Case(one_nats, pause, "the broker is paused for 20 s"),
    "nats-cut": Case(
        on_another_host(one_nats, _port), cut_off, "a host is cut off and healed", is_root=True
    ),
    "postgresql-kill": Case(postgres, kill_worker, "kill -9 a node"),
    "postgresql-hang": Case(postgres, hang_worker, "a node's loop hangs for 10 s"),
    "postgresql-restart": Case(postgres, restart, "the server is killed and started"),
    "postgresql-pause": Case(postgres, pause_postgresql, "the server is paused for 20 s"),
    "postgresql-cut": Case(
        on_another_host(postgres, _port), cut_off, "a host is cut off and healed", is_root=True
    ),
}
"""All cases by name."""
