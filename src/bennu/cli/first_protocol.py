"""The first protocol of each TCP connection of ``bennu run``: it takes usual requests to upgrade, and leaves others to uvicorn.

Theory of operation
-------------------
The head of a request for a WebSocket nearly always arrives whole, in one read, and has the same form whatever the
client is. One pattern takes such a head apart. The request then goes to the endpoint, and nothing of uvicorn's is made
for it: that was a seventh of the cost of a connect. This holds for an application that is an endpoint. Any other
application gets all its requests from uvicorn.

The pattern accepts less than HTTP. It does not match another method or version, a head in two pieces, a line that is
folded, or a byte that is not ASCII. A head that repeats a header, names a body or asks for anything but a WebSocket is
left alone too. Then the bytes go unchanged to :class:`~bennu.cli.http_protocol.BennuProtocol`, which takes over
and judges them. So whatever this protocol takes, uvicorn's parser would have read in the same way:
``tests/cli/test_first_protocol.py`` compares the two.

The deadline of the head belongs to the TCP connection, so the next protocol inherits it.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import uvicorn
from uvicorn.server import ServerState

from ..transports.proxied import PEER
from ..transports.upgrade import EXTENSION
from .addresses import address_of, client_of
from .application_call import endpoint_of, serve_endpoint
from .http_protocol import BennuProtocol, begin_upgrade, websocket_scope
from .limited_protocol import LIMITS
from .request_limits import RequestLimits

__all__ = ["FirstProtocol"]

HEAD: Final = re.compile(
    rb"GET (/(?!/)[!$-;=@-Z_a-z~]*+)(?:\?([!$-;=?-Z_a-z~]*+))? HTTP/1\.1\r\n"
    rb"((?:[0-9A-Za-z-]++: ?[!-~][ -~]*+\r\n)++)\r\n"
).match
"""Matches the head of a plain request: its path, its query, and its headers. All quantifiers are possessive, so that
the match takes linear time."""

NOT_PLAIN: Final = frozenset((b"content-length", b"transfer-encoding", b"expect", b"trailer"))
"""Headers of requests that are not taken."""

UPGRADE: Final = b"websocket"


class FirstProtocol(asyncio.Protocol):
    """A TCP connection on which nothing was received. The parameters are those of uvicorn's protocols."""

    __slots__ = (
        "_app_state",
        "_config",
        "_connections",
        "_limits",
        "_loop",
        "_state",
        "_transport",
    )

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config = config
        self._state = server_state
        self._connections: set[Any] = server_state.connections  # each has a shutdown()
        self._app_state = app_state
        self._loop = _loop
        self._limits: RequestLimits | None = None
        self._transport: Any = None

    # What the event loop and the server call.

    def connection_made(self, transport: Any) -> None:
        """Expect a head. The first connection of a server goes to uvicorn's protocol, which makes the limits."""
        self._transport = transport
        self._limits = limits = self._state.__dict__.get(LIMITS)
        if limits is None:
            self.hand_over(b"")
            return
        self._connections.add(self)
        limits.head_deadlines.expect(transport)

    def data_received(self, data: bytes) -> None:
        """Take a plain request to upgrade; give everything else to uvicorn's protocol."""
        limits, endpoint = self._limits, endpoint_of(self._config)
        if limits is None or endpoint is None or len(data) > limits.max_bytes:
            self.hand_over(data)
            return
        found = HEAD(data)
        headers = None if found is None else _headers_of(found[3])
        if found is None or headers is None or self._config.limit_concurrency is not None:
            self.hand_over(data)
            return
        state, transport = self._state, self._transport
        limits.head_deadlines.forget(transport)
        native = begin_upgrade(self, transport, data[found.end() :], self._connections)
        scope = self._scope_of(found[1], found[2] or b"", headers)
        scope["extensions"][EXTENSION] = native
        log = limits.telemetry.log
        loop = self._loop or asyncio.get_running_loop()
        task = loop.create_task(serve_endpoint(endpoint, scope, native, log))
        native.when_lost(task.cancel)
        state.tasks.add(task)
        task.add_done_callback(state.tasks.discard)

    def eof_received(self) -> None:
        """Let the transport close: the client has sent nothing."""

    def connection_lost(self, exc: Exception | None) -> None:
        """End: the client has gone, and has sent nothing."""
        self._forget()

    def head_is_late(self) -> None:
        """Refuse the client, as uvicorn's protocol does."""
        self.hand_over(b"").head_is_late()

    def shutdown(self) -> None:
        """Close because the server stops."""
        self._transport.close()

    # Both ways on.

    def hand_over(self, data: bytes) -> BennuProtocol:
        """Give the TCP connection to uvicorn's protocol, with the bytes that have arrived."""
        self._connections.discard(self)
        protocol = BennuProtocol(self._config, self._state, self._app_state, self._loop)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if data:
            protocol.data_received(data)
        return protocol

    def _forget(self) -> None:
        self._connections.discard(self)
        if self._limits is not None:
            self._limits.head_deadlines.forget(self._transport)

    def _scope_of(
        self, raw_path: bytes, query: bytes, headers: list[tuple[bytes, bytes]]
    ) -> dict[str, Any]:
        """Return the scope that uvicorn's protocol would make of the request."""
        transport = self._transport
        client = client_of(transport)
        scope = {
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": address_of(transport.get_extra_info("sockname")),
            "client": client,
            "method": "GET",
            "root_path": self._config.root_path,
            "headers": headers,
            "state": self._app_state.copy(),
            PEER: client,
        }
        is_secure = transport.get_extra_info("sslcontext") is not None
        return websocket_scope(scope, raw_path, query, is_secure=is_secure)


def _headers_of(lines: bytes) -> list[tuple[bytes, bytes]] | None:
    """Return the headers of a request that asks for a WebSocket and nothing else, or None."""
    headers: list[tuple[bytes, bytes]] = []
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        if value.endswith(b" "):  # parsers differ in what they do with it
            return None
        headers.append((name.lower(), value.lstrip(b" ")))
    table = dict(headers)
    if len(table) != len(headers) or not NOT_PLAIN.isdisjoint(table):
        return None
    if table.get(b"upgrade", b"").lower() != UPGRADE:
        return None
    tokens = table.get(b"connection", b"").lower().split(b",")
    return headers if b"upgrade" in [token.strip() for token in tokens] else None
