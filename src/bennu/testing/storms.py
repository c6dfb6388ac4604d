"""Faults at random: what a week in production does to an application, in a second of a test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from .nodes import TestCluster

__all__ = ["FAULTS", "storm"]

Calm = Callable[[], Awaitable[None]]
"""Ends a fault."""

LEAST, MOST = 0.05, 4.0
"""Seconds that a fault lasts."""


async def _nothing() -> None:
    """End a fault that has ended already."""


async def _partition(cluster: TestCluster) -> Calm:
    nodes = list(cluster)
    cluster.random.shuffle(nodes)
    place = cluster.random.randint(1, max(1, len(nodes) - 1))
    cluster.partition(nodes[:place], nodes[place:])

    async def calm() -> None:
        cluster.heal()

    return calm


async def _broker(cluster: TestCluster) -> Calm:
    cluster.stop_broker()

    async def calm() -> None:
        cluster.heal()

    return calm


async def _bad_bus(cluster: TestCluster) -> Calm:
    random = cluster.random
    cluster.faults.loss = random.choice((0.0, 0.1, 0.5))
    cluster.faults.repeats = random.choice((0.0, 0.1, 0.5))
    cluster.faults.delay = (0.0, random.choice((0.0, 0.05, 1.0)))

    async def calm() -> None:
        cluster.heal()

    return calm


async def _crash(cluster: TestCluster) -> Calm:
    node = cluster.random.choice(cluster.nodes)
    await node.crash()
    return node.start


async def _restart(cluster: TestCluster) -> Calm:
    node = cluster.random.choice(cluster.nodes)
    await node.stop()
    return node.start


async def _cut(cluster: TestCluster) -> Calm:
    clients = [client for node in cluster for client in node.clients]
    for client in clients:
        if cluster.random.random() < 1 / 3:
            client.vanish()
    return _nothing


async def _stall(cluster: TestCluster) -> Calm:
    clients = [client for node in cluster for client in node.clients]
    stalled = [client for client in clients if cluster.random.random() < 1 / 3]
    for client in stalled:
        client.stall()

    async def calm() -> None:
        for client in stalled:
            if client.code is None:
                client.resume()

    return calm


FAULTS: Final[dict[str, Callable[[TestCluster], Awaitable[Calm]]]] = {
    "partition": _partition,  # two groups of nodes do not hear each other
    "broker": _broker,  # the bus is gone
    "bad_bus": _bad_bus,  # it loses, repeats and reorders
    "crash": _crash,  # a node ends without a word, and starts again
    "restart": _restart,  # a node stops in good order, and starts again
    "cut": _cut,  # clients lose their connection
    "stall": _stall,  # clients do not read
}
"""The faults of a storm, by their names."""


async def storm(
    cluster: TestCluster, seconds: float, faults: Sequence[str] = tuple(FAULTS)
) -> list[str]:
    """Let one fault follow another, for some seconds. At the end all nodes run, and the bus is whole.

    In virtual time an hour takes a second or so. Clients that were cut stay so: connect them anew, as a page does.

    Args:
        cluster: The nodes.
        seconds: How long.
        faults: The names of the faults that can happen: :data:`FAULTS`.

    Returns:
        The names of the faults that happened, in their order.

    Raises:
        ValueError: There is no such fault.
    """
    if unknown := sorted(set(faults) - set(FAULTS)):
        raise ValueError(f"no such faults: {unknown}; there are {', '.join(FAULTS)}")
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    happened: list[str] = []
    while loop.time() < deadline:
        name = cluster.random.choice(list(faults))
        happened.append(name)
        calm = await FAULTS[name](cluster)
        await asyncio.sleep(cluster.random.uniform(LEAST, MOST))
        await calm()
        await asyncio.sleep(cluster.random.uniform(0, MOST))
    return happened
