"""The start and stop of an endpoint, under every kind of server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bennu import Channel, DefinitionError, Endpoint
from bennu.telemetry import SocketConnected
from bennu.testing.clock import settle

from .support.inside import server_of
from .support.memory import Over, both_transports, endpoint_of, ok, serve

Event = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]


class Room(Channel[Any]):
    """An ordinary channel."""


CHANNELS = {"room:*": Room}


def started(endpoint: Endpoint) -> bool:
    return endpoint.is_started


class Life:
    """A lifespan that records its calls."""

    def __init__(self, *, fails_at: str = "") -> None:
        self.events: list[str] = []
        self.fails_at = fails_at

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[dict[str, str]]:
        self._happened("begin")
        yield {"database": "open"}
        self._happened("end")

    def _happened(self, what: str) -> None:
        self.events.append(what)
        if what == self.fails_at:
            raise ZeroDivisionError(what)


# Start and stop.


async def test_start_enters_the_lifespan_and_stop_leaves_it() -> None:
    """The lifespan's value is the state. A second start or stop has no effect."""
    life = Life()
    endpoint = endpoint_of(CHANNELS, lifespan=life)
    assert not started(endpoint)
    assert endpoint.state is None
    await endpoint.stop()
    for _ in range(2):
        await endpoint.start()
        assert started(endpoint)
        assert endpoint.state == {"database": "open"}
    assert life.events == ["begin"]
    for _ in range(2):
        await endpoint.stop()
        assert not started(endpoint)
        assert endpoint.state is None
    assert life.events == ["begin", "end"]


async def test_starts_and_stops_at_the_same_time_happen_one_after_the_other() -> None:
    """A second start waits for the first one, and a start during a stop begins when the stop has ended."""
    life = Life()
    endpoint = endpoint_of(CHANNELS, lifespan=life)
    await asyncio.gather(endpoint.start(), endpoint.start())
    assert life.events == ["begin"]
    await asyncio.gather(endpoint.stop(), endpoint.start(), endpoint.start())
    assert started(endpoint)
    assert life.events == ["begin", "end", "begin"]
    await asyncio.gather(endpoint.stop(), endpoint.stop(), endpoint.start())
    await endpoint.stop()
    assert life.events == ["begin", "end"] * 3


async def test_a_lifespan_may_take_the_endpoint() -> None:
    """A lifespan can take the endpoint, to broadcast or to listen."""
    taken: list[Any] = []

    @asynccontextmanager
    async def lifespan(endpoint: Endpoint) -> AsyncIterator[None]:
        taken.append(endpoint)
        yield

    endpoint = endpoint_of(CHANNELS, lifespan=lifespan)
    await endpoint.start()
    assert taken == [endpoint]
    await endpoint.stop()


async def test_a_lifespan_that_is_no_context_manager_is_explained() -> None:
    """A lifespan that is no context manager is refused. The usual mistake is a forgotten decorator."""

    async def lifespan() -> AsyncIterator[None]:
        yield

    with pytest.raises(DefinitionError, match="asynccontextmanager"):
        endpoint_of(CHANNELS, lifespan=lifespan)

    async def undecorated() -> None: ...

    endpoint = endpoint_of(CHANNELS, lifespan=undecorated)
    with pytest.raises(DefinitionError, match="asynccontextmanager"):
        await endpoint.start()
    assert not started(endpoint)


async def test_it_counts_its_connections() -> None:
    """The endpoint counts the connections of this process."""
    async with serve(endpoint_of(CHANNELS)) as server:
        assert server.endpoint.connections == 0
        one, _ = await server.connect(), await server.connect(over="asgi")
        assert server.endpoint.connections == 2
        one.vanish()
        await settle()
        assert server.endpoint.connections == 1


def test_debug_comes_from_the_environment_unless_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``bennu run --reload`` sets the variable of ``debug``; the argument comes first."""
    monkeypatch.delenv("BENNU_DEBUG", raising=False)
    assert not server_of(Endpoint(sockets={})).debug
    monkeypatch.setenv("BENNU_DEBUG", "0")
    assert not server_of(Endpoint(sockets={})).debug
    monkeypatch.setenv("BENNU_DEBUG", "1")
    assert server_of(Endpoint(sockets={})).debug
    assert not server_of(Endpoint(sockets={}, debug=False)).debug


async def test_it_logs_only_if_somebody_reads_it(caplog: pytest.LogCaptureFixture) -> None:
    """The log handler is attached once at the start, and removed at the stop."""
    life = Life(fails_at="begin")
    endpoint = endpoint_of(CHANNELS, lifespan=life)
    with caplog.at_level(logging.INFO, "bennu"):
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await endpoint.start()
        life.fails_at = ""
        async with serve(endpoint) as server:
            await server.connect()
        connected = [text for text in caplog.messages if text.startswith("CONNECTED TO /socket")]
        assert len(connected) == 1
    assert not any(endpoint.telemetry.handlers.values())
    async with serve(endpoint):
        assert not endpoint.telemetry.handlers[SocketConnected]


# Under an ASGI server.


class ASGIServer:
    """The lifespan half of an ASGI server."""

    def __init__(self, app: App) -> None:
        self.sent: list[str] = []
        self.message = ""
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._app = app
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Send the startup, and wait until the application does nothing more."""
        self._events.put_nowait({"type": "lifespan.startup"})
        run: Any = self._app({"type": "lifespan", "asgi": {}}, self._events.get, self._send)
        self.task = asyncio.ensure_future(run)
        await settle()

    async def stop(self) -> None:
        """Send the shutdown; raise the application's exception."""
        assert self.task is not None
        self._events.put_nowait({"type": "lifespan.shutdown"})
        await self.task

    async def _send(self, event: Event) -> None:
        self.sent.append(event["type"].removeprefix("lifespan."))
        self.message = event.get("message", "")


async def test_it_starts_and_stops_with_its_server() -> None:
    """An endpoint that is served itself handles the lifespan scope."""
    life = Life()
    endpoint = endpoint_of(CHANNELS, lifespan=life)
    server = ASGIServer(endpoint)
    await server.start()
    assert started(endpoint)
    assert server.sent == ["startup.complete"]
    await server.stop()
    assert not started(endpoint)
    assert server.sent == ["startup.complete", "shutdown.complete"]
    assert life.events == ["begin", "end"]


async def test_a_start_that_fails_stops_its_server() -> None:
    """The server gets the reason of the failure, and the exception."""
    server = ASGIServer(endpoint_of(CHANNELS, lifespan=Life(fails_at="begin")))
    await server.start()
    assert server.sent == ["startup.failed"]
    assert server.message.endswith("ZeroDivisionError: begin")
    with pytest.raises(ZeroDivisionError):
        await server.stop()


async def test_the_lifespan_of_an_application_that_it_is_mounted_in() -> None:
    """The endpoint starts before the application and stops after it. The application's state is passed on."""
    ours, theirs = Life(), Life()
    endpoint = endpoint_of(CHANNELS, lifespan=ours)

    @asynccontextmanager
    async def inner(app: object) -> AsyncIterator[dict[str, str]]:
        assert app == "the application"
        assert started(endpoint)
        async with theirs() as state:
            yield state
        assert started(endpoint)

    async with endpoint.lifespan(inner)("the application") as state:
        assert state == {"database": "open"}
    assert not started(endpoint)
    assert ours.events == theirs.events == ["begin", "end"]


async def test_a_mounting_application_without_a_lifespan_of_its_own() -> None:
    """An application without a lifespan has no state to pass on."""
    endpoint = endpoint_of(CHANNELS)
    async with endpoint.lifespan()(None) as state:
        assert state is None
        assert started(endpoint)
    assert not started(endpoint)


async def test_the_endpoint_stops_even_if_the_application_fails() -> None:
    """The endpoint stops if the application's lifespan fails, at the start or at the end."""
    for fails_at in ("begin", "end"):
        endpoint = endpoint_of(CHANNELS)

        @asynccontextmanager
        async def inner(app: object, fails_at: str = fails_at) -> AsyncIterator[None]:
            async with Life(fails_at=fails_at)():
                yield

        with pytest.raises(ZeroDivisionError):
            async with endpoint.lifespan(inner)(None):
                assert started(endpoint)
        assert not started(endpoint)


# Around another application.


class Other:
    """Another ASGI application.

    Args:
        lifespan: What it does with a lifespan: it ``serves`` it, ``raises`` at once or after it has
            ``received`` the startup, ``returns``, ``fails`` at the startup or at the ``shutdown``.
    """

    def __init__(self, lifespan: str) -> None:
        self.lifespan = lifespan
        self.saw: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            self.saw.append(scope["path"])
            return
        if self.lifespan == "raises":
            raise ValueError("no lifespans here")
        if self.lifespan == "returns":
            return
        self.saw.append((await receive())["type"])
        if self.lifespan == "received":
            raise ValueError("no lifespans here")
        if self.lifespan == "fails":
            await send({"type": "lifespan.startup.failed", "message": "no database"})
            return
        await send({"type": "lifespan.startup.complete"})
        self.saw.append((await receive())["type"])
        if self.lifespan == "shutdown":
            raise ValueError("at the shutdown")
        await send({"type": "lifespan.shutdown.complete"})


@pytest.mark.parametrize("lifespan", ["serves", "raises", "received", "returns"])
async def test_it_starts_and_stops_around_a_wrapped_application(lifespan: str) -> None:
    """The wrapped application need not know lifespans: Django raises at once, others return."""
    endpoint = endpoint_of(CHANNELS)
    other = Other(lifespan)
    server = ASGIServer(endpoint.wrap(other))
    await server.start()
    assert started(endpoint)
    assert server.sent == ["startup.complete"]
    await settle()
    assert started(endpoint)
    await server.stop()
    assert not started(endpoint)
    assert server.sent == ["startup.complete", "shutdown.complete"]
    if lifespan == "serves":
        assert other.saw == ["lifespan.startup", "lifespan.shutdown"]


async def test_a_wrapped_application_that_can_not_start() -> None:
    """The application's failure is passed on, and the endpoint stops."""
    endpoint = endpoint_of(CHANNELS)
    server = ASGIServer(endpoint.wrap(Other("fails")))
    await server.start()
    assert server.sent == ["startup.failed"]
    assert server.message == "no database"
    assert not started(endpoint)


async def test_a_wrapped_application_that_fails_at_the_shutdown() -> None:
    """The server gets the application's error, and the endpoint stops."""
    endpoint = endpoint_of(CHANNELS)
    server = ASGIServer(endpoint.wrap(Other("shutdown")))
    await server.start()
    with pytest.raises(ValueError, match="at the shutdown"):
        await server.stop()
    assert not started(endpoint)


async def test_an_endpoint_that_can_not_start_around_another_application() -> None:
    """If the endpoint can't start, the wrapped application is not called."""
    other = Other("serves")
    life = Life(fails_at="begin")
    endpoint = endpoint_of(CHANNELS, lifespan=life)
    server = ASGIServer(endpoint.wrap(other))
    await server.start()
    assert server.sent == ["startup.failed"]
    assert server.message.endswith("ZeroDivisionError: begin")
    assert other.saw == []
    with pytest.raises(ZeroDivisionError):
        await server.stop()


async def test_wrapped_paths() -> None:
    """The endpoint answers its own paths, and the application all others."""
    endpoint = endpoint_of(CHANNELS)
    other = Other("serves")
    wrapped = endpoint.wrap(other)
    sent: list[Event] = []

    async def receive() -> Event:
        return {"type": "http.request", "body": b""}

    async def send(event: Event) -> None:
        sent.append(event)

    async with serve(endpoint):
        for path in ("/", "/socket", "/socket/websocket"):
            await wrapped(
                {"type": "http", "method": "GET", "path": path, "headers": []}, receive, send
            )
        assert other.saw == ["/", "/socket"]
        assert sent[0]["status"] == 400


# An endpoint without a start.


@both_transports
async def test_an_endpoint_that_nobody_started_starts_at_its_first_request(over: Over) -> None:
    """The endpoint starts at the first of several requests, and logs one warning."""
    life = Life()
    endpoint = endpoint_of(CHANNELS, lifespan=life)
    async with serve(endpoint, start=False) as server:
        clients = await asyncio.gather(*(server.connect(over=over) for _ in range(3)))
        server.logged("was not started", "endpoint.lifespan(", level=logging.WARNING)
        for client in clients:
            assert await client.join("room:1") == ok()
        assert life.events == ["begin"]
