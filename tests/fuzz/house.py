"""The whole server of ``bennu run`` in memory, which is used for one input after another.

The HTTP protocol, its WebSockets, an endpoint with all kinds of sockets, long polling, presence, and routes of
another application: all are real, on an event loop whose clock jumps. Each client is connected by a
:class:`~bennu.testing.memory_socket.MemoryTransport`.

:meth:`House.play` runs a program (:mod:`tests.fuzz.program`), and then checks what must be true after each program:
the loop's exception handler was not called, no error was logged, an honest client is answered, and nothing is left of
the clients.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import AsyncIterator, Hashable
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from uvicorn.server import ServerState

from bennu import (
    Channel,
    ConnectInfo,
    Deflate,
    Endpoint,
    Error,
    Limits,
    LongPoll,
    Ok,
    Presence,
    Rates,
    RawHandler,
    RawSocket,
    Refused,
    Socket,
    Stop,
    on,
)
from bennu.cli.config import Config
from bennu.cli.first_protocol import FirstProtocol
from bennu.testing.clock import VirtualLoop, advance, settle
from bennu.testing.memory_socket import MemoryTransport
from tests.support.inside import polls_of, server_of, sessions_of, topics_of

from .outcome import outcome_of

__all__ = ["House", "Visitor"]

BEAT: Final = b"\x81\xa3\0\0\0\0" + b'[null,"9","phoenix","heartbeat",{}]'
PATIENCE: Final = 150.0
"""Seconds of virtual time after which nothing of closed clients can be left."""
STEP: Final = 10.0

DOCUMENTED: Final = re.compile(
    r"(Not shown: \d+ more like \")?(Refusing a connection to |(Room on '.*'|…) did not finish in )"
)
"""Log lines of errors that a client can cause: pages of other sites, as in Phoenix, and slow handlers."""


class Room(Channel[str]):
    """Does all that a handler can do."""

    async def join(self, payload: dict[str, Any]) -> dict[str, Any]:
        if "refuse" in payload:
            raise Refused("no", why=payload["refuse"])
        return payload

    @on("echo")
    async def echo(self, payload: Any) -> Any:
        return payload

    @on("say")
    async def say(self, payload: Any) -> None:
        await self.broadcast("said", {"said": payload})

    @on("slow")
    async def slow(self) -> Ok:
        await asyncio.sleep(4)
        return Ok({"slow": True})

    @on("number")
    async def number(self, payload: dict[str, int | float | list[int]]) -> Error:
        return Error({"size": len(payload)})

    @on("stop")
    async def stop(self) -> None:
        raise Stop

    @on("bytes")
    async def bytes_(self, payload: bytes) -> bytes:
        return payload


class Numbered(Channel[str]):
    """A channel whose topic has a number and a text."""

    number: int
    text: str


class Mirror(RawHandler[str]):
    """A raw socket that replies with a description of each message."""

    async def receive(self, message: str | bytes) -> str | bytes:
        return f"heard {message}" if isinstance(message, str) else message


async def connect(params: dict[str, Any]) -> str:
    """Accept every client that does not ask to be refused; some connects wait first."""
    if "slow" in params:
        await asyncio.sleep(3)
    if "refuse" in params:
        raise Refused("no", why=str(params["refuse"]))
    return str(params.get("name", ""))


def make_here(presence: Presence) -> type[Channel[str, Any]]:
    """Return a channel with presences."""

    class Here(Channel[str]):
        async def after_join(self) -> None:
            await presence.track(self, self.topic, {"at": 1})
            await presence.push_state(self)

        @on("at")
        async def at(self, payload: dict[str, Any]) -> None:
            await presence.track(self, str(payload.get("key")), payload)

    return Here


def make_endpoint() -> Endpoint:
    """Return an endpoint with all kinds of sockets, and small limits."""
    presence = Presence()
    channels: dict[str, type[Channel[str, Any]]] = {
        "room:*": Room,
        "n:{number}-{text}": Numbered,
        "here:*": make_here(presence),
    }
    small: dict[str, Any] = {
        "connect": connect,
        "max_frame_size": 20_000,
        "max_unsent": 50_000,
        "id": lambda name: name or None,
    }
    polled = LongPoll(window=5, max_body=20_000, max_buffer=20_000, max_sessions=50)
    rates = Rates(joins="3/10s", messages="10/10s", bytes="2k/second", close_after=5)
    return Endpoint(
        sockets={
            "/socket": Socket(
                channels=channels,
                longpoll=polled,
                compress=Deflate(),
                max_channels=5,
                refresh=refresh,
                auth_token=True,
                **small,
            ),
            "/rated": Socket(channels=channels, longpoll=polled, rates=rates, **small),
            "/readable": Socket(channels=channels, refusals="readable", **small),
            "/raw": RawSocket(handler=Mirror, **small),
        },
        presence=presence,
        limits=Limits(connections=20),
        health="/health",
        check_origin=["//honest.example"],
    )


async def refresh(token: str, _info: ConnectInfo) -> str:
    """Accept a token that is long enough."""
    if len(token) < 3:
        raise Refused("short")
    return token


async def take(request: Request) -> Response:
    """Read a body."""
    try:
        return PlainTextResponse(str(len(await request.body())))
    except ClientDisconnect:
        return PlainTextResponse("gone")


async def stream(_request: Request) -> Response:
    """Answer without end."""

    async def body() -> AsyncIterator[bytes]:
        for number in range(1000):
            yield b"%d\n" % number * 100
            await asyncio.sleep(0.1)

    return StreamingResponse(body())


class Visitor:
    """A client: the bytes that the server has not read, and the bytes that it has received.

    Attributes:
        transport: The server's end.
        received: All bytes of the server.
        has_ended: Whether the connection has ended.
    """

    def __init__(self, house: House, address: str) -> None:
        self.received = bytearray()
        self.has_ended = False
        self.transport = Wire(self, address)
        protocol = FirstProtocol(house.config, house.state, {}, asyncio.get_running_loop())
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)

    def take(self, data: bytes) -> None:
        """Take bytes of the server."""
        self.received += data

    def ended(self) -> None:
        """Learn that the connection has ended."""
        self.has_ended = True

    def vanish(self) -> None:
        """Drop the connection without a close."""
        if not self.has_ended:
            self.transport.lose(ConnectionResetError("the client vanished"))


class Wire(MemoryTransport):
    """A transport with an address, whose reading can be paused twice, as that of event loops."""

    def __init__(self, visitor: Visitor, address: str) -> None:
        super().__init__(visitor)
        self._address = (address, 50_000)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the addresses of the client and the server."""
        known = {"peername": self._address, "sockname": ("127.0.0.1", 4000)}
        return known.get(name, default)

    def pause_reading(self) -> None:
        """Pause the server's reading."""
        if self.is_reading_on:
            super().pause_reading()

    def resume_reading(self) -> None:
        """Give the server the waiting bytes."""
        if not self.is_reading_on:
            super().resume_reading()


class House:
    """The server, which is made once and used for one input after another.

    Args:
        is_mounted: Whether the endpoint is mounted in an application with its own routes.
    """

    def __init__(self, *, is_mounted: bool) -> None:
        self.loop = VirtualLoop()
        self.loop.set_exception_handler(self._failed)
        self.endpoint = make_endpoint()
        app: Any = self.endpoint
        if is_mounted:
            app = Starlette(
                routes=[
                    Route("/take", take, methods=["GET", "POST"]),
                    Route("/stream", stream),
                    Mount("/", self.endpoint),
                ]
            )
        self.config: uvicorn.Config = Config(
            app, http=FirstProtocol, log_config=None, access_log=True
        )
        self.config.load()
        self.state = ServerState()
        self._failures: list[Exception] = []
        self._log = _Log(self._failures)
        self._tasks: set[asyncio.Task[Any]] = set()
        self.loop.run_until_complete(self._begin())

    async def _begin(self) -> None:
        await self.endpoint.start()
        self.honest = Visitor(self, "10.0.0.9")
        self.honest.transport.feed(
            b"GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await settle()
        assert b" 101 " in self.honest.received
        self._tasks = asyncio.all_tasks() - {self._me()}

    def close(self) -> None:
        """Stop the server."""
        self.honest.vanish()
        self.loop.run_until_complete(self.endpoint.stop())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

    @staticmethod
    def _me() -> asyncio.Task[Any]:
        task = asyncio.current_task()
        assert task is not None
        return task

    # One input.

    def play(self, program: Any) -> Hashable:
        """Run a program, and check the server; return the outcome that its clients have seen.

        Args:
            program: A coroutine function that takes this object and returns its visitors.

        Raises:
            Exception: An error of the server, or an AssertionError about what is left.
        """
        self._failures.clear()
        with self._log:
            visitors = self.loop.run_until_complete(self._play(program))
        if self._failures:
            raise self._failures[0]
        return outcome_of(visitors)

    async def _play(self, program: Any) -> list[Visitor]:
        visitors: list[Visitor] = []
        try:
            await program(self, visitors)
            await settle()
            await self._beat()
        finally:
            for visitor in visitors:
                visitor.vanish()
            await self._until_nothing_is_left()
        return visitors

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, while the honest client sends its heartbeats."""
        while seconds > 0:
            await advance(min(seconds, STEP))
            await self._beat()
            seconds -= STEP

    async def _beat(self) -> None:
        """Send the honest client's heartbeat, which must be answered before any time passes."""
        self.honest.received.clear()
        self.honest.transport.feed(BEAT)
        await settle()
        assert not self.honest.has_ended, "the honest client was closed"
        assert b"phx_reply" in self.honest.received, "the honest client was not answered"

    async def _until_nothing_is_left(self) -> None:
        waited = 0.0
        await settle()
        while (left := self._left()) and waited < PATIENCE:
            await self.pass_time(STEP)
            waited += STEP
        assert not left, f"left behind: {left}"

    def _left(self) -> list[str]:
        """Return all that exists besides the honest client."""
        endpoint, me = self.endpoint, self._me()
        counts = {
            "connections": endpoint.connections - 1,
            "refused": len(server_of(endpoint).refused),
            "topics": len(topics_of(endpoint.pubsub)),
            "sessions": sessions_of(endpoint),
            "polls": polls_of(endpoint),
            "protocols": len(self.state.connections) - 1,
            "requests": len(self.state.tasks),
            "tasks": len([t for t in asyncio.all_tasks() - self._tasks if t is not me]),
        }
        return [f"{name}: {count}" for name, count in counts.items() if count]

    def _failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Record a call of the loop's exception handler: there must be none."""
        error = context.get("exception")
        self._failures.append(
            error if isinstance(error, Exception) else AssertionError(context["message"])
        )


LOGGERS: Final = ("bennu", "uvicorn", "uvicorn.access", "uvicorn.error", "asyncio")
"""Loggers whose lines are looked at. No other handler gets them: a test before may have configured uvicorn's, and pytest
would keep each record."""


class _Log(logging.Handler):
    """Gets all log lines while it is entered.

    Each line must be a single line, and no line can be an error.
    """

    def __init__(self, failures: list[Exception]) -> None:
        super().__init__(logging.DEBUG)
        self._failures = failures
        self._loggers = [logging.getLogger(name) for name in LOGGERS]
        self._before: list[tuple[int, bool, list[logging.Handler]]] = []
        self._hook: Any = None

    def __enter__(self) -> None:
        self._before = [(one.level, one.propagate, one.handlers) for one in self._loggers]
        for one in self._loggers:
            one.setLevel(logging.DEBUG)
            one.propagate = False
            one.handlers = [self]
        self._hook, sys.unraisablehook = sys.unraisablehook, self._unraisable

    def __exit__(self, *_: object) -> None:
        sys.unraisablehook = self._hook
        for one, (level, propagate, handlers) in zip(self._loggers, self._before, strict=True):
            one.setLevel(level)
            one.propagate = propagate
            one.handlers = handlers

    def emit(self, record: logging.LogRecord) -> None:
        """Check a record."""
        text = record.getMessage()
        if record.levelno >= logging.ERROR and not DOCUMENTED.match(text):
            error = record.exc_info[1] if record.exc_info else None
            self._failures.append(
                error if isinstance(error, Exception) else AssertionError(f"logged: {text}")
            )
        elif not text.isprintable():
            self._failures.append(AssertionError(f"a log line is not printable: {text!r}"))

    def _unraisable(self, args: Any) -> None:
        error = args.exc_value
        self._failures.append(error if isinstance(error, Exception) else AssertionError(repr(args)))
