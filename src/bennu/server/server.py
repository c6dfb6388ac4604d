"""The server of an endpoint: its event loop, PubSub, threads, and all its connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Final

from ..history.reader import LogReader
from ..limits.connections import ConnectionLimits, network_of
from ..limits.limits import Threads
from ..loop.scheduler import Scheduler
from ..loop.threads import Pools
from ..loop.watch import LIMIT, Holder, Watch
from ..metrics.tallies import Tallies
from ..pubsub import PubSub
from ..reasons import CloseCode
from ..telemetry import LogHandler, LoopHeld, ParameterFilter, Telemetry
from ..user_code.callback import Callback
from .inspector import Inspector

if TYPE_CHECKING:
    from .connection import ServerConnection
    from .declared import DeclaredEvents
    from .idempotent_pushes import IdempotentPushes
    from .tracer import ServerTracer

__all__ = ["Server"]

HOLD_LIMIT: float | None = LIMIT
"""Seconds for which a callback can block the event loop before the log names it; None is no limit."""
SWEEPS: Final = 4
"""The number of checks of each connection in one timeout. A silent connection is closed after 1 to 1.25 timeouts."""


class Server:
    """The objects that the connections of an endpoint share.

    Args:
        endpoint: The endpoint, for ``self.endpoint`` in channels.
        pubsub: The endpoint's PubSub.
        telemetry: The endpoint's telemetry.
        debug: Whether events and payloads are checked against ``emits``.
        connection_limits: Limits the number of clients, and the rate of connects; None is no limit.
        threads: The numbers of worker threads; None is the default.
        hide: The parameters that are hidden in the log; None is the default.
        reader: Reads the histories of topics; None if no topic has history.

    Attributes:
        connections: The open connections.
        connects: The worker threads for ``connect``.
        declared: Checks what server code sends; None in production. The endpoint sets it.
        context: The context in which the endpoint was started, for code that belongs to no connection.
        home: The endpoint's event loop, thread and process.
        inspector: Shows connections and topics that somebody follows.
        is_draining: Whether new clients are refused, because the server will stop.
        reader: Reads the histories of topics.
        lines: Writes the log lines about connects and joins.
        pools: The worker threads.
        pushes: Handles the idempotent pushes; None if no event is idempotent. The endpoint sets it.
        refused: The connections of refused clients that can read the reason.
        state: The value that the endpoint's lifespan yielded.
        tallies: Counts for metrics; None without metrics. The exporter sets it.
        timers: Functions of ours that get the topic of each message that a handler has handled, and the seconds it took:
            an event of telemetry for each message would cost an open dashboard several times as much.
        tracer: Makes spans; None without tracing. The endpoint sets it.
    """

    def __init__(
        self,
        endpoint: Any,
        pubsub: PubSub,
        telemetry: Telemetry,
        *,
        debug: bool,
        connection_limits: ConnectionLimits | None = None,
        threads: Threads | None = None,
        hide: ParameterFilter | None = None,
        reader: LogReader | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.reader = LogReader(None) if reader is None else reader
        self.pubsub = pubsub
        self.home = pubsub.home
        self.telemetry = telemetry
        self.log = telemetry.log
        self.lines = LogHandler(telemetry, hide or ParameterFilter())
        self.inspector = Inspector(self, hide or ParameterFilter())
        self.debug = debug
        self.connection_limits = connection_limits
        self.state: Any = None
        self.connections: set[ServerConnection[Any]] = set()
        self.refused: set[ServerConnection[Any]] = set()
        self.is_draining = False
        self._scheduler: Scheduler | None = None
        self.context = copy_context()
        self.pools = Pools(Threads() if threads is None else threads)
        self.connects = _Connects(self.pools)
        self._watch: Watch | None = None
        self._background: set[asyncio.Task[Any]] = set()
        # One bound method and one context for all tasks, since the task of a joined channel keeps both for days.
        self._forget_task = self._background.discard
        self._nowhere = Context()
        self._sweepers: dict[float, _Sweeper] = {}
        self.pushes: IdempotentPushes | None = None
        self.declared: DeclaredEvents | None = None
        self.tallies: Tallies | None = None
        self.timers: list[Callable[[str, float], object]] = []
        self.tracer: ServerTracer | None = None

    @property
    def tasks(self) -> int:
        """The number of tasks that :meth:`stop` waits for: of channels, raw handlers and the server itself."""
        return len(self._background)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that the endpoint was started on."""
        return self.home.loop

    @property
    def scheduler(self) -> Scheduler:
        """Shares the event loop among connections with many or large messages."""
        if self._scheduler is None:
            self._scheduler = Scheduler(self.loop)
        return self._scheduler

    def start(self) -> None:
        """Make the running event loop the endpoint's event loop."""
        self.home.start()
        self.log.start(self.home.loop)
        if self.connection_limits is not None:
            self.connection_limits.forget_rates()
        self.context = copy_context()
        if HOLD_LIMIT is not None:
            self._watch = Watch.begin(self._tell_held, HOLD_LIMIT)

    async def end_connections(self) -> None:
        """Close every connection, end every channel, and wait until their tasks have ended."""
        for connection in (*self.connections, *self.refused):
            connection.close(CloseCode.SHUTDOWN)
        for sweeper in self._sweepers.values():
            sweeper.stop()
        self._sweepers.clear()
        while self._background:
            await asyncio.wait(tuple(self._background))

    async def stop(self) -> None:
        """End all connections, and release the event loop and the threads."""
        await self.end_connections()
        self.release()

    def release(self) -> None:
        """Write pending broadcasts, and release the event loop and the threads."""
        self.pubsub.batch.flush()
        self.inspector.stop()
        self.log.stop()
        self.home.stop()
        self._drop()

    def abandon(self) -> None:
        """Forget all connections and tasks, because the loop was closed without a stop, or is the parent process's."""
        self.inspector.forget()
        for connection in tuple(self.connections):
            connection.tally = None  # in a fork, the words belong to the parent process
            self.closed(connection)
        self.refused.clear()
        self._background.clear()
        self._sweepers.clear()
        self.is_draining = False
        self.state = None
        self.pubsub.abandon()
        if self.pushes is not None:
            self.pushes.forget()
        self.log.stop()
        self._drop()

    def _drop(self) -> None:
        self._scheduler = None
        self.pools.drop()
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.end(self._tell_held)

    def _tell_held(self, holder: Holder, seconds: float) -> None:
        """Emit what has held the event loop."""
        if self.telemetry.handlers[LoopHeld]:
            self.telemetry.tell(LoopHeld(holder.name, holder.place, seconds))

    async def wait_until_idle(self, deadline: float) -> None:
        """Wait until every channel has ended, or until ``deadline``, in seconds of the event loop's clock."""
        while self._background and (left := deadline - self.loop.time()) > 0:
            await asyncio.wait(tuple(self._background), timeout=left)

    def create_task(
        self, coroutine: Coroutine[Any, Any, Any], context: Context | None = None
    ) -> asyncio.Task[Any]:
        """Run a coroutine in a task that :meth:`stop` waits for.

        Args:
            coroutine: The coroutine.
            context: The context in which it runs; None is a copy of the running context.
        """
        task = self.home.loop.create_task(coroutine, context=context)
        self._background.add(task)
        task.add_done_callback(self._forget_task, context=self._nowhere)
        return task

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine in a task whose result is not used; log its failure."""
        self.create_task(coroutine).add_done_callback(self._log_failure)

    def in_thread(self, callback: Callback, /, *args: Any) -> Awaitable[Any]:
        """Run a plain function that belongs to no connection in a worker thread."""
        return self.pools.hooks.in_thread(callback, *args)

    def opened(self, connection: ServerConnection[Any]) -> None:
        """Add a connection that has opened."""
        self.connections.add(connection)
        if self.tallies is not None:
            size = connection.framing.size
            tally = self.tallies.connection(connection.mount, connection.transport, size)
            connection.tally = tally
            tally.opened()
        if self.connection_limits is not None:
            self.connection_limits.add(network_of(connection.info.peer.host))
        timeout = connection.socket.timeout
        if timeout not in self._sweepers:
            self._sweepers[timeout] = _Sweeper(self, timeout)
        if self.inspector.is_open:
            self.inspector.opened(connection)

    def closed(self, connection: ServerConnection[Any]) -> None:
        """Remove a connection that has ended."""
        self.connections.discard(connection)
        tally, connection.tally = connection.tally, None
        if tally is not None:
            tally.closed(connection.close_code)
        self.inspector.closed(connection)
        if self.connection_limits is not None:
            self.connection_limits.leave(network_of(connection.info.peer.host))

    def _log_failure(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("An internal task of the server failed", exc_info=error)


class _Connects:
    """The worker threads for ``connect``. Channels see the context variables that a plain ``connect`` has set."""

    __slots__ = ("_pools",)

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    def in_thread(self, callback: Callback, /, *args: Any) -> Awaitable[Any]:
        """Run a plain ``connect`` in a worker thread."""
        return self._pools.connects.run(callback, callback, args, keeps_context=True)


class _Sweeper:
    """Closes connections that have been silent for longer than their timeout.

    All connections with the same timeout share a timer. So a message only sets a counter of its connection to zero.
    """

    def __init__(self, server: Server, timeout: float) -> None:
        self._server = server
        self._timeout = timeout
        self._timer = server.loop.call_later(timeout / SWEEPS, self._sweep)

    def stop(self) -> None:
        self._timer.cancel()

    def _sweep(self) -> None:
        self._timer = self._server.loop.call_later(self._timeout / SWEEPS, self._sweep)
        for connection in tuple(self._server.connections):
            if connection.socket.timeout == self._timeout:
                connection.sweep(SWEEPS)
