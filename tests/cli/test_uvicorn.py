"""The parts of uvicorn that ``bennu.cli`` relies on beyond its documentation.

Our server replaces one step of uvicorn's HTTP protocol and one step of its server. If a new uvicorn breaks these
parts, these tests fail first, and the pin in ``pyproject.toml`` stays.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import signal
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from packaging.requirements import Requirement
from uvicorn.config import LOG_LEVELS, LOGGING_CONFIG
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_client_addr, get_path_with_query_string
from uvicorn.server import ServerState

from bennu.cli.http_protocol import BennuProtocol
from bennu.cli.limited_protocol import OWN, LimitedProtocol
from bennu.cli.log_format import log_config
from bennu.testing.memory_socket import MemoryTransport
from tests.support.raw import ask, open_raw
from tests.support.servers import Server, serve

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def config(app: Any = None) -> uvicorn.Config:
    """Return a loaded configuration with our protocol."""
    made = uvicorn.Config(app or echo_scope, http=BennuProtocol, log_config=None, lifespan="off")
    made.load()
    return made


async def echo_scope(scope: Any, receive: Any, send: Any) -> None:
    """Answer every request with 200."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["type"].encode()})


def test_the_version_is_one_that_is_pinned() -> None:
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    (pin,) = [
        requirement
        for requirement in map(Requirement, project["dependencies"])
        if requirement.name == "uvicorn"
    ]
    assert pin.specifier.contains(version("uvicorn"))
    assert any(specifier.operator == "<" for specifier in pin.specifier)


class Peer:
    """A client that only receives."""

    def take(self, data: bytes) -> None:
        """Record the bytes that the server wrote."""

    def ended(self) -> None:
        """Record the end of the connection."""


async def test_the_http_protocol_has_what_we_use() -> None:
    """The attributes exist once a request has been parsed."""
    state = ServerState()
    protocol = HttpToolsProtocol(config=config(), server_state=state, app_state={"a": 1})
    transport = MemoryTransport(Peer())
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    assert protocol in state.connections
    protocol.data_received(b"GET /a%20b?c=d HTTP/1.1\r\nHost: x\r\nX-One: 1\r\n\r\n")
    assert protocol.url == b"/a%20b?c=d"
    assert protocol.headers == [(b"host", b"x"), (b"x-one", b"1")]
    assert protocol.transport is transport
    assert protocol.connections is state.connections
    assert protocol.server_state is state
    assert vars(state) is not None  # where more may be kept
    assert protocol.tasks is state.tasks
    assert protocol.app_state == {"a": 1}
    assert protocol.scope["method"] == "GET"
    assert protocol.scope["headers"] is protocol.headers
    assert protocol.scope["http_version"] == "1.1"
    assert protocol.scheme == "http"
    assert protocol.root_path == ""
    assert isinstance(protocol.access_log, bool)
    assert protocol.loop is asyncio.get_running_loop()
    for name in (
        "_unset_keepalive_if_required",
        "_should_upgrade",
    ):
        assert callable(getattr(protocol, name))
    await asyncio.wait(set(state.tasks))
    transport.lose(None)


def test_we_replace_two_methods_of_the_http_protocol() -> None:
    """Our versions do what uvicorn's do: begin; and parse, answer 400, or upgrade.

    Other methods of ours check limits, and then call uvicorn's.
    """
    ours = {**vars(LimitedProtocol), **vars(BennuProtocol)}
    own = {name for name, value in ours.items() if inspect.isfunction(value)}
    shared = own & set(dir(HttpToolsProtocol))
    added = {
        "__init__",
        "connection_lost",
        "on_message_begin",
        "on_headers_complete",
        "on_body",
        "on_message_complete",
        "on_response_complete",
        "_start_asgi_task",
        "_should_upgrade",
    }
    assert shared == {"connection_made", "data_received", *added}
    for name in added:
        assert f"super().{name}(" in inspect.getsource(getattr(BennuProtocol, name))
    source = inspect.getsource(HttpToolsProtocol.data_received)
    for part in (
        "self._unset_keepalive_if_required()",
        "self.parser.feed_data(data)",
        "except httptools.HttpParserError:",
        "self.send_400_response(",
        "except httptools.HttpParserUpgrade:",
        "if self._should_upgrade():",
        "self._unsupported_upgrade_warning()",
    ):
        assert part in source


@pytest.mark.parametrize("family", ["IPv4", "IPv6", "Unix"])
async def test_a_connection_begins_as_uvicorns_does(family: str, tmp_path: Path) -> None:
    """It has the same addresses, without asking the system."""
    made, theirs, ours = config(), ServerState(), ServerState()
    pairs: asyncio.Queue[tuple[Any, Any]] = asyncio.Queue()

    class Both(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            pair = (HttpToolsProtocol(made, theirs, {}), BennuProtocol(made, ours, {}))
            for protocol in pair:
                protocol.connection_made(transport)
            pairs.put_nowait(pair)

    loop = asyncio.get_running_loop()
    path = str(tmp_path / "socket")
    if family == "Unix":
        server: Any = await loop.create_unix_server(Both, path)
        _, writer = await asyncio.open_unix_connection(path)
    else:
        server = await loop.create_server(Both, "127.0.0.1" if family == "IPv4" else "::1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    wanted, got = await pairs.get()
    # All that uvicorn sets there.
    source = inspect.getsource(HttpToolsProtocol.connection_made)
    names = set(re.findall(r"self\.(\w+) = ", source))
    assert names == {"transport", "flow", "server", "client", "scheme"}
    for name in names - {"flow"}:
        assert getattr(got, name) == getattr(wanted, name), name
    assert type(got.flow) is type(wanted.flow)
    assert (got.client is None) == (family == "Unix")
    assert got.server == (path, None) or got.server[1] > 0
    assert wanted in theirs.connections
    assert got in ours.connections
    writer.close()
    server.close()


async def test_a_protocol_begins_as_uvicorns_does() -> None:
    """The attributes that are copied, and the attributes that are not shared, equal uvicorn's."""
    made, state, app_state = config(), ServerState(), {"pool": 1}
    wanted = vars(HttpToolsProtocol(made, state, app_state))
    first, second = (BennuProtocol(made, state, app_state) for _ in range(2))
    assert "lenient_data_after_close=True" in inspect.getsource(HttpToolsProtocol.__init__)
    for got in (vars(first), vars(second)):
        assert got.keys() == wanted.keys()
        for name in got.keys() - OWN:
            assert got[name] == wanted[name], name
        assert got["pipeline"] == wanted["pipeline"]
        assert type(got["parser"]) is type(wanted["parser"])
    for name in OWN:
        assert getattr(first, name) is not getattr(second, name)


async def test_the_websocket_protocol_is_one_that_can_be_fed() -> None:
    """It accepts a request as bytes, and calls its ``app`` once in a task of the server."""
    made = config()
    state = ServerState()
    make: Callable[..., Any] = made.ws_protocol_class  # type: ignore[assignment]
    protocol = make(config=made, server_state=state, app_state={})
    calls: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        calls.append((scope["type"], await receive()))
        await send({"type": "websocket.close"})

    protocol.app = app
    transport = MemoryTransport(Peer())
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    protocol.data_received(
        b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
    )
    (task,) = state.tasks
    await task
    assert calls == [("websocket", {"type": "websocket.connect"})]
    transport.lose(None)


async def test_a_websocket_protocol_that_refuses_starts_no_task() -> None:
    made = config()
    state = ServerState()
    make: Callable[..., Any] = made.ws_protocol_class  # type: ignore[assignment]
    protocol = make(config=made, server_state=state, app_state={})
    transport = MemoryTransport(Peer())
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    protocol.data_received(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert not state.tasks
    assert transport.is_closing()
    transport.lose(None)


async def test_a_server_closes_whatever_is_among_its_connections() -> None:
    """It calls ``shutdown()``, and waits until the connections have ended."""

    class Connection:
        def shutdown(self) -> None:
            running.connections.discard(self)
            closed.append(self)

    closed: list[Connection] = []
    running: Server
    async with serve("native", echo_scope) as running:
        connection = Connection()
        running.connections.add(connection)
        assert (await ask(running, "/", {"Upgrade": None})).status == 200
    assert closed == [connection]


async def test_a_connection_stays_among_them_until_it_is_lost() -> None:
    async with serve("native", echo_scope) as server, open_raw(server) as client:
        client.request("/", {"Upgrade": None, "Connection": "close"})
        assert (await client.response()).status == 200
        await client.end()
        assert not server.connections


def test_the_application_is_found_both_plain_and_loaded() -> None:
    made = config(echo_scope)
    assert made.app is echo_scope
    assert callable(made.loaded_app)
    assert made.loaded_app is not echo_scope  # uvicorn's own middleware, which knows proxies


def test_signals_are_kept_until_the_server_has_stopped() -> None:
    """Then uvicorn raises them again, which we prevent: a stop by a signal is no failure."""
    server = uvicorn.Server(config())
    caught: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: caught.append(number))
    try:
        with server.capture_signals():
            signal.raise_signal(signal.SIGTERM)
            assert server.should_exit
            assert server._captured_signals == [signal.SIGTERM]
        assert caught == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_a_server_shuts_down_within_a_time_of_ours() -> None:
    """The order is listener, connections, tasks, lifespan. The time is read when the shutdown begins."""
    source = inspect.getsource(uvicorn.Server.shutdown)
    parts = (
        "server.close()",
        "connection.shutdown()",
        "timeout=self.config.timeout_graceful_shutdown",
        "await self.lifespan.shutdown()",
    )
    places = [source.index(part) for part in parts]
    assert places == sorted(places)


def test_a_server_is_told_to_exit_by_its_signal_handler() -> None:
    """The main loop checks the attribute that the handler sets."""
    server = uvicorn.Server(config())
    server.handle_exit(signal.SIGTERM, None)
    assert server.should_exit
    assert not server.force_exit
    assert server._captured_signals == [signal.SIGTERM]


def test_a_configuration_that_reloads_says_so() -> None:
    """It must name its application, to import it anew."""
    assert uvicorn.Config("app:endpoint", reload=True).should_reload
    assert not uvicorn.Config(echo_scope).should_reload


def test_the_access_log_has_its_helpers() -> None:
    scope: Any = {"client": ("127.0.0.1", 1), "path": "/a b", "query_string": b"c=d"}
    assert get_client_addr(scope) == "127.0.0.1:1"
    assert get_path_with_query_string(scope) == "/a%20b?c=d"


@pytest.mark.parametrize("level", ["critical", "error", "warning", "info", "debug", "trace"])
def test_the_log_configuration_takes_our_logger_in(level: str) -> None:
    """Our logger has the handler of uvicorn's loggers. The original configuration is unchanged."""
    made = log_config(level)
    assert made["loggers"]["bennu"]["level"] == LOG_LEVELS[level]
    assert set(made["loggers"]["bennu"]["handlers"]) <= set(made["handlers"])
    assert "bennu" not in LOGGING_CONFIG["loggers"]
    assert {"uvicorn", "uvicorn.access"} <= set(made["loggers"])
