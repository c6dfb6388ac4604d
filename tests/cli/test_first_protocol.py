"""The first protocol of a socket: what it takes is what uvicorn's parser would have read, and all else goes to uvicorn."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest
from hypothesis import given, strategies as st
from uvicorn.server import ServerState

from bennu import Endpoint, Socket
from bennu.cli.config import Config
from bennu.cli.first_protocol import FirstProtocol
from bennu.cli.http_protocol import BennuProtocol
from bennu.server.request import Denied
from bennu.testing.clock import VirtualLoop, settle
from bennu.testing.memory_socket import MemoryTransport
from bennu.transports.upgrade import Upgrade
from tests.support.properties import property_test

from .memory import REQUEST, UPGRADE, Client

Seen = tuple[dict[str, Any], bytes] | bytes
"""The scope that an endpoint got and the bytes behind the head; or what the client got instead."""


class Recorder(Endpoint):
    """An endpoint that keeps each request, and denies it."""

    def __init__(self) -> None:
        super().__init__(sockets={"/socket": Socket(connect=lambda: None, channels={})})
        self.seen: list[tuple[dict[str, Any], bytes]] = []

    async def serve_native(self, scope: Any, native: Upgrade) -> None:
        """Keep the request."""
        known = {name: value for name, value in scope.items() if name != "extensions"}
        self.seen.append((known, native.hand_over()))
        native.deny(Denied(403))


class First(FirstProtocol):
    """The first protocol, which records whether it has taken a request."""

    took = True

    def hand_over(self, data: bytes) -> BennuProtocol:
        """Record that uvicorn's protocol gets the socket."""
        First.took = False
        return super().hand_over(data)


class Pair:
    """One server, whose sockets begin with either protocol."""

    def __init__(self, **options: Any) -> None:
        self.endpoint = Recorder()
        self.config = Config(
            self.endpoint, log_config=None, lifespan="off", interface="asgi3", **options
        )
        self.config.load()
        self.state = ServerState()
        self.runner = asyncio.Runner(loop_factory=VirtualLoop)

    def read(self, protocol: type[First | BennuProtocol], data: bytes) -> Seen:
        """Return the outcome of a client's first bytes."""
        return self.runner.run(self._read(protocol, data))

    async def _read(self, protocol: type[First | BennuProtocol], data: bytes) -> Seen:
        self.endpoint.seen.clear()
        First.took = True
        client = Client()
        transport = MemoryTransport(client)
        made = protocol(self.config, self.state, {"from": "lifespan"})
        transport.set_protocol(made)
        made.connection_made(transport)
        if data:
            transport.feed(data)
        await settle()
        seen: Seen = self.endpoint.seen[0] if self.endpoint.seen else client.got
        transport.lose(None)
        await settle()
        assert not self.state.connections
        return seen

    def compare(self, data: bytes) -> Seen:
        """Return the outcome of the bytes, which is the same with both protocols."""
        first = self.read(First, data)
        assert first == self.read(BennuProtocol, data)
        return first


@pytest.fixture(scope="module")
def pair() -> Any:
    """Return a server that has had its first connection, which is always uvicorn's."""
    made = Pair()
    made.read(First, b"")
    yield made
    made.runner.close()


def head(target: bytes = b"/socket/websocket", **more: bytes) -> bytes:
    """Return a request to upgrade, with these headers in addition or instead."""
    headers = {b"host": b"x", b"connection": b"Upgrade", b"upgrade": b"websocket"}
    headers |= {name.replace("_", "-").encode(): value for name, value in more.items()}
    lines = [name + b": " + value for name, value in headers.items()]
    return b"\r\n".join([b"GET " + target + b" HTTP/1.1", *lines, b"\r\n"])


TAKEN: Final = [
    UPGRADE,
    UPGRADE + b"\x81\x80early",
    head(b"/"),
    head(b"/a%20b%2Fc?x=%C3%A9&y=/?;:@"),
    head(connection=b"keep-alive, Upgrade", upgrade=b"WebSocket"),
    head(sec_websocket_protocol=b"phoenix, base64url.bearer.phx.abc", origin=b"http://x:4000"),
    head(user_agent=b'a  b (c; d) "e" {}|\\^`'),
]
LEFT: Final = [
    REQUEST,
    b"G",
    UPGRADE[:-1],
    UPGRADE.replace(b"GET", b"POST"),
    UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"),
    UPGRADE.replace(b"\r\n", b"\n"),
    UPGRADE.replace(b"Host: x", b"Host: x\r\nHost: y"),
    UPGRADE.replace(b"Host: x", b"Host: x\r\n folded"),
    UPGRADE.replace(b"Host: x", b"Host : x"),
    UPGRADE.replace(b"Host: x", b"Host: x "),
    UPGRADE.replace(b"Host: x", b"Host:"),
    UPGRADE.replace(b"Host: x", b"Host: \xc3\xa9"),
    UPGRADE.replace(b"Connection: Upgrade", b"Connection: close"),
    head(upgrade=b"h2c"),
    head(content_length=b"0"),
    head(content_length=b"5") + b"hello",
    head(transfer_encoding=b"chunked") + b"0\r\n\r\n",
    head(expect=b"100-continue"),
    head(b"//evil/socket"),
    head(b"http://x/socket"),
    head(b"*"),
    head(b"/a#b"),
    head(b"/\xff"),
]


@pytest.mark.parametrize("data", TAKEN)
def test_a_plain_request_is_taken_as_uvicorn_would_read_it(pair: Pair, data: bytes) -> None:
    assert isinstance(pair.compare(data), tuple)
    pair.read(First, data)
    assert First.took


@pytest.mark.parametrize("data", LEFT)
def test_all_else_is_left_to_uvicorn(pair: Pair, data: bytes) -> None:
    pair.compare(data)
    pair.read(First, data)
    assert not First.took


names = st.sampled_from(
    (
        b"Host Origin Cookie Connection Upgrade Content-Length X-Any x!y Sec-WebSocket-Key"
        b" Sec-WebSocket-Protocol Transfer-Encoding Trailer"
    ).split()
)
values = st.sampled_from([b"", b"0", b"Upgrade", b"websocket", b"chunked", b"a, b"]) | st.binary(
    max_size=12
)
targets = st.binary(max_size=12).map(lambda rest: b"/" + rest) | st.text(
    st.characters(min_codepoint=33, max_codepoint=126), max_size=20
).map(lambda text: b"/" + text.encode())
lines = st.lists(
    st.tuples(names, st.sampled_from([b": ", b":", b":  ", b" : "]), values), max_size=4
)


@property_test
@given(targets, lines, st.binary(max_size=8))
def test_no_head_is_read_in_another_way(
    pair: Pair, target: bytes, more: list[tuple[bytes, bytes, bytes]], behind: bytes
) -> None:
    """For any head, the scope of the endpoint or the answer to the client is the same."""
    extra = b"".join(name + colon + value + b"\r\n" for name, colon, value in more)
    pair.compare(head(target)[:-2] + extra + b"\r\n" + behind)


@property_test
@given(st.integers(0, len(UPGRADE) - 1), st.integers(0, len(UPGRADE)), st.binary(max_size=3))
def test_no_changed_head_is_read_in_another_way(
    pair: Pair, start: int, end: int, instead: bytes
) -> None:
    """A piece of a plain head is replaced."""
    pair.compare(UPGRADE[:start] + instead + UPGRADE[max(start, end) :])


def test_a_server_that_bounds_its_concurrency_decides_by_uvicorns_rule() -> None:
    pair = Pair(limit_concurrency=100)
    try:
        pair.read(First, b"")
        assert isinstance(pair.compare(UPGRADE), tuple)
        pair.read(First, UPGRADE)
        assert not First.took
    finally:
        pair.runner.close()
