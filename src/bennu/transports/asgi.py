"""A WebSocket under any ASGI server.

The ASGI server itself handles frames, pings, timeouts of the handshake and close codes, and gives messages to the
endpoint. One task reads. The endpoint's own task writes, because ``send`` can wait, and a channel must not wait for a
client's buffer. If more bytes wait than a high-water mark, the connection is told that it is congested.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from http import HTTPStatus
from itertools import chain
from typing import Any, Final

from ..message import ABNORMAL, BINARY, TEXT, Opcode
from ..reasons import CloseCode
from ..server.connection import ServerConnection
from ..server.handshake import Accepted
from ..server.request import Denied
from ..server.server import Server

__all__ = ["ASGIWebSocket", "deny"]


Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

HIGH_WATER: Final = 64 * 1024
"""Unsent bytes above which the connection is congested. Below a quarter of them it is drained."""
BUDGET: Final = 64
"""Messages, or kilobytes of messages, that are handled before other tasks run."""
KILOBYTE: Final = 10
"""A kilobyte as a power of two."""

CLOSE_TIMEOUT: Final = 5.0
"""Seconds within which the client must read the bytes that were written before the close."""


class _ASGIFraming:
    """Makes ASGI events of messages. A frame is a tuple of pairs: the bytes of the content, and the event."""

    __slots__ = ()

    carries_binary = True

    @staticmethod
    def frame(opcode: Opcode, data: bytes) -> tuple[tuple[int, dict[str, Any]], ...]:
        """Return a message as one event."""
        content = {"text": data.decode()} if opcode is TEXT else {"bytes": data}
        return ((len(data), {"type": "websocket.send", **content}),)

    @staticmethod
    def join(frames: Sequence[tuple[Any, ...]], /) -> tuple[Any, ...]:
        """Return the events of several messages."""
        return tuple(chain.from_iterable(frames))

    @staticmethod
    def size(framed: tuple[tuple[int, dict[str, Any]], ...], /) -> int:
        """Return the number of bytes in the content of events."""
        return sum(size for size, _ in framed)


FRAMING = _ASGIFraming()


class ASGIWebSocket:
    """A WebSocket that an ASGI server carries.

    Args:
        receive: The ASGI ``receive`` of the connection.
        send: The ASGI ``send`` of the connection.

    Attributes:
        unsent: Bytes that the ASGI server has not taken.
    """

    name = "websocket"
    framing = FRAMING
    keeps_time = False
    counts_bytes = False
    is_client_gone = False  # the ASGI server detects a client that is gone

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._outgoing: list[tuple[int, dict[str, Any]]] = []
        self.unsent = 0
        self._high_water = HIGH_WATER
        self._is_congested = False
        self._something_to_send = asyncio.Event()
        self._can_read = asyncio.Event()
        self._can_read.set()
        self._is_over = False
        self._closing: dict[str, Any] | None = None
        self._limit: asyncio.Timeout | None = None
        self._connection: ServerConnection | None = None

    async def run(self, server: Server, accepted: Accepted) -> None:
        """Accept the WebSocket, and return after the connection has ended.

        Args:
            server: The server of the connection.
            accepted: The result of the handshake.
        """
        opening = await self._receive()
        if opening["type"] != "websocket.connect":
            return
        await self._send({"type": "websocket.accept", "subprotocol": accepted.subprotocol})
        self._high_water = min(HIGH_WATER, accepted.socket.max_unsent)
        connection = self._connection = accepted.open(server, self)
        reader = asyncio.create_task(self._read(connection))
        reader.add_done_callback(lambda _: self._finish())
        try:
            async with asyncio.timeout(None) as self._limit:
                await self._write_all()
                if self._closing is not None:
                    await _cancel(reader)  # granian sends no close while a receive waits
                    await self._send(self._closing)
        except (OSError, RuntimeError) as error:  # each ASGI server raises another exception
            server.log.debug("The client went away while something was sent to it", exc_info=error)
        finally:
            self._limit = None
            self._connection = None
            connection.lost("closed")
            await _cancel(reader)
        if not reader.cancelled():
            reader.result()

    # Methods for the connection.

    def write(self, events: Any) -> None:
        """Queue events to be sent."""
        self._outgoing += events
        self.unsent += FRAMING.size(events)
        self._something_to_send.set()
        if self.unsent > self._high_water and not self._is_congested:
            self._is_congested = True
            if self._connection is not None:
                self._connection.congested()

    def control(self, opcode: Opcode, data: bytes) -> None:
        """Do nothing: the ASGI server sends pings."""

    def close(self, code: int, reason: str = "") -> None:
        """Queue the close, behind all waiting events."""
        self._closing = {"type": "websocket.close", "code": code, "reason": reason}
        self._finish()

    def pause_reading(self) -> None:
        """Stop reading messages until :meth:`resume_reading`."""
        self._can_read.clear()

    def resume_reading(self) -> None:
        """Read messages again."""
        self._can_read.set()

    # The two loops.

    async def _read(self, connection: ServerConnection) -> None:
        left = BUDGET
        while True:
            if left <= 0:  # the two awaits below need not give way to other tasks
                await asyncio.sleep(0)
                left = BUDGET
            await self._can_read.wait()
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                code, why = event.get("code") or ABNORMAL, event.get("reason") or ""
                connection.server.inspector.client_closed(connection, code, why)
                connection.lost("closed")
                self._finish()
                return
            connection.silent = 0
            text = event.get("text")
            if text is None:
                opcode, data = BINARY, event.get("bytes") or b""
            else:
                opcode, data = TEXT, text.encode(errors="surrogatepass")
            left -= 1 + (len(data) >> KILOBYTE)
            self._take(connection, opcode, data)

    def _take(self, connection: ServerConnection, opcode: Opcode, data: bytes) -> None:
        if len(data) > connection.max_frame_size:
            connection.server.log.warning(
                "Closing a connection that sent a message of %d bytes", len(data)
            )
            connection.close(CloseCode.TOO_BIG, reason="closed")
        elif not connection.is_lost:
            connection.receive(opcode, data)

    async def _write_all(self) -> None:
        while True:
            await self._something_to_send.wait()
            self._something_to_send.clear()
            while self._outgoing:
                events, self._outgoing = self._outgoing, []
                for size, event in events:
                    await self._send(event)
                    self._was_sent(size)
            if self._is_over:
                return

    def _was_sent(self, size: int) -> None:
        self.unsent -= size
        if self._is_congested and self.unsent <= self._high_water // 4:
            self._is_congested = False
            if self._connection is not None:
                self._connection.drained()

    def _finish(self) -> None:
        self._is_over = True
        self._something_to_send.set()
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + CLOSE_TIMEOUT)
            self._limit = None


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def deny(scope: Mapping[str, Any], receive: Receive, send: Send, denied: Denied) -> None:
    """Answer a request with an HTTP status. For a WebSocket the ASGI server must have an extension for this.

    Args:
        scope: The ASGI scope of the request.
        receive: The ASGI ``receive``.
        send: The ASGI ``send``.
        denied: The status, the body and the headers.
    """
    headers = [(b"content-length", str(len(denied.body)).encode())]
    if denied.body:
        headers.append((b"content-type", b"text/plain; charset=utf-8"))
    if denied.retry_after is not None:
        headers.append((b"retry-after", str(denied.retry_after).encode()))
    start = {"status": denied.status, "headers": headers}
    if scope["type"] == "http":
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": denied.body})
        return
    await receive()
    # A close before accept is an empty 403 under any server. After any other answer uvicorn logs an error.
    is_plain = denied.status == HTTPStatus.FORBIDDEN and not denied.body
    if "websocket.http.response" in scope.get("extensions", {}) and not is_plain:
        await send({"type": "websocket.http.response.start", **start})
        await send({"type": "websocket.http.response.body", "body": denied.body})
    else:
        await send({"type": "websocket.close", "code": 1000})
