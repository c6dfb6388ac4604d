"""uvicorn's HTTP protocol, with limits on everything that a client can make large or slow.

Theory of operation
-------------------
- The *head* of a request is its first line and its headers. It must arrive within a time, and has a limited
  size. Chunk extensions and trailers count like a head. Trailers never become headers of the request.
- A *body* must make progress: at least :data:`~bennu.cli.request_limits.MIN_RATE` bytes a second over each body
  timeout, unless the application has stopped reading. When a request is answered, the rest of its body is thrown
  away, for at most the keep-alive time. The socket is not reset before the client can read the answer.
- *Pipelined* requests: bytes after a request that waits for its turn are kept, and parsed when the turn has come. So
  bytes are given to the parser in small pieces. An upgrade after an unfinished response is refused, because the
  response would lose its flow control.
- When the client goes away, all its requests are notified. uvicorn notifies only the last request.

A client that exceeds a limit gets 408, 414 or 431. For a moment, further bytes of the client are thrown away, so that
the client can read the answer. If the answer to an earlier request is unfinished, the connection is aborted instead.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import deque
from typing import Any, Final

import httptools
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from ..logs.log import Log
from ..transports.proxied import PEER
from .addresses import address_of, client_of
from .gentle_transport import GentleTransport
from .request_limits import MALFORMED, MIN_RATE, RequestLimits, RequestRefusal

__all__ = ["LIMITS", "LINGER", "OWN", "LimitedProtocol"]

LIMITS: Final = "bennu_limits"
"""The attribute of uvicorn's server state that holds the :class:`RequestLimits`."""

COMMON: Final = "bennu_common"
"""The attribute of uvicorn's server state that holds the attributes that all its protocols share."""

OWN: Final = frozenset(("parser", "pipeline"))
"""The attributes that the protocols do not share."""

LINGER: Final = 1.0
"""Seconds in which a refused client can read the answer before the connection is aborted."""

HEAD_PIECE: Final = 1024
"""Bytes that are parsed at once if a head is expected: at most some fifty requests."""

BODY_PIECE: Final = 16 * 1024
"""Bytes that are parsed at once in a body."""

MAX_HELD: Final = 512 * 1024
"""The most bytes that are kept after a request that waits for its turn. Reading is paused at the first such byte, but
one read can bring many bytes."""


class _TooLarge(Exception):
    """A complete head is too large. It was answered, and the parser must stop."""


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with limits. A subclass serves upgrades."""

    url = b""
    _limits: RequestLimits
    _fed = 0
    """Bytes that came since the last complete head, or the last piece of a body."""
    _reads_body = False
    """Whether a head is complete, and its body is not."""
    _has_deadline = False
    """Whether the body must make progress."""
    _progress = 0
    """Bytes of the body since the last body timeout."""
    _held = b""
    """Bytes after a request that waits for its turn."""
    _pipelines = False
    """Whether the client has sent pipelined requests."""
    _is_refused = False
    _is_upgrade: bool | None = None
    """Whether the head asks for a WebSocket; None if that is not known yet."""
    _linger: asyncio.TimerHandle | None = None
    _running: Any = None
    """uvicorn's cycle of the request that the application handles."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        # Most attributes that uvicorn sets here are the same for each connection of a server, such as the loggers.
        # The first connection computes them, and the other connections copy them.
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

        uvicorn does the same, and more: it writes a line at its level "trace", and makes two Python sockets to get the
        addresses. The sockets are a twentieth of the cost of a connect, and the transport has the addresses already.
        """
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server = address_of(transport.get_extra_info("sockname"))
        self.client = client_of(transport)
        self.scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        shared: dict[str, Any] = self.server_state.__dict__
        limits: RequestLimits | None = shared.get(LIMITS)
        if limits is None:  # the first connection of the server
            limits = shared[LIMITS] = RequestLimits(self.config, self.loop)
        self._limits = limits
        limits.head_deadlines.expect(transport)

    @property
    def log(self) -> Log:
        """The log of this server."""
        return self._limits.telemetry.log

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify each request of the client, and drop the data of the requests.

        A request and its protocol refer to each other. These references are removed here, because the garbage collector
        counts objects, not bytes: it can leave a few large objects for a long time.
        """
        self._limits.head_deadlines.forget(self.transport)
        self._limits.body_deadlines.forget(self.transport)
        if self._linger is not None:
            self._linger.cancel()
        self._held = b""
        self._leave_requests()
        super().connection_lost(exc)
        self._running = None
        self.cycle: Any = None

    def _leave_requests(self) -> None:
        """Tell the running requests that their client has gone, and begin no other request."""
        self.pipeline.clear()
        for cycle in (self._running, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.body = bytearray()  # the application can't read it any more
                cycle.message_event.set()
        self.flow.resume_writing()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    # Received bytes.

    def data_received(self, data: bytes) -> None:
        """Parse bytes of the client, within the limits."""
        if self._is_refused:
            return
        if self._held:
            self._hold(data)
            return
        if self.timeout_keep_alive_task is not None and not self._reads_body:
            self._limits.head_deadlines.expect(
                self.transport
            )  # even if these bytes are only an empty line
        self._unset_keepalive_if_required()
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        """Parse in pieces, until a request must wait for its turn."""
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
            self._limits.body_deadlines.expect(self.transport)

    def _parse(self, piece: bytes, behind: bytes) -> bool:
        """Parse a piece; return whether to parse the next piece."""
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
        if self._fed > self._limits.max_bytes:
            self._refuse(self._limits.large_head(self.url))
            return False
        return True

    def _take_upgrade(self, early: bytes) -> None:
        """Serve a request to upgrade, with the bytes after it."""
        if not self._should_upgrade():
            # The request is served as a plain HTTP request. The bytes after it can be anything.
            self.cycle.keep_alive = False
            self._is_refused = True
            self._message_ended()
        elif self._is_answering() or self._pipelines:
            self._refuse_malformed()
        else:
            self._upgrade(early)

    @abstractmethod
    def _upgrade(self, early: bytes) -> None:
        """Serve an upgrade to a WebSocket; ``early`` are the bytes after the head."""

    def _hold(self, data: bytes) -> None:
        self._pipelines = True
        self._held += data
        self.flow.pause_reading()
        if len(self._held) > MAX_HELD:
            self._abort()

    # Heads and bodies. uvicorn's parser calls these.

    def _should_upgrade(self) -> bool:
        """Return whether the head asks for a WebSocket. The answer is cached, because uvicorn reads all headers each time."""
        if self._is_upgrade is None:
            self._is_upgrade = super()._should_upgrade()
        return self._is_upgrade

    def on_message_begin(self) -> None:
        """Expect the head that has just begun."""
        super().on_message_begin()
        self._is_upgrade = None
        self._limits.head_deadlines.expect(self.transport)

    def on_headers_complete(self) -> None:
        """Check a complete head, and begin its request. The size is counted only if the head can be too large."""
        self._limits.head_deadlines.forget(self.transport)
        limit = self._limits.max_bytes
        if self._fed > limit:
            size = sum(len(name) + len(value) + 4 for name, value in self.headers)
            if len(self.url) + size > limit:
                self._refuse(self._limits.large_head(self.url))
                raise _TooLarge
        self._fed = 0
        self._reads_body = True
        scope: Any = self.scope  # the type has no keys of Bennu
        scope[PEER] = self.client
        super().on_headers_complete()
        # The parser adds trailers to the headers from here on.
        cycle: Any = self.cycle
        if cycle is not None and cycle.scope is scope:
            self.headers = []
            cycle.transport = GentleTransport(self.transport, self._close_gently)
        else:  # an upgrade: uvicorn looks at its headers later
            scope["headers"] = self.headers.copy()

    def on_body(self, body: bytes) -> None:
        """Pass a piece of a body to its request."""
        self._fed = 0
        self._progress += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the body is complete."""
        self._message_ended()
        super().on_message_complete()

    def _message_ended(self) -> None:
        self._reads_body = False
        if self._has_deadline:
            self._has_deadline = False
            self._limits.body_deadlines.forget(self.transport)
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for it. The rest of the body is dropped."""
        if self._running is not None:
            self._running.body = bytearray()
        super().on_response_complete()
        if self.transport.is_closing() or self._is_refused:
            return
        if self._reads_body and not self.pipeline and self._linger is None:
            self._linger = self.loop.call_later(self.timeout_keep_alive, self._abort)
        if self._held and not self.pipeline:
            held, self._held = self._held, b""
            self.data_received(held)

    # The limits.

    def head_is_late(self) -> None:
        """Refuse a client whose head is late, unless the client waits for an answer itself."""
        if self._is_answering():
            self._limits.head_deadlines.expect(self.transport)
            return
        self._refuse(self._limits.late_head())

    def body_is_late(self) -> None:
        """Refuse a client whose body makes no progress, unless the application does not read."""
        if (
            self.flow.read_paused
            or self._progress >= MIN_RATE * self._limits.body_deadlines.timeout
        ):
            self._progress = 0
            self._limits.body_deadlines.expect(self.transport)
            return
        self._refuse(self._limits.late_body())

    def _refuse_malformed(self) -> None:
        """Refuse a malformed request, or an upgrade in a wrong place."""
        self.log.warning("Invalid HTTP request received.")
        self._refuse(MALFORMED)

    def _refuse(self, refusal: RequestRefusal) -> None:
        """Answer and end, so that the client can read the answer."""
        if refusal.limit is not None:
            peer = self.client[0] if self.client else None
            self._limits.telemetry.limit_exceeded(refusal.limit, peer)
        transport = self.transport
        if transport.is_closing() or not self._take_over():
            self._abort()
            return
        self._stop_reading()
        transport.write(refusal.response)
        if not transport.can_write_eof():
            transport.close()
            return
        transport.write_eof()
        self._linger = self.loop.call_later(LINGER, transport.abort)

    def _take_over(self) -> bool:
        """Return whether a refusal can be the next answer. A request that has not begun its answer is left."""
        cycle: Any = self.cycle
        if not self._is_answering():
            return True
        if cycle is not self._running or cycle.response_started:
            return False
        self._leave_requests()
        cycle.response_complete = True
        return True

    def _close_gently(self) -> None:
        """Close after an answer. A client that still sends its body can read the answer first."""
        transport = self.transport
        if not self._reads_body or transport.is_closing():
            transport.close()
            return
        self._stop_reading()
        if transport.can_write_eof():
            transport.write_eof()
        self._linger = self.loop.call_later(self.timeout_keep_alive, transport.abort)

    def _abort(self) -> None:
        """Abort the connection. Unfinished answers are cut off."""
        self._stop_reading()
        self._leave_requests()
        self.transport.close()
        self._linger = self.loop.call_later(LINGER, self.transport.abort)

    def _stop_reading(self) -> None:
        """Throw away all bytes from now on."""
        self._is_refused = True
        self._held = b""
        self._unset_keepalive_if_required()
        self._limits.head_deadlines.forget(self.transport)
        self._limits.body_deadlines.forget(self.transport)
        if self._linger is not None:
            self._linger.cancel()

    def _is_answering(self) -> bool:
        """Whether the answer to an earlier request is unfinished."""
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete
