"""The servers that an endpoint runs under, each in this process, on a free port.

``native`` is the server of ``bennu run``: uvicorn with Bennu's protocol, which takes over the sockets of
WebSockets. The other servers call the endpoint by plain ASGI, each with its own WebSocket code.

A server is an async context manager. Leaving it stops the server as its own command would, and checks
that nothing of the server is left.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import uvicorn
from granian.constants import Interfaces
from granian.server.embed import Server as Granian
from hypercorn.asyncio import serve as serve_hypercorn
from hypercorn.config import Config as HypercornConfig

from bennu.cli.config import Config
from bennu.cli.first_protocol import FirstProtocol

from .until import pause, until

__all__ = [
    "HOST",
    "SERVERS",
    "Serve",
    "Server",
    "is_of_the_test_runner",
    "serve",
    "until_listening",
]

HOST: Final = "127.0.0.1"


@dataclass
class Server:
    """A server that listens.

    Attributes:
        name: Its key in :data:`SERVERS`.
        port: The port.
        host: The address.
        connections: uvicorn's set of open connections, WebSockets included; empty for other servers.
        tasks: uvicorn's set of tasks that serve a request; empty for other servers.
    """

    name: str
    port: int
    host: str = HOST
    connections: set[Any] = field(default_factory=set)
    tasks: set[Any] = field(default_factory=set)

    @property
    def is_native(self) -> bool:
        """Whether Bennu's own transport carries WebSockets."""
        return self.name == "native"

    def url(self, path: str, scheme: str = "ws") -> str:
        """Return the URL of a path."""
        return f"{scheme}://{self.host}:{self.port}{path}"


Serve = Callable[..., AbstractAsyncContextManager[Server]]


@asynccontextmanager
async def serve(name: str, app: Any, **options: Any) -> AsyncIterator[Server]:
    """Run an application under a server, and check that the server leaves no task."""
    before = asyncio.all_tasks()
    async with SERVERS[name](app, **options) as server:
        yield server
    try:
        await until(lambda: not _left(before))
    except TimeoutError:
        raise AssertionError(f"{name} left tasks behind: {_left(before)}") from None


def _left(before: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() - before if not is_of_the_test_runner(task)}


def is_of_the_test_runner(task: asyncio.Task[Any]) -> bool:
    """Return whether a task is a test, or the task in which anyio runs its fixtures."""
    return task is asyncio.current_task() or "TestRunner" in repr(task.get_coro())


@asynccontextmanager
async def _native(app: Any, **options: Any) -> AsyncIterator[Server]:
    async with _uvicorn_with("native", app, Config, http=FirstProtocol, **options) as server:
        yield server


@asynccontextmanager
async def _uvicorn(app: Any) -> AsyncIterator[Server]:
    async with _uvicorn_with("uvicorn", app) as server:
        yield server


@asynccontextmanager
async def _uvicorn_with(
    name: str, app: Any, make_config: type[uvicorn.Config] = uvicorn.Config, **options: Any
) -> AsyncIterator[Server]:
    """Do what uvicorn.Server.serve does, without its signal handlers and its clock."""
    config = make_config(
        app, log_config=None, lifespan="auto", timeout_graceful_shutdown=10, **options
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    listener = _bound()
    await server.startup(sockets=[listener])
    state = server.server_state
    try:
        yield Server(name, _port(listener), connections=state.connections, tasks=state.tasks)
    finally:
        await server.shutdown(sockets=[listener])
    assert not state.connections, f"{name} left connections open: {state.connections}"


@asynccontextmanager
async def _hypercorn(app: Any) -> AsyncIterator[Server]:
    listener = _bound()
    config = HypercornConfig()
    port = _port(listener)
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = logging.getLogger("hypercorn.error")
    config.graceful_timeout = 0.2  # it waits in vain for some clients that have disappeared
    stop = asyncio.Event()
    task = asyncio.create_task(serve_hypercorn(app, config, shutdown_trigger=stop.wait))
    running = Server("hypercorn", port)
    await until_listening(running)
    try:
        yield running
    finally:
        stop.set()
        await task


@asynccontextmanager
async def _granian(app: Any) -> AsyncIterator[Server]:
    # granian binds by itself, once a worker, with SO_REUSEPORT. A socket that is bound and does not listen
    # gets no connections, and keeps the port reserved.
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind((HOST, 0))
        port = _port(reserved)
        server = Granian(app, HOST, port, interface=Interfaces.ASGI, log_enabled=False)
        task = asyncio.create_task(server.serve())
        running = Server("granian", port)
        await until_listening(running)
        try:
            yield running
        finally:
            server.stop()  # type: ignore[no-untyped-call]  # it has few types
            await task


SERVERS: Final[dict[str, Serve]] = {
    "native": _native,
    "uvicorn": _uvicorn,
    "hypercorn": _hypercorn,
    "granian": _granian,
}


def _bound() -> socket.socket:
    """Return a socket with a port, which does not listen."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((HOST, 0))
    bound.setblocking(False)
    return bound


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


async def until_listening(server: Server) -> None:
    """Wait until a server listens on a port."""
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection(server.host, server.port)
            except ConnectionRefusedError:
                await pause()
                continue
            writer.close()
            await writer.wait_closed()
            return
