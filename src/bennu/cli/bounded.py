"""uvicorn's HTTP protocol, with a bound for whatever a client can make large or slow.

Theory of operation
-------------------
- The *head* of a request, its first line and headers, must come whole in a time and within a size; so must
  chunk extensions and trailers, which count like a head. Trailers never become headers of the request.
- A *body* must make progress: at least :data:`MIN_RATE` bytes a second over each body timeout, unless the
  application has stopped reading. The rest of a body that nobody reads, since its request is answered already,
  has the keep-alive time and no more: it is thrown away, and the socket is not reset before the client can read
  the answer.
- *Pipelined* requests: what a client sends behind a request that still waits for its turn is kept as bytes, and
  read on when the turn has come. To that end bytes are fed to the parser in small pieces. An upgrade behind a
  response that is under way is refused: the response would lose its flow control with the socket.
- When the client goes away, every request of it learns that; uvicorn tells the last one only.

A client that exceeds a bound is answered 408, 414 or 431, and what it sends then is thrown away for a moment, so
that it gets to read the answer. If the answer to an earlier request is under way, that is cut off instead.
"""

from __future__ import annotations

import asyncio
import os
from abc import abstractmethod
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast

import httptools
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from ..endpoint import Endpoint
from ..logs.log import Log
from ..protocol.proxies import TrustedProxies
from ..reasons import Limit
from ..telemetry import Telemetry
from ..transports.proxied import PEER, Proxied
from .access import hide_queries
from .head_limits import DEFAULT_BODY_TIMEOUT, DEFAULT_BOUNDS, Deadlines, HeadBounds

__all__ = ["LINGER", "OWN", "BoundedProtocol", "Config"]

BOUNDS: Final = "bennu_bounds"
"""Where among uvicorn's state of a server its bounds are."""

COMMON: Final = "bennu_common"
"""Where there what all of uvicorn's protocols have in common is."""

OWN: Final = frozenset(("parser", "pipeline"))
"""What each of them has for itself from its beginning on."""

LINGER: Final = 1.0
"""Seconds in which a client that was refused may still send, and read why."""

MIN_RATE: Final = 500
"""Bytes a second that a body must bring on an average of one body timeout."""

HEAD_PIECE: Final = 1024
"""Bytes that are parsed at once where a head is expected: some fifty requests at most."""

BODY_PIECE: Final = 16 * 1024
"""Bytes that are parsed at once in a body."""

MAX_HELD: Final = 512 * 1024
"""Bytes behind a request that waits for its turn. Reading stops at the first, but a read may bring many."""


class Config(uvicorn.Config):
    """uvicorn's configuration, and what is ours.

    Args:
        app: As uvicorn's; so are all others.
        head_bounds: What the head of a request may be.
        body_timeout: Seconds in which a body must make progress.
        trusted_proxies: The proxies that may say who a client is, to every part of the application. uvicorn's
            own ``proxy_headers`` is off.
    """

    def __init__(
        self,
        app: Any,
        *,
        head_bounds: HeadBounds = DEFAULT_BOUNDS,
        body_timeout: float = DEFAULT_BODY_TIMEOUT,
        trusted_proxies: TrustedProxies | None = None,
        **options: Any,
    ) -> None:
        super().__init__(app, proxy_headers=False, **options)
        if trusted_proxies is None and (theirs := os.environ.get("FORWARDED_ALLOW_IPS")):
            Log().warning(
                "FORWARDED_ALLOW_IPS is uvicorn's, and does nothing under bennu run:"
                " write --trusted-proxies %s",
                theirs,
            )
        self.head_bounds = head_bounds
        self.body_timeout = body_timeout
        self.trusted_proxies = trusted_proxies

    def configure_logging(self) -> None:
        """Configure logging, and have uvicorn's lines show no query."""
        super().configure_logging()
        hide_queries()

    def load(self) -> None:
        """Load the application, and put what knows the proxies in front of it."""
        super().load()
        if self.trusted_proxies is not None:
            self.loaded_app: Any = Proxied(self.loaded_app, self.trusted_proxies)


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What all connections of one server share."""

    max_bytes: int
    heads: Deadlines[BoundedProtocol]
    bodies: Deadlines[BoundedProtocol]
    telemetry: Telemetry


class _TooLarge(Exception):
    """A head that is complete, and too large: it was answered, and the parser must stop."""


class _Gentle:
    """The transport of a request, as far as uvicorn uses it, with another way to close.

    A socket that is closed while its client still sends is reset, and then the client can't read the answer.
    """

    __slots__ = ("_protocol", "is_closing", "write")

    def __init__(self, protocol: BoundedProtocol, transport: asyncio.Transport) -> None:
        self._protocol = protocol
        self.write = transport.write
        self.is_closing = transport.is_closing

    def close(self) -> None:
        """Close, behind the client's last word or after the keep-alive time."""
        self._protocol._close_gently()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with bounds. A subclass says what becomes of an upgrade."""

    url = b""
    _bounds: _Bounds
    _fed = 0
    """Bytes that came since something was complete: a head, or a piece of a body."""
    _reads_body = False
    """Whether a head has come, and its body not yet."""
    _has_deadline = False
    """Whether the body stands among those that must make progress."""
    _progress = 0
    """Bytes of the body since its time began."""
    _held = b""
    """What came behind a request that waits for its turn."""
    _pipelines = False
    """Whether anything was ever held."""
    _is_refused = False
    _is_upgrade: bool | None = None
    """Whether the head that has come asks for a WebSocket; None if nobody has asked."""
    _linger: asyncio.TimerHandle | None = None
    _running: Any = None
    """uvicorn's cycle of the request that the application is at work on."""

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
        """Begin, and expect a head.

        This is what uvicorn does here, but for a line at its level "trace", and for how it asks for the addresses:
        it makes two Python sockets, which is a twentieth of the cost of a connect, and the transport knows them.
        """
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server = _address(transport.get_extra_info("sockname"))
        client = _address(transport.get_extra_info("peername"))
        self.client = None if client is None or client[1] is None else (client[0], client[1])
        self.scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        bounds: _Bounds | None = vars(self.server_state).get(BOUNDS)
        self._bounds = self._make_bounds() if bounds is None else bounds
        self._bounds.heads.expect(self)

    def _make_bounds(self) -> _Bounds:
        """Return those of this server, at its first connection."""
        config, app, loop = self.config, self.config.app, self.loop
        head, body_timeout = DEFAULT_BOUNDS, DEFAULT_BODY_TIMEOUT
        if isinstance(config, Config):
            head, body_timeout = config.head_bounds, config.body_timeout
        telemetry = app.telemetry if isinstance(app, Endpoint) else Telemetry()
        telemetry.log.start(loop)
        bounds = vars(self.server_state)[BOUNDS] = _Bounds(
            head.max_bytes,
            Deadlines[BoundedProtocol](loop, head.timeout, BoundedProtocol._head_is_late),
            Deadlines[BoundedProtocol](loop, body_timeout, BoundedProtocol._body_is_late),
            telemetry,
        )
        return bounds

    @property
    def log(self) -> Log:
        """The lines of this server in the log."""
        return self._bounds.telemetry.log

    def connection_lost(self, exc: Exception | None) -> None:
        """End: every request of the client learns it, and nothing that came with them is kept.

        A request and its protocol hold each other. Here they let go, since the garbage collector counts objects,
        and may leave few large ones for long.
        """
        self._bounds.heads.forget(self)
        self._bounds.bodies.forget(self)
        if self._linger is not None:
            self._linger.cancel()
        self._held = b""
        self._leave_requests()
        super().connection_lost(exc)
        self._running = None
        self.cycle: Any = None

    def _leave_requests(self) -> None:
        """Tell the requests that are at work that nobody waits for them, and begin no other."""
        self.pipeline.clear()
        for cycle in (self._running, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.body = bytearray()  # nobody can read it any more
                cycle.message_event.set()
        self.flow.resume_writing()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    # What comes.

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client."""
        if self._is_refused:
            return
        if self._held:
            self._hold(data)
            return
        if self.timeout_keep_alive_task is not None and not self._reads_body:
            self._bounds.heads.expect(self)  # though these bytes may be no more than an empty line
        self._unset_keepalive_if_required()
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        """Parse, a piece at a time, until a request must wait for its turn."""
        while data:
            size = BODY_PIECE if self._reads_body else HEAD_PIECE
            piece, data = data[:size], data[size:]
            if not self._parse(piece, data):
                return
            if self.pipeline and data:
                self._hold(data)
                return
        if self._reads_body and not self._has_deadline:
            self._has_deadline = True
            self._progress = 0
            self._bounds.bodies.expect(self)

    def _parse(self, piece: bytes, behind: bytes) -> bool:
        """Parse a piece; return whether to go on."""
        self._fed += len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            self._take_upgrade(piece[upgrade.args[0] :] + behind)
            return False
        except httptools.HttpParserError as error:
            if not isinstance(error.__context__, _TooLarge):
                self._refuse_malformed()
            return False
        if self._fed > self._bounds.max_bytes:
            self._refuse_size()
            return False
        return True

    def _take_upgrade(self, early: bytes) -> None:
        """Go on with an upgrade, and what came behind it."""
        if not self._should_upgrade():
            # It is served as a plain request. Of what comes behind it nobody knows what it is.
            self.cycle.keep_alive = False
            self._is_refused = True
            self._message_ended()
        elif self._is_answering() or self._pipelines:
            self._refuse_malformed()
        else:
            self._upgrade(early)

    @abstractmethod
    def _upgrade(self, early: bytes) -> None:
        """Speak another protocol from now on."""

    def _hold(self, data: bytes) -> None:
        self._pipelines = True
        self._held += data
        self.flow.pause_reading()
        if len(self._held) > MAX_HELD:
            self._cut()

    # Heads and bodies. uvicorn's parser calls these.

    def _should_upgrade(self) -> bool:
        """Return whether the head asks for a WebSocket: uvicorn looks at all headers each time it asks."""
        if self._is_upgrade is None:
            self._is_upgrade = super()._should_upgrade()
        return self._is_upgrade

    def on_message_begin(self) -> None:
        """Expect the head that has just begun, if it is not expected already."""
        super().on_message_begin()
        self._is_upgrade = None
        self._bounds.heads.expect(self)

    def on_headers_complete(self) -> None:
        """Take a head that has come whole; its size is only counted if it can be too large."""
        self._bounds.heads.forget(self)
        bound = self._bounds.max_bytes
        if self._fed > bound:
            size = sum(len(name) + len(value) + 4 for name, value in self.headers)
            if len(self.url) + size > bound:
                self._refuse_size()
                raise _TooLarge
        self._fed = 0
        self._reads_body = True
        scope: Any = self.scope  # whose type knows none of ours
        scope[PEER] = self.client
        super().on_headers_complete()
        # What still comes are trailers, which are no headers of the request.
        cycle: Any = self.cycle
        if cycle is not None and cycle.scope is scope:
            self.headers = []
            cycle.transport = _Gentle(self, self.transport)
        else:  # an upgrade, which uvicorn knows by its headers
            scope["headers"] = self.headers.copy()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._fed = 0
        self._progress += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take note that the body has come."""
        self._message_ended()
        super().on_message_complete()

    def _message_ended(self) -> None:
        self._reads_body = False
        if self._has_deadline:
            self._has_deadline = False
            self._bounds.bodies.forget(self)
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for it; what is left of this one's body is dropped."""
        if self._running is not None:
            self._running.body = bytearray()
        super().on_response_complete()
        if self.transport.is_closing() or self._is_refused:
            return
        if self._reads_body and not self.pipeline and self._linger is None:
            self._linger = self.loop.call_later(self.timeout_keep_alive, self._cut)
        if self._held and not self.pipeline:
            held, self._held = self._held, b""
            self.data_received(held)

    # The bounds.

    def _head_is_late(self) -> None:
        """Refuse a client that takes too long, unless it waits for an answer itself."""
        if self._is_answering():
            self._bounds.heads.expect(self)
            return
        self._refuse(
            HTTPStatus.REQUEST_TIMEOUT,
            f"The head of a request must come within {self._bounds.heads.timeout:g} seconds.",
            Limit.HANDSHAKE_TIME,
        )

    def _body_is_late(self) -> None:
        """Refuse a client whose body makes no progress, unless it is the application that does not read."""
        if self.flow.read_paused or self._progress >= MIN_RATE * self._bounds.bodies.timeout:
            self._progress = 0
            self._bounds.bodies.expect(self)
            return
        self._refuse(
            HTTPStatus.REQUEST_TIMEOUT,
            f"A body must bring {MIN_RATE} bytes a second,"
            f" on an average of {self._bounds.bodies.timeout:g} seconds.",
            Limit.BODY_TIME,
        )

    def _refuse_size(self) -> None:
        bound = self._bounds.max_bytes
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        if len(self.url) > bound // 2:
            status = HTTPStatus.REQUEST_URI_TOO_LONG
        text = f"The head of a request has at most {bound} bytes."
        self._refuse(status, text, Limit.HANDSHAKE_BYTES)

    def _refuse_malformed(self) -> None:
        """Refuse what is no request, and an upgrade where none may stand."""
        self.log.warning("Invalid HTTP request received.")
        self._refuse(HTTPStatus.BAD_REQUEST, "Invalid HTTP request received.")

    def _refuse(self, status: HTTPStatus, text: str, limit: Limit | None = None) -> None:
        """Answer and end, in a way that lets the client read the answer."""
        if limit is not None:
            peer = self.client[0] if self.client else None
            self._bounds.telemetry.limit_exceeded(limit, peer)
        transport = self.transport
        if transport.is_closing() or not self._take_over():
            self._cut()
            return
        self._stop_reading()
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

    def _take_over(self) -> bool:
        """Return whether the next answer may be ours: a request that has not begun its own is left."""
        cycle: Any = self.cycle
        if not self._is_answering():
            return True
        if cycle is not self._running or cycle.response_started:
            return False
        self._leave_requests()
        cycle.response_complete = True
        return True

    def _close_gently(self) -> None:
        """Close behind an answer; a client that still sends its body gets to read it first."""
        transport = self.transport
        if not self._reads_body or transport.is_closing():
            transport.close()
            return
        self._stop_reading()
        if transport.can_write_eof():
            transport.write_eof()
        self._linger = self.loop.call_later(self.timeout_keep_alive, transport.abort)

    def _cut(self) -> None:
        """End at once, whatever is under way."""
        self._stop_reading()
        self._leave_requests()
        self.transport.close()
        self._linger = self.loop.call_later(LINGER, self.transport.abort)

    def _stop_reading(self) -> None:
        """Throw away what comes from now on."""
        self._is_refused = True
        self._held = b""
        self._unset_keepalive_if_required()
        self._bounds.heads.forget(self)
        self._bounds.bodies.forget(self)
        if self._linger is not None:
            self._linger.cancel()

    def _is_answering(self) -> bool:
        """Whether the answer to an earlier request is under way."""
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete


def _address(given: Any) -> tuple[str, int | None] | None:
    """Return an address as ASGI writes it: a host with its port, or the path of a Unix socket."""
    if isinstance(given, tuple):
        host, port = cast("tuple[Any, ...]", given)[:2]  # that of IPv6 has two parts more
        return (str(host), int(port))
    return (given, None) if isinstance(given, str) and given else None
