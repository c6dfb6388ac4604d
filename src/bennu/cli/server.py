"""The server of ``bennu run``: uvicorn, whose HTTP protocol hands the sockets of WebSockets to us.

Theory of operation
-------------------
uvicorn parses the request. At an upgrade, where it would start a WebSocket protocol of its own on the
same socket (and parse the request again), we put a :class:`~bennu.transports.native.NativeWebSocket`
there instead, and let the request walk through the application with that in ``scope["extensions"]``. An
endpoint that is reached takes the socket over when it accepts, and the walk ends there: middleware sees
the connection end at accept.

When the application is itself an endpoint, the walk is skipped, unless a proxy has put in a word about
the client's address, which uvicorn's own middleware knows how far to trust.

Before all that, the *head* of a request, its first line and headers, must come whole in a time and within a
size, neither of which uvicorn bounds: :mod:`bennu.cli.heads`. A client that exceeds one is answered 408, 414
or 431, and what it sends then is thrown away for a moment, so that it gets to read the answer.

An application may have other WebSocket routes. As soon as one of them calls ``receive`` or ``send``, the
socket goes to uvicorn's own WebSocket protocol, in the middle of the walk: :class:`_Detour`.

What this takes for granted of uvicorn is tested in ``tests/cli/test_uvicorn.py``; its version is pinned.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import unquote

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_client_addr, get_path_with_query_string
from uvicorn.server import ServerState

from .._runtime.excesses import Excesses
from ..endpoint import Endpoint
from ..reasons import Limit
from ..telemetry import Telemetry
from ..transports.handshake import Denied
from ..transports.native import EXTENSION, NativeWebSocket
from ..transports.proxied import PEER
from .heads import DEFAULT_BOUNDS, HeadBounds, Heads

__all__ = ["BennuProtocol", "Config"]

logger = logging.getLogger("bennu")
access_logger = logging.getLogger("uvicorn.access")

Event = MutableMapping[str, Any]


HEADS: Final = "bennu_heads"
"""Where among uvicorn's state of a server its table of heads is."""

COMMON: Final = "bennu_common"
"""Where there what all of uvicorn's protocols have in common is."""

OWN: Final = frozenset(("parser", "pipeline"))
"""What each of them has for itself from its beginning on."""

LINGER: Final = 1.0
"""Seconds in which a client that was refused may still send, and read why."""


class Config(uvicorn.Config):
    """uvicorn's configuration, and what is ours.

    Args:
        app: As uvicorn's; so are all others.
        head_bounds: What the head of a request may be.
    """

    def __init__(
        self, app: Any, *, head_bounds: HeadBounds = DEFAULT_BOUNDS, **options: Any
    ) -> None:
        super().__init__(app, **options)
        self.head_bounds = head_bounds


class _TooLarge(Exception):
    """A head that is complete, and too large: it was answered, and the parser must stop."""


class BennuProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, but for the bounds of heads and for upgrades to a WebSocket."""

    url = b""
    _heads: Heads
    _fed = 0
    """Bytes that came since something was complete: a head, or a piece of a body."""
    _is_refused = False
    _linger: asyncio.TimerHandle | None = None

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        # Most of what uvicorn sets here is the same for every connection of a server, but found anew each
        # time, loggers for example: so it is taken from the first one.
        kept: dict[str, Any] = server_state.__dict__
        common: dict[str, Any] | None = kept.get(COMMON)
        if common is None:
            super().__init__(config, server_state, app_state, _loop)
            kept[COMMON] = {name: one for name, one in vars(self).items() if name not in OWN}
            return
        vars(self).update(common)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.pipeline = deque()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, and expect a head."""
        super().connection_made(transport)
        heads: Heads | None = vars(self.server_state).get(HEADS)
        self._heads = self._make_heads() if heads is None else heads
        self._heads.expect(self)

    def _make_heads(self) -> Heads:
        """Return the table of this server, at its first connection."""
        config, app = self.config, self.config.app
        bounds = config.head_bounds if isinstance(config, Config) else DEFAULT_BOUNDS
        excesses = app._runtime.excesses if isinstance(app, Endpoint) else Excesses(Telemetry())
        heads = vars(self.server_state)[HEADS] = Heads(self.loop, bounds, excesses)
        return heads

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._heads.forget(self)
        if self._linger is not None:
            self._linger.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client; keep those that come behind a request to upgrade."""
        if self._is_refused:
            return
        if self.timeout_keep_alive_task is not None:
            self._heads.expect(self)  # though these bytes may be no more than an empty line
        self._unset_keepalive_if_required()
        self._fed += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, _TooLarge):
                return
            message = "Invalid HTTP request received."
            self.logger.warning(message)
            self.send_400_response(message)
            return
        if self._fed > self._heads.bounds.max_bytes:
            self._refuse_size()

    # The bounds of heads. uvicorn's parser calls these.

    def on_message_begin(self) -> None:
        """Expect the head that has just begun, if it is not expected already."""
        super().on_message_begin()
        self._heads.expect(self)

    def on_headers_complete(self) -> None:
        """Take a head that has come whole; its size is only counted if it can be too large."""
        self._heads.forget(self)
        bound = self._heads.bounds.max_bytes
        if self._fed > bound:
            size = sum(len(name) + len(value) + 4 for name, value in self.headers)
            if len(self.url) + size > bound:
                self._refuse_size()
                raise _TooLarge
        self._fed = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._fed = 0
        super().on_body(body)

    def head_is_late(self) -> None:
        """Refuse a client that takes too long, unless it waits for an answer itself."""
        if self._is_answering():
            self._heads.expect(self)
            return
        seconds = self._heads.bounds.timeout
        self._refuse(
            HTTPStatus.REQUEST_TIMEOUT,
            f"The head of a request must come within {seconds:g} seconds.",
            Limit.HANDSHAKE_TIME,
        )

    def _refuse_size(self) -> None:
        bound = self._heads.bounds.max_bytes
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        if len(self.url) > bound // 2:
            status = HTTPStatus.REQUEST_URI_TOO_LONG
        text = f"The head of a request has at most {bound} bytes."
        self._refuse(status, text, Limit.HANDSHAKE_BYTES)

    def _refuse(self, status: HTTPStatus, text: str, limit: Limit) -> None:
        """Answer and end, in a way that lets the client read the answer."""
        self._is_refused = True
        self._heads.forget(self)
        peer = self.client[0] if self.client else None
        self._heads.excesses.note(limit, self.loop.time(), peer)
        transport = self.transport
        if self._is_answering() or transport.is_closing():
            transport.close()
            return
        transport.write(
            f"HTTP/1.1 {status} {status.phrase}\r\nConnection: close\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(text)}\r\n\r\n"
            f"{text}".encode()
        )
        if not transport.can_write_eof():
            transport.close()
            return
        transport.write_eof()
        self._linger = self.loop.call_later(LINGER, transport.abort)

    def _is_answering(self) -> bool:
        """Whether the answer to an earlier request is under way."""
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete

    # Upgrades.

    def _parse(self, data: bytes) -> None:
        parser: Any = self.parser
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._should_upgrade():
                self._upgrade(data[upgrade.args[0] :])
            else:
                self._unsupported_upgrade_warning()

    def _upgrade(self, early: bytes) -> None:
        # The two hold each other, and nobody reads HTTP here any more: so they go now, and need not wait
        # for the garbage collector, which was a tenth of the cost of a connect.
        self.parser: Any = None
        scope = self._websocket_scope()
        self.connections.discard(self)
        open_connections: set[Any] = self.connections  # of whatever has a shutdown()
        native = NativeWebSocket(self.transport, early, open_connections)
        open_connections.add(native)
        self.transport.set_protocol(native)
        scope["extensions"][EXTENSION] = native
        detour = _Detour(self, native, scope)
        native.wait_for_application(detour)
        detour.task = task = self.loop.create_task(detour.walk())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _websocket_scope(self) -> dict[str, Any]:
        """Return the scope that was parsed for HTTP, as one of a WebSocket."""
        url = httptools.parse_url(self.url)
        raw_path: bytes = url.path or b"/"
        path = raw_path.decode("ascii")
        scope: dict[str, Any] = dict(self.scope)
        offered = [value for name, value in self.headers if name == b"sec-websocket-protocol"]
        scope[PEER] = self.client
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

    def __init__(
        self, server: BennuProtocol, native: NativeWebSocket, scope: dict[str, Any]
    ) -> None:
        self._server = server
        self._native = native
        self._scope = scope
        self._foreign: asyncio.Future[tuple[Any, Any]] | None = None
        self.task: asyncio.Task[None] | None = None

    def answered(self, status: int) -> None:
        """Write the line of the access log."""
        scope: Any = self._scope
        if self._server.access_log and access_logger.isEnabledFor(logging.INFO):
            access_logger.info(
                '%s - "%s %s HTTP/%s" %d',
                get_client_addr(scope),
                "GET",
                get_path_with_query_string(scope),
                scope["http_version"],
                status,
            )

    def lost(self) -> None:
        """Stop the walk of a client that has gone."""
        if self.task is not None:
            self.task.cancel()

    async def walk(self) -> None:
        """Have the application decide."""
        server, native, scope = self._server, self._native, self._scope
        app = server.config.app
        try:
            if isinstance(app, Endpoint) and app.native and not _is_proxied(scope):
                await app.serve_native_alone(scope, native)
            else:
                walk = cast("Any", server.app)  # pyright: ignore[reportUnknownMemberType]
                await walk(scope, self._receive, self._send)
        except Exception:
            if self._foreign is not None:
                raise  # uvicorn's own protocol answers and logs it
            logger.exception("Exception in the application at a request for a WebSocket")
            if not native.is_taken:
                native.deny(Denied(500, b"Internal Server Error"))
        else:
            if not native.is_taken:
                logger.error("The application returned without an answer to a WebSocket request")
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
        for name, value in server.headers:
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


def _is_proxied(scope: dict[str, Any]) -> bool:
    for name, _ in scope["headers"]:  # noqa: SIM110 - at every connect; any() costs twice as much
        if name.startswith(b"x-forwarded-"):
            return True
    return False
