"""The HTTP protocol of ``bennu run``: uvicorn's protocol, which gives WebSockets to Bennu.

Theory of operation
-------------------
uvicorn parses the request (:mod:`bennu.cli.limited_protocol`). At an upgrade, uvicorn would start its WebSocket protocol
on the same TCP connection, and parse the request again. Instead this protocol makes an
:class:`~bennu.transports.upgrade.Upgrade`, which takes its place, and puts it into ``scope["extensions"]``. Then the
application is called: see :mod:`bennu.cli.application_call`. An endpoint takes over the TCP connection when it accepts,
and the call ends. So middleware sees the connection end at accept.

If the application is itself an endpoint, the endpoint is called directly. ``--trusted-proxies`` and
``Endpoint(native=False)`` make an exception.

``tests/cli/test_uvicorn.py`` tests the parts of uvicorn that Bennu relies on. The version of uvicorn is pinned.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

import httptools

from ..transports.upgrade import EXTENSION, Upgrade
from .application_call import ApplicationCall
from .limited_protocol import LimitedProtocol

__all__ = ["BennuProtocol", "begin_upgrade", "websocket_scope"]

_BODY = frozenset((b"content-length", b"transfer-encoding"))


class BennuProtocol(LimitedProtocol):
    """uvicorn's HTTP protocol, with limits, and with Bennu's upgrades."""

    def _upgrade(self, early: bytes) -> None:
        try:
            scope = self._websocket_scope()
        except (httptools.HttpParserError, ValueError):
            self._refuse_malformed()
            return
        # The parser and the protocol refer to each other, and no HTTP is read any more. Without this line only the
        # garbage collector frees them, which was a tenth of the cost of a connect.
        self.parser: Any = None
        native = begin_upgrade(self, self.transport, early, self.connections)
        scope["extensions"][EXTENSION] = native
        call = ApplicationCall(self, native, scope)
        native.when_lost(call.lost)
        call.task = task = self.loop.create_task(call.run())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _websocket_scope(self) -> dict[str, Any]:
        """Return the scope of the request as the scope of a WebSocket.

        Raises:
            httptools.HttpParserError: The target is no URL.
            ValueError: The target is not ASCII. Or the request has a body: then the bytes after the head could be
                the body or frames.
        """
        url = httptools.parse_url(self.url)
        scope: dict[str, Any] = dict(self.scope)
        if any(name in _BODY and value != b"0" for name, value in scope["headers"]):
            raise ValueError("a request to upgrade has no body")
        return websocket_scope(
            scope, url.path or b"/", url.query or b"", is_secure=self.scheme == "https"
        )


def begin_upgrade(
    protocol: asyncio.Protocol, transport: Any, early: bytes, connections: set[Any]
) -> Upgrade:
    """Replace a protocol by an upgrade, which waits for the application.

    Args:
        protocol: The protocol that got the request.
        transport: The asyncio transport of both.
        early: Bytes that came after the request.
        connections: uvicorn's set of what it must shut down.
    """
    native = Upgrade(transport, early, connections)
    connections.discard(protocol)
    connections.add(native)
    transport.set_protocol(native)
    return native


def websocket_scope(
    scope: dict[str, Any], raw_path: bytes, query: bytes, *, is_secure: bool
) -> dict[str, Any]:
    """Complete a scope to that of a WebSocket, and return it.

    Args:
        scope: The keys that a scope for HTTP has too, with ``root_path`` and ``headers``.
        raw_path: The path of the request.
        query: The query string.
        is_secure: Whether the request came over TLS.

    Raises:
        ValueError: The path is not ASCII.
    """
    root: str = scope["root_path"]
    path = raw_path.decode("ascii")
    scope.update(
        type="websocket",
        scheme="wss" if is_secure else "ws",
        path=root + (unquote(path) if "%" in path else path),
        raw_path=root.encode("ascii") + raw_path,
        query_string=query,
        subprotocols=[
            part.strip().decode("latin-1")
            for name, value in scope["headers"]
            if name == b"sec-websocket-protocol"
            for part in value.split(b",")
        ],
        extensions={"websocket.http.response": {}},
    )
    return scope
