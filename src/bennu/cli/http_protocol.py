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

from typing import Any
from urllib.parse import unquote

import httptools

from ..transports.upgrade import EXTENSION, Upgrade
from .application_call import ApplicationCall
from .limited_protocol import LimitedProtocol

__all__ = ["BennuProtocol"]

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
        self.connections.discard(self)
        open_connections: set[Any] = self.connections  # each has a shutdown()
        native = Upgrade(self.transport, early, open_connections)
        open_connections.add(native)
        self.transport.set_protocol(native)
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
        raw_path: bytes = url.path or b"/"
        path = raw_path.decode("ascii")
        scope: dict[str, Any] = dict(self.scope)
        offered: list[bytes] = []
        for name, value in scope["headers"]:
            if name == b"sec-websocket-protocol":
                offered.append(value)
            elif name in _BODY and value != b"0":
                raise ValueError("a request to upgrade has no body")
        scope.update(
            type="websocket",
            scheme="wss" if self.scheme == "https" else "ws",
            path=self.root_path + (unquote(path) if "%" in path else path),
            raw_path=self.root_path.encode("ascii") + raw_path,
            query_string=url.query or b"",
            subprotocols=[
                token.strip().decode("latin-1") for value in offered for token in value.split(b",")
            ],
            extensions={"websocket.http.response": {}},
        )
        return scope
