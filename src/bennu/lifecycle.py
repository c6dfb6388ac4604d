"""The start and the stop of an endpoint, and its restart if it was not stopped.

The parts start in this order: the endpoint's event loop (its home), the log, the drainer, PubSub, the presences, the
user's lifespan. They stop in the reverse order, after all channels have ended. So a channel's ``terminate`` can still
use all parts.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import copy_context
from typing import Final

from .dashboard import DashboardServer
from .errors import DefinitionError
from .exporter import Exporter
from .loop.siblings import other_workers
from .presence import Presence
from .server.drain import Drainer
from .server.moving import Mover
from .server.server import Server
from .transports.health import Readiness
from .transports.longpoll import LongPolling
from .user_code.callback import Callback

__all__ = ["Lifecycle"]

STOP: Final = "`await endpoint.stop()` on the event loop on which it was started,"
"""The advice in errors to callers on another event loop."""


class Lifecycle:
    """Starts and stops one endpoint, and starts it anew on another event loop.

    Args:
        server: The endpoint's server.
        drainer: Drains the endpoint.
        mover: Moves the clients of a node that is cut off from the bus.
        longpolling: The endpoint's long polling.
        presences: The endpoint's presences.
        lifespan: The user's lifespan; None if there is none.
        exporter: Counts for the metrics.
        dashboard: Answers other nodes.

    Attributes:
        presences: As given.
    """

    def __init__(
        self,
        server: Server,
        drainer: Drainer,
        mover: Mover,
        longpolling: LongPolling,
        presences: Sequence[Presence],
        lifespan: Callback | None,
        exporter: Exporter,
        dashboard: DashboardServer,
    ) -> None:
        self._server = server
        self._home = server.home
        self._drainer = drainer
        self._mover = mover
        self._longpolling = longpolling
        self.presences = presences
        self._lifespan = lifespan
        self._exporter = exporter
        self._dashboard = dashboard
        self._stack: AsyncExitStack | None = None
        self._starting: asyncio.Lock | None = None

    @property
    def is_started(self) -> bool:
        """Whether the endpoint has been started in this process, and not stopped since."""
        return self._stack is not None and self._home.is_in_process

    @property
    def is_ready(self) -> bool:
        """Whether the endpoint is started, does not drain, and hears the bus."""
        return self.readiness is Readiness.READY

    @property
    def readiness(self) -> Readiness:
        """Whether a load balancer can send clients here, or why not."""
        if not self.is_started or self._drainer.has_begun:
            return Readiness.DRAINING
        cluster = self._server.pubsub.cluster
        if cluster is not None and not cluster.watch.is_up:
            return Readiness.CUT_OFF
        return Readiness.READY

    @property
    def is_here(self) -> bool:
        """Whether the endpoint is started on the running event loop."""
        return self._stack is not None and self._home.is_current

    async def start(self) -> None:
        """Start all parts; see :meth:`bennu.Endpoint.start`. A second call waits for the first one."""
        if self._home.is_abandoned:
            self._abandon()
        self._home.start()
        async with self._alone():
            await self._start()

    async def _start(self) -> None:
        self._home.start()
        if self._stack is not None:
            return
        server = self._server
        server.start()
        server.lines.follow()  # not before: servers set up logging at start-up
        await self._drainer.start()
        self._exporter.start()
        stack = AsyncExitStack()
        try:
            await self._begin(stack)
        except BaseException:
            self._dashboard.stop()
            try:
                await self._end_presences()
            finally:
                try:
                    await self._stop_pubsub()
                finally:
                    self._drainer.stop()
                    self._exporter.stop()
                    server.release()
            raise
        self._stack = stack
        self._mover.start()
        self._exporter.warn(other_workers)
        if server.pubsub.is_alone and (workers := other_workers()) is not None:
            server.log.warning(
                "%s, and this endpoint reaches only the clients of its own process: a broadcast, a disconnect"
                " or a request of long polling can miss its client. Write Endpoint(pubsub=...), serve with"
                " `bennu run --workers`, or run one worker",
                workers,
            )

    async def start_late(self) -> None:
        """Start at the first scope, and log it once.

        Raises:
            WrongThread: The scope comes from another event loop than the endpoint's.
        """
        if self._home.is_abandoned:
            self._abandon()
        elif self._stack is not None:
            raise self._home.wrong_loop_error("a client connected")
        async with self._alone():
            if self._stack is None:
                self._server.log.warning(
                    "The endpoint was not started, and starts at its first request. A mount forwards"
                    " no lifespan: write FastAPI(lifespan=endpoint.lifespan(...)), or serve"
                    " endpoint.wrap(app)"
                )
                await self._start()

    async def drain(self, *, delay: float, timeout: float | None) -> None:  # noqa: ASYNC109 - shared out among steps
        """Close all connections; see :meth:`bennu.Endpoint.drain`."""
        self._home.expect("endpoint", "drain")
        if self._stack is not None:
            await self._drainer.drain(delay=delay, timeout=timeout)

    async def stop(self) -> None:
        """Stop all parts; see :meth:`bennu.Endpoint.stop`."""
        if self._stack is None:
            return
        self._home.expect("endpoint", "stop", STOP)
        async with self._alone():
            await self._stop()

    async def _stop(self) -> None:
        server, stack = self._server, self._stack
        if stack is None:  # another stop was first
            return
        self._stack = None
        self._mover.stop()
        self._drainer.stop()
        self._dashboard.stop()
        try:
            await server.end_connections()
            await self._end_presences()  # hooks of presences can need threads and the lifespan
            await server.end_connections()
            try:
                await stack.aclose()
            finally:
                await self._stop_pubsub()
        finally:
            self._exporter.stop()
            server.release()
            self._forget_start()

    @asynccontextmanager
    async def _alone(self) -> AsyncGenerator[None]:
        """Let no other start or stop run at the same time."""
        while True:
            lock = self._starting = self._starting or asyncio.Lock()
            async with lock:
                if self._starting is lock:  # else a stop has ended meanwhile
                    yield
                    return

    async def _begin(self, stack: AsyncExitStack) -> None:
        """Join the cluster, and enter the lifespan."""
        server = self._server
        await server.pubsub.start()
        if server.pubsub.logs is not None:
            await server.pubsub.logs.start()
        if server.pushes is not None:
            await server.pushes.start()
        self._longpolling.start()
        self._dashboard.start()
        for presence in self.presences:
            presence.start(server)
        if self._lifespan is not None:
            takes_endpoint = bool(inspect.signature(self._lifespan.function).parameters)
            context = await self._lifespan.call_on_loop(
                *((server.endpoint,) if takes_endpoint else ())
            )
            if not hasattr(context, "__aenter__"):
                raise DefinitionError(
                    "Endpoint(lifespan=...)",
                    expected="an async context manager",
                    got=repr(context),
                    write="@asynccontextmanager above `async def lifespan()`",
                )
            server.state = await stack.enter_async_context(context)
            server.context = copy_context()
        for presence in self.presences:
            presence.opened()

    async def _stop_pubsub(self) -> None:
        pubsub, pushes = self._server.pubsub, self._server.pushes
        try:
            if pushes is not None:
                await pushes.stop()
            if pubsub.logs is not None:
                await pubsub.logs.stop()
        finally:
            await pubsub.stop()

    async def _end_presences(self) -> None:
        for presence in self.presences:
            await presence.stop(self._server)

    def _forget_start(self) -> None:
        self._server.lines.stop()
        self._server.state = None
        self._starting = None

    def _abandon(self) -> None:
        """Forget a start that can't be stopped any more."""
        server = self._server
        if self._stack is not None:
            server.log.warning(
                "The endpoint was not stopped before its event loop was closed, or its process was forked:"
                " it starts anew. The end of its lifespan did not run"
            )
        self._stack = None
        self._mover.abandon()
        self._drainer.abandon()
        self._longpolling.abandon()
        self._exporter.abandon()
        self._dashboard.abandon()
        for presence in self.presences:
            presence.abandon(server)
        server.abandon()
        self._home.stop()
        self._forget_start()
