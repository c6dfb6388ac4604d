"""The server of ``bennu run``: uvicorn, whose HTTP protocol hands the sockets of WebSockets to us.

Theory of operation
-------------------
uvicorn parses the request. At an upgrade, where it would start a WebSocket protocol of its own on the
same socket (and parse the request again), we put a :class:`~bennu.transports.upgrade.Upgrade`
there instead, and let the request walk through the application with that in ``scope["extensions"]``. An
endpoint that is reached takes the socket over when it accepts, and the walk ends there: middleware sees
the connection end at accept.

When the application is itself an endpoint, the walk is skipped, unless ``--trusted-proxies`` stands in front
of it.

What a client may send before is bounded by :mod:`bennu.cli.bounded`.

An application may have other WebSocket routes. As soon as one of them calls ``receive`` or ``send``, the
socket goes to uvicorn's own WebSocket protocol, in the middle of the walk: :class:`_Detour`.

What this takes for granted of uvicorn is tested in ``tests/cli/test_uvicorn.py``; its version is pinned.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any, cast
from urllib.parse import unquote

import httptools

from ..endpoint import Endpoint
from ..server.request import Denied
from ..transports.upgrade import EXTENSION, Upgrade
from .bounded import BoundedProtocol, Config

__all__ = ["BennuProtocol", "Config"]

Event = MutableMapping[str, Any]

_BODY = frozenset((b"content-length", b"transfer-encoding"))


class BennuProtocol(BoundedProtocol):
    """uvicorn's HTTP protocol, but for its bounds and for upgrades to a WebSocket."""

    def _upgrade(self, early: bytes) -> None:
        try:
            scope = self._websocket_scope()
        except (httptools.HttpParserError, ValueError):
            self._refuse_malformed()
            return
        # The two hold each other, and nobody reads HTTP here any more: so they go now, and need not wait
        # for the garbage collector, which was a tenth of the cost of a connect.
        self.parser: Any = None
        self.connections.discard(self)
        open_connections: set[Any] = self.connections  # of whatever has a shutdown()
        native = Upgrade(self.transport, early, open_connections)
        open_connections.add(native)
        self.transport.set_protocol(native)
        scope["extensions"][EXTENSION] = native
        detour = _Detour(self, native, scope)
        native.when_lost(detour.lost)
        detour.task = task = self.loop.create_task(detour.walk())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _websocket_scope(self) -> dict[str, Any]:
        """Return the scope that was parsed for HTTP, as one of a WebSocket.

        Raises:
            httptools.HttpParserError: The target is no URL.
            ValueError: The target is not ASCII, or the request has a body: nobody could say whether what
                comes behind the head are frames.
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


class _Detour:
    """The walk of one request to upgrade through the application.

    Args:
        server: uvicorn's protocol, for what it was configured with.
        native: The socket.
        scope: The request.
    """

    def __init__(self, server: BennuProtocol, native: Upgrade, scope: dict[str, Any]) -> None:
        self._server = server
        self._native = native
        self._scope = scope
        self._foreign: asyncio.Future[tuple[Any, Any]] | None = None
        self.task: asyncio.Task[None] | None = None

    def lost(self) -> None:
        """Stop the walk of a client that has gone."""
        if self.task is not None:
            self.task.cancel()

    async def walk(self) -> None:
        """Have the application decide."""
        server, native, scope = self._server, self._native, self._scope
        app = server.config.app
        try:
            if isinstance(app, Endpoint) and app.native and not _has_proxies(server.config):
                await app.serve_native(scope, native)
            else:
                walk = cast("Any", server.app)  # pyright: ignore[reportUnknownMemberType]
                await walk(scope, self._receive, self._send)
        except Exception:
            if self._foreign is not None:
                raise  # uvicorn's own protocol answers and logs it
            self._server.log.exception("Exception in the application at a request for a WebSocket")
            if not native.is_taken:
                native.deny(Denied(500, b"Internal Server Error"))
        else:
            if not native.is_taken:
                self._server.log.error(
                    "The application returned without an answer to a WebSocket request"
                )
                native.deny(Denied(500, b"Internal Server Error"))

    async def _receive(self) -> Event:
        if self._is_over:
            return {"type": "websocket.disconnect", "code": 1005, "reason": ""}
        receive, _ = await self._to_uvicorn()
        event: Event = await receive()
        return event

    async def _send(self, event: Event) -> None:
        if self._is_over:
            return
        _, send = await self._to_uvicorn()
        await send(event)

    @property
    def _is_over(self) -> bool:
        """Whether the connection is an endpoint's by now, or gone: over, as the application sees it."""
        return self._foreign is None and self._native.is_taken

    async def _to_uvicorn(self) -> tuple[Any, Any]:
        """Give the socket to uvicorn's WebSocket protocol; return its receive and send."""
        if self._foreign is None:
            self._foreign = asyncio.get_running_loop().create_future()
            self._start_uvicorn()
        return await self._foreign

    def _start_uvicorn(self) -> None:
        server = self._server
        early = self._native.hand_over()
        make_protocol: Any = server.ws_protocol_class
        protocol = make_protocol(
            config=server.config,
            server_state=server.server_state,
            app_state=server.app_state,
        )
        protocol.app = self._instead_of_application
        protocol.connection_made(server.transport)
        server.transport.set_protocol(protocol)
        lines = [server.scope["method"].encode(), b" ", server.url, b" HTTP/1.1\r\n"]
        for name, value in server.scope["headers"]:
            lines += [name, b": ", value, b"\r\n"]
        tasks = len(server.tasks)
        protocol.data_received(b"".join([*lines, b"\r\n", early]))
        if len(server.tasks) == tasks and self.task is not None:
            self.task.cancel()  # it has refused the upgrade, and will not call the application

    async def _instead_of_application(self, scope: Any, receive: Any, send: Any) -> None:
        """Stand where uvicorn calls the application: ours is on its way already."""
        del scope
        if self._foreign is not None and not self._foreign.done():
            self._foreign.set_result((receive, send))
        if self.task is not None:
            await asyncio.shield(self.task)


def _has_proxies(config: Any) -> bool:
    return isinstance(config, Config) and config.trusted_proxies is not None
