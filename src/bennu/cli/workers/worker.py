"""The server of a worker: it says that it lives, takes the clients of slots without a worker, and ends when it is told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Generator
from types import FrameType
from typing import Any, Final

import uvicorn

from ...logs.log import Log
from ..banner import socket_lines
from ..first_protocol import FirstProtocol
from ..listeners import limited_tls_handshakes
from ..server import UvicornServer, end_after
from .link import ControlLink, Order, OrderKind

__all__ = ["WorkerServer"]

BEAT: Final = 1.0
"""Seconds between two signs of life."""

FRESH: Final = 1.0
"""The most seconds in which a client that was just accepted can send its request, when its worker is replaced."""
FRESH_SHARE: Final = 0.2
"""The most of the grace time for that."""
PAUSE: Final = 0.02
"""Seconds between two looks at the connections."""

ANSWER: Final = 1.0
"""Seconds in which the supervisor answers a worker that got a SIGTERM."""


class WorkerServer(UvicornServer):
    """The server of one worker.

    Args:
        config: The configuration of uvicorn.
        link: The link to the supervisor, not started.
        timeout: Seconds after which the process ends if its event loop hangs; 0 is never.
        directory: The directory of the bus, which the last worker removes if the supervisor can't; None if the
            supervisor has not made it.
        options: As for :class:`~bennu.cli.server.UvicornServer`.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        link: ControlLink,
        timeout: float,
        directory: str | None,
        **options: Any,
    ) -> None:
        super().__init__(config, **options)
        self._link = link
        self._timeout = timeout
        self._directory = directory
        self._is_orphan = False
        self._is_replaced = False
        self._was_signalled = False
        self._taken: dict[int, list[Any]] = {}
        self._orders: asyncio.Queue[tuple[Order, list[socket.socket]]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    # Start.

    async def startup(self, sockets: Any = None) -> None:
        """Start, and tell the supervisor."""
        self._link.start(self._receive, self._on_lost)
        await super().startup(sockets)
        if self.started:
            self._tasks = [
                asyncio.create_task(self._follow_orders()),
                asyncio.create_task(self._beat()),
            ]

    def say_started(self, listeners: list[socket.socket]) -> None:
        """Tell the supervisor, which logs one banner for all workers."""
        del listeners
        lines = socket_lines(self.config.app, self.config.root_path)
        self._link.send(Order(OrderKind.READY, lines=lines))

    async def _beat(self) -> None:
        """Say at each beat that the event loop runs. If it does not run, a watchdog ends the process.

        The watchdog prints the stack of each thread, and needs neither the event loop nor a Python thread.
        """
        while not self.should_exit:
            if self._timeout:
                end_after(self._timeout)
            self._link.send(Order(OrderKind.ALIVE))
            await asyncio.sleep(min(BEAT, self._timeout / 4) if self._timeout else BEAT)

    # Orders.

    def _receive(self, order: Order, listeners: list[socket.socket]) -> None:
        if order.kind is OrderKind.LEAVE:
            self._is_replaced = True
            self.begin_to_end()
        elif order.kind is OrderKind.STOP:
            self.begin_to_end()
        else:
            self._orders.put_nowait((order, listeners))

    async def _follow_orders(self) -> None:
        """Take and give back slots, one after another."""
        while True:
            order, listeners = await self._orders.get()
            if order.kind is OrderKind.TAKE:
                await self._take(order.slot, listeners)
            else:
                self._give_back(order.slot)

    async def _take(self, slot: int, listeners: list[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        servers = self._taken.setdefault(slot, [])
        with limited_tls_handshakes(loop, self._handshake_timeout):
            for listener in listeners:
                server = await loop.create_server(
                    self._protocol,
                    sock=listener,
                    ssl=self.config.ssl,
                    backlog=self.config.backlog,
                )
                servers.append(server)
                self.servers.append(server)

    def _give_back(self, slot: int) -> None:
        for server in self._taken.pop(slot, ()):
            server.close()
            self.servers.remove(server)

    def _protocol(self) -> asyncio.Protocol:
        """Return the protocol of a new connection, as uvicorn makes it for the worker's own listeners."""
        make: Any = self.config.http_protocol_class
        return make(  # type: ignore[no-any-return]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    # End.

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Handle SIGTERM. Ctrl-C in a terminal reaches all processes: the supervisor tells the workers."""
        with super().capture_signals():
            signal.signal(signal.SIGINT, _ignore)
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Ask the supervisor what a SIGTERM means: all workers end, or this worker is replaced."""
        del frame
        if self._was_signalled:
            self.end_at_once(sig)
        self._was_signalled = True
        if self.should_exit:
            return
        self._link.send(Order(OrderKind.TOLD))
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(loop.call_later, ANSWER, self.begin_to_end)

    def _on_lost(self) -> None:
        """Drain and end: nobody would start this worker again, or reload it."""
        self._is_orphan = True
        if not self.should_exit:
            Log().error("The supervisor has ended: this worker drains, and ends too")
        self.begin_to_end()

    async def shutdown(self, sockets: Any = None) -> None:
        """Stop accepting, if other workers take the clients of this worker; then end."""
        for task in self._tasks:
            task.cancel()
        if self._is_replaced:
            self._drain_delay = 0.0  # it is for load balancers, which see the other workers
            for server in self.servers:
                server.close()
            await self._hear_requests()
        await super().shutdown(sockets)
        if self._is_orphan and self._directory is not None:
            with contextlib.suppress(OSError):
                os.rmdir(self._directory)  # the last worker finds it empty

    async def _hear_requests(self) -> None:
        """Wait for the requests of clients that were just accepted: uvicorn would close their connections.

        A connection whose TLS handshake is under way is not in the list, so with TLS the wait is never shorter.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + min(FRESH, self._left(FRESH_SHARE))
        while True:
            await asyncio.sleep(
                PAUSE
            )  # first, because a client can be accepted and not yet in the list
            is_fresh = self.config.is_ssl or self._has_fresh_clients()
            if not is_fresh or loop.time() >= until:
                return

    def _has_fresh_clients(self) -> bool:
        """Return whether a connection has had no request yet."""
        connections: set[Any] = self.server_state.connections
        return any(
            isinstance(one, FirstProtocol) or getattr(one, "cycle", self) is None
            for one in connections
        )


def _ignore(number: int, frame: FrameType | None) -> None:
    """Take a signal that is for the supervisor."""
