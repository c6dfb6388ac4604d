"""Closes the connections of an endpoint in batches before the server stops. Protocol document, §1.15.

Theory of operation
-------------------
An endpoint that drains is *unready* first: its health pages report it. Nothing else changes for ``delay`` seconds, so
that load balancers can notice. Then the endpoint drains. It refuses new clients before any user code runs. It sends
:class:`~bennu.message.Draining` to channels that handle it. It closes the connections of each socket with 1012, in the
batches that :mod:`bennu.drain` plans. Joins and messages on connections that are still open go on as before.

A batch never begins before the time of the previous batch is over, even if the event loop is late. So a busy server
drains slowly, and its clients do not come back all at once. When the time limit for all batches is over, all other
connections are closed at once.

Each started endpoint has a :class:`Drainer`, which is found by its event loop. So the server can drain all endpoints
of an application, wherever they are mounted.

A node that is cut off from the bus can let its clients go in the same batches, and serves those that come back
(:mod:`bennu.server.moving`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from itertools import islice
from random import random
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from ..drain import Drain, DrainBatch, plan_drain
from ..logs.log import Log
from ..message import Draining
from ..reasons import CloseCode
from ..socket import SocketBase
from ..telemetry import SocketDrain
from .server import Server

if TYPE_CHECKING:
    from .connection import ServerConnection

__all__ = ["Drainer", "drain_all", "started_endpoints"]


ENDS: Final = 10.0
"""Seconds within which channels must end if there is no time limit for the drain. Limits of channels are shorter."""

_started: WeakSet[Drainer] = WeakSet()


class Drainer:
    """Drains one endpoint.

    Args:
        server: The endpoint's server.
        sockets: The endpoint's sockets, by mount path. A socket with several paths is drained once.
    """

    def __init__(self, server: Server, sockets: Mapping[str, SocketBase[Any]]) -> None:
        self._server = server
        self._names: dict[SocketBase[Any], str] = {}
        for mount, socket in sockets.items():
            self._names[socket] = (
                f"{self._names[socket]}, {mount}" if socket in self._names else mount
            )
        self._drains: dict[SocketBase[Any], Drain] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the endpoint has begun to drain."""
        return self._task is not None

    @property
    def endpoint(self) -> Any:
        """The endpoint."""
        return self._server.endpoint

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that the endpoint was started on."""
        return self._server.loop

    async def start(self) -> None:
        """Get the ``Drain`` of every socket, and add the endpoint to the started endpoints.

        Raises:
            DefinitionError: A socket's function did not return a ``Drain``.
        """
        found = {socket: await socket.drainer() for socket in self._names}
        self._drains = {socket: drain for socket, drain in found.items() if drain is not None}
        _started.add(self)

    def stop(self) -> None:
        """Cancel the drain, because the endpoint stops."""
        _started.discard(self)
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        self._server.is_draining = False

    def abandon(self) -> None:
        """Forget a drain, because its event loop is closed."""
        _started.discard(self)
        self._task = None

    async def drain(self, *, delay: float, timeout: float | None) -> None:  # noqa: ASYNC109 - shared out among steps
        """Close all connections. A call during a drain waits for the end of the drain.

        Args:
            delay: Seconds in which the endpoint is unready, and serves as before.
            timeout: The most seconds for the rest; None is the time of each socket's ``Drain``.
        """
        if self._task is None:
            self._task = self._server.loop.create_task(self._drain(delay, timeout))
        task = self._task
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    async def _drain(self, delay: float, within: float | None) -> None:
        server = self._server
        loop = server.loop
        await asyncio.sleep(delay)
        server.is_draining = True
        deadline = None if within is None else loop.time() + within
        await self.close_in_batches(within, latecomers=True)
        if not server.connections:
            await server.wait_until_idle(loop.time() + ENDS if deadline is None else deadline)

    async def close_in_batches(self, within: float | None = None, *, latecomers: bool) -> None:
        """Close the connections that are open now, in the batches of each socket.

        Args:
            within: The most seconds; None is the time of each socket's ``Drain``.
            latecomers: Whether connections that open meanwhile are closed at the end.
        """
        async with asyncio.TaskGroup() as group:
            for socket, drain in self._drains.items():
                if connections := self._of(socket):
                    limit = drain.timeout if within is None else min(drain.timeout, within)
                    group.create_task(
                        self._drain_socket(socket, drain, connections, limit, latecomers)
                    )

    def _of(self, socket: SocketBase[Any]) -> list[ServerConnection[Any]]:
        return [found for found in self._server.connections if found.socket is socket]

    async def _drain_socket(
        self,
        socket: SocketBase[Any],
        drain: Drain,
        connections: list[ServerConnection[Any]],
        within: float,
        latecomers: bool,
    ) -> None:
        total, name = len(connections), self._names[socket]
        news = Draining(within)
        for connection in connections:
            connection.put_info(news)
        await asyncio.sleep(
            0
        )  # so that an idle channel handles Draining before its connection is closed
        if total * drain.batch_interval > within * drain.batch_size:
            self._server.log.warning(
                "%d clients of %s can't be closed within %gs at %d per %gs: they are closed faster",
                *(total, name, within, drain.batch_size, drain.batch_interval),
            )
        deadline = self._server.loop.time() + within
        leaving = iter(connections)
        for batch in plan_drain(drain, total, within, random):
            self._server.telemetry.tell(
                SocketDrain(
                    name,
                    batch.count,
                    total,
                    batch.index,
                    batch.rounds,
                    drain.batch_interval,
                    drain.log,
                )
            )
            await self._close_batch(batch, islice(leaving, batch.count), deadline)
        if latecomers:
            for connection in self._of(socket):
                _close(connection)

    async def _close_batch(
        self, batch: DrainBatch, leaving: Iterator[ServerConnection[Any]], deadline: float
    ) -> None:
        begin = self._server.loop.time()
        for delay, connection in zip(batch.delays, leaving, strict=True):
            await self._wait_until(min(begin + delay, deadline))
            _close(connection)
        await self._wait_until(min(begin + batch.span, deadline))

    async def _wait_until(self, when: float) -> None:
        left = when - self._server.loop.time()
        if left > 0:
            await asyncio.sleep(left)


def _close(connection: ServerConnection[Any]) -> None:
    connection.close(CloseCode.DRAINING, reason="draining")


def started_endpoints() -> list[Any]:
    """Return every endpoint that was started on the running event loop."""
    loop = asyncio.get_running_loop()
    return [drainer.endpoint for drainer in _started if drainer.loop is loop]


async def drain_all(*, delay: float, timeout: float) -> None:  # noqa: ASYNC109 - shared out among steps
    """Drain every endpoint that was started on the running event loop.

    Args:
        delay: Seconds in which the endpoints are unready, and serve as before.
        timeout: The most seconds for the rest.
    """
    loop = asyncio.get_running_loop()
    drainers = [drainer for drainer in _started if drainer.loop is loop]
    for failure in await asyncio.gather(
        *(drainer.drain(delay=delay, timeout=timeout) for drainer in drainers),
        return_exceptions=True,
    ):
        if isinstance(failure, Exception):
            Log().error("An endpoint could not be drained", exc_info=failure)
