"""Connections in memory: a WebSocket client, and an endpoint that can't tell the difference.

:class:`NativeWire` connects the client of the ``websockets`` library with Bennu's native transport, through a
:class:`~bennu.testing.memory_socket.MemoryTransport`. :class:`ASGIWire` plays the ASGI server: two queues, straight into
``endpoint(scope, receive, send)``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol
from urllib.parse import parse_qsl

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.extensions import ClientExtensionFactory
from websockets.frames import Frame as WebSocketFrame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from ..endpoint import Endpoint
from ..message import ABNORMAL
from ..transports.upgrade import EXTENSION, Upgrade
from .memory_socket import MemoryTransport
from .polling import Browser, LongPollWire

__all__ = [
    "ASGIWire",
    "AnyWire",
    "HandshakeRefused",
    "LongPollWire",
    "NativeWire",
    "Over",
    "Wire",
    "open_wire",
]

Over = Literal["native", "asgi", "longpoll"]


class HandshakeRefused(Exception):
    """The server answered the handshake with another status than 101."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body
        super().__init__(status, body)


class Wire(Protocol):
    """The client's end of a connection."""

    received: deque[str | bytes]
    """Messages that have arrived and were not read."""
    code: int | None
    """The code that the server closed with, or 1006 without a close frame; None while the connection is open."""
    reason: str
    """The reason of the close frame."""
    subprotocol: str | None

    def send(self, data: str | bytes) -> None:
        """Send a message: text, or binary."""
        ...

    def close(self, code: int = 1000) -> None:
        """Close with a close frame."""
        ...

    def vanish(self) -> None:
        """Drop the connection without a close frame."""
        ...

    def stop_reading(self) -> None:
        """Leave the server's bytes in its buffer."""
        ...

    def read_on(self) -> None:
        """Read these bytes, and later bytes."""
        ...


async def open_wire(
    endpoint: Endpoint,
    url: str,
    *,
    over: Over = "native",
    headers: Sequence[tuple[str, str]] = (),
    subprotocols: Sequence[str] = (),
    extensions: Sequence[ClientExtensionFactory] = (),
) -> AnyWire:
    """Connect to an endpoint.

    Args:
        endpoint: The endpoint.
        url: The path and query.
        over: The transport of Bennu.
        headers: More headers.
        subprotocols: The subprotocols to offer.
        extensions: The extensions to offer.

    Raises:
        HandshakeRefused: The answer's status was not 101.
    """
    if over == "longpoll":
        return await _open_longpoll(endpoint, url, headers)
    client = ClientProtocol(
        parse_uri(f"ws://localhost{url}"),
        subprotocols=[Subprotocol(one) for one in subprotocols] or None,
        extensions=list(extensions) or None,
        max_size=None,
    )
    request = client.connect()
    for name, value in headers:
        request.headers[name] = value
    client.send_request(request)
    client.data_to_send()
    path, _, query = request.path.partition("?")
    scope: dict[str, Any] = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in request.headers.raw_items()
        ],
        "client": ("127.0.0.1", 50000),
        "server": ("localhost", 80),
        "subprotocols": list(subprotocols),
        "extensions": {"websocket.http.response": {}},
    }
    if over == "asgi":
        asgi = ASGIWire()
        await asgi.open(endpoint, scope)
        return asgi
    native = NativeWire(client)
    await native.open(endpoint, scope)
    return native


async def _open_longpoll(
    endpoint: Endpoint, url: str, headers: Sequence[tuple[str, str]]
) -> LongPollWire:
    path, _, query = url.partition("?")
    path = path.replace("/websocket", "/longpoll")
    browser = Browser(endpoint, path=path, vsn=None, params=dict(parse_qsl(query)))
    wire = LongPollWire(browser, {name.lower(): value for name, value in headers})
    answer = await wire.open()
    status = answer.status if answer.http_status == 200 else answer.http_status
    if status != 410:
        raise HandshakeRefused(status, answer.content)
    return wire


class NativeWire:
    """A connection over Bennu's native transport.

    Attributes:
        raw: All bytes of the server, with the answer to the handshake.
    """

    def __init__(self, client: ClientProtocol) -> None:
        self.received: deque[str | bytes] = deque()
        self.pings: list[bytes] = []
        self.pongs: list[bytes] = []
        self.code: int | None = None
        self.reason = ""
        self.subprotocol: str | None = None
        self.raw = bytearray()
        self.transport = MemoryTransport(self)
        self._client = client
        self._response: Response | None = None

    async def open(self, endpoint: Endpoint, scope: Mapping[str, Any]) -> None:
        """Call the endpoint, as the server of ``bennu run`` does."""
        native = Upgrade(self.transport, b"", set())
        self.transport.set_protocol(native)
        await endpoint.serve_native({**scope, "extensions": {EXTENSION: native}}, native)
        failure = self._client.handshake_exc
        if isinstance(failure, InvalidStatus):
            raise HandshakeRefused(
                failure.response.status_code, bytes(failure.response.body or b"")
            )
        if failure is not None:
            raise failure
        self.subprotocol = self._client.subprotocol

    def send(self, data: str | bytes) -> None:
        """Send a message."""
        if isinstance(data, str):
            self._client.send_text(data.encode())
        else:
            self._client.send_binary(data)
        self._give()

    def ping(self, data: bytes = b"") -> None:
        """Send a ping."""
        self._client.send_ping(data)
        self._give()

    def pong(self, data: bytes = b"") -> None:
        """Send a pong without a ping."""
        self._client.send_pong(data)
        self._give()

    def close(self, code: int = 1000) -> None:
        """Send a close frame, unless the server has closed already."""
        if self._client.state is State.OPEN:
            self._client.send_close(code)
            self._give()

    def vanish(self) -> None:
        """Reset the connection."""
        self.transport.lose(ConnectionResetError("the client vanished"))

    def stop_reading(self) -> None:
        """Leave the server's bytes in the buffer."""
        self.transport.peer_reads = False

    def read_on(self) -> None:
        """Read these bytes."""
        self.transport.take()

    # Methods for the transport.

    def take(self, data: bytes) -> None:
        """Take bytes of the server."""
        self.raw += data
        self._client.receive_data(data)
        self._read_events()
        self._give()

    def ended(self) -> None:
        """Learn that the connection has ended."""
        self._client.receive_eof()
        self._read_events()
        if self.code is None:
            close = self._client.close_rcvd
            self.code = ABNORMAL if close is None else close.code
            self.reason = "" if close is None else close.reason

    def _read_events(self) -> None:
        for event in self._client.events_received():
            if not isinstance(event, WebSocketFrame):
                continue
            if event.opcode is Opcode.TEXT:
                self.received.append(bytes(event.data).decode())
            elif event.opcode is Opcode.BINARY:
                self.received.append(bytes(event.data))
            elif event.opcode is Opcode.PING:
                self.pings.append(bytes(event.data))
            elif event.opcode is Opcode.PONG:
                self.pongs.append(bytes(event.data))

    def _give(self) -> None:
        data = b"".join(self._client.data_to_send())
        if data:
            self.transport.feed(data)


class ASGIWire:
    """A connection over any ASGI server."""

    def __init__(self) -> None:
        self.received: deque[str | bytes] = deque()
        self.code: int | None = None
        self.reason = ""
        self.subprotocol: str | None = None
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._reads = asyncio.Event()
        self._reads.set()
        self._answered = asyncio.Event()
        self._status = 0
        self._body = b""
        self._is_gone = False
        self.task: asyncio.Task[None] | None = None

    async def open(self, endpoint: Endpoint, scope: Mapping[str, Any]) -> None:
        """Run the application, up to its answer."""
        self._incoming.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(endpoint(dict(scope), self._incoming.get, self._send))
        self.task.add_done_callback(lambda _: self._answered.set())
        await self._answered.wait()
        if self._status != 101:
            await self.task
            raise HandshakeRefused(self._status, self._body)

    def send(self, data: str | bytes) -> None:
        """Send a message."""
        key = "text" if isinstance(data, str) else "bytes"
        self._incoming.put_nowait({"type": "websocket.receive", key: data})

    def close(self, code: int = 1000) -> None:
        """Close; the ASGI server itself answers the close frame."""
        self._disconnect(code)

    def vanish(self) -> None:
        """Drop the connection: each later send of the application fails."""
        self._is_gone = True
        self._reads.set()
        self._disconnect(ABNORMAL)

    def stop_reading(self) -> None:
        """Block the application's ``send``."""
        self._reads.clear()

    def read_on(self) -> None:
        """Unblock the application's ``send``."""
        self._reads.set()

    def _disconnect(self, code: int) -> None:
        if self.code is None:
            self.code = code
            self._incoming.put_nowait({"type": "websocket.disconnect", "code": code})

    async def _send(self, event: Any) -> None:
        await self._reads.wait()
        kind = event["type"]
        if self._is_gone:
            raise OSError("the client has gone away")
        if kind == "websocket.accept":
            self.subprotocol = event.get("subprotocol")
            self._status = 101
            self._answered.set()
        elif kind == "websocket.send":
            text = event.get("text")
            self.received.append(event["bytes"] if text is None else text)
        elif kind == "websocket.close":
            if not self._status:
                self._status = 403  # each server answers a close before the accept so
                self._answered.set()
            self.reason = event.get("reason", "")
            self._disconnect(event.get("code", 1000))
        elif kind == "websocket.http.response.start":
            self._status = event["status"]
        elif kind == "websocket.http.response.body":
            self._body += event.get("body", b"")
        else:
            raise AssertionError(f"no such ASGI event: {event!r}")


AnyWire = ASGIWire | NativeWire | LongPollWire
