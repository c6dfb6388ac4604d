"""Moves the clients of a node that does not hear the bus to other nodes: ``Endpoint(move_clients_after=60)``.

Theory of operation
-------------------
A node that is cut off from the bus is not ready, so a load balancer sends it no new clients. Its own clients stay, and miss
the broadcasts of other nodes. After ``after`` seconds the connections that are open are closed with 1012, in the batches of
each socket's ``Drain``. The clients connect again, and the load balancer sends them to nodes that hear the bus. This happens
once in an outage. Clients that come back to this node are served, because another node may have no room.

When the bus is heard again, the clients that have not been closed yet stay. The next outage is handled like the first. A
drain before the stop takes over: it closes all connections anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from ..pubsub.bus_watch import BusWatch
from .drain import Drainer
from .server import Server

__all__ = ["Mover"]

EVERY: Final = 1.0
"""Seconds between two looks at the bus."""


class Mover:
    """Moves the clients of one endpoint.

    Args:
        server: The endpoint's server.
        drainer: Closes the connections in batches.
        after: Seconds without the bus; None means that clients stay.
    """

    def __init__(self, server: Server, drainer: Drainer, after: float | None) -> None:
        self._server = server
        self._drainer = drainer
        self._after = after
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Watch the bus, if the endpoint has one."""
        cluster = self._server.pubsub.cluster
        if self._after is not None and cluster is not None:
            work = self._run(cluster.watch, self._after)
            self._task = self._server.loop.create_task(work)

    def stop(self) -> None:
        """Close no more connections, because the endpoint stops."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    def abandon(self) -> None:
        """Forget the task, because its event loop is closed."""
        self._task = None

    async def _run(self, watch: BusWatch, after: float) -> None:
        drainer = self._drainer
        while True:
            await _until(lambda: watch.silence >= after and not drainer.has_begun)
            await self._move(watch)

    async def _move(self, watch: BusWatch) -> None:
        """Close the connections, until the bus is heard or the endpoint drains."""
        server, drainer = self._server, self._drainer
        server.log.warning(
            "This node has not heard the bus for %.0f s: its clients (%d) are moved to other nodes",
            watch.silence,
            len(server.connections),
        )
        moving = server.loop.create_task(drainer.close_in_batches(latecomers=False))
        try:
            await _until(lambda: watch.is_up or drainer.has_begun)
        finally:
            moving.cancel()
        await asyncio.wait([moving])
        if not moving.cancelled() and (error := moving.exception()) is not None:
            server.log.error("The clients could not be moved", exc_info=error)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - the states have no events
        await asyncio.sleep(EVERY)
