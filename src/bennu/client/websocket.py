"""A WebSocket of the ``websockets`` library as a client's transport.

The client's own task reads. Another task writes, and ends when nothing is left to write. So an idle client has one task.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any, Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from ..message import ABNORMAL
from .errors import ConnectRefused
from .frames import Data
from .proxies import PROXY_SETTINGS, ProxySettings
from .transport import Closed, ConnectTarget, TransportClosed, default_tls, unreachable
from .urls import subprotocols_of

__all__ = ["WebSocketTransport", "open_websocket", "reason_in"]

CLOSE_TIMEOUT: Final = 1.5
"""Seconds for the close of a connection, and for what is written before."""

USER_AGENT: Final = "bennu-client"


async def open_websocket(
    target: ConnectTarget, proxies: ProxySettings = PROXY_SETTINGS
) -> WebSocketTransport:
    """Connect by a WebSocket, through a proxy if the environment or the system has one for the URL.

    Raises:
        ConnectRefused: The server answered with an HTTP status.
        ConnectFailed: The server can't be reached, or has not answered in time.
    """
    protocols = None if target.token is None else subprotocols_of(target.token)
    options: dict[str, Any] = {}
    if target.url.is_secure:
        options["ssl"] = target.ssl or default_tls()
    try:
        connection = await connect(
            target.url.websocket(target.query),
            subprotocols=None if protocols is None else [Subprotocol(one) for one in protocols],
            additional_headers=dict(target.headers),
            user_agent_header=USER_AGENT,
            compression=None,
            open_timeout=target.timeout,
            ping_interval=None,  # the client has a heartbeat of its own
            close_timeout=CLOSE_TIMEOUT,
            max_size=target.max_size,
            proxy=True
            if proxies.are_there
            else None,  # True: websockets chooses among the settings
            **options,
        )
    except InvalidStatus as error:
        response = error.response
        raise ConnectRefused(response.status_code, reason_in(bytes(response.body or b""))) from None
    except (OSError, WebSocketException, EOFError) as error:
        raise unreachable(target.url, error) from error
    return WebSocketTransport(connection)


class WebSocketTransport:
    """One WebSocket.

    Args:
        connection: The open connection.
    """

    __slots__ = ("_closing", "_connection", "_outgoing", "_writing", "beats")

    def __init__(self, connection: ClientConnection) -> None:
        self.beats = True
        self._connection = connection
        self._outgoing: deque[Data] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    def send(self, data: Data) -> None:
        """Send a message in the next turn, after what waits."""
        self._outgoing.append(data)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())

    async def receive(self) -> Data:
        """Return the next message."""
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            frame = error.rcvd
            closed = Closed(ABNORMAL, "") if frame is None else Closed(frame.code, frame.reason)
            raise TransportClosed(closed) from error

    def drop(self, code: int, reason: str) -> None:
        """Begin to close."""
        self._outgoing.clear()
        if self._closing is None:
            self._closing = asyncio.create_task(self._connection.close(code, reason))

    async def close(self, code: int, reason: str) -> None:
        """Send what waits, and close."""
        if self._writing is not None:
            await asyncio.wait((self._writing,), timeout=CLOSE_TIMEOUT)
        if self._writing is not None:
            self._writing.cancel()
        await self._connection.close(code, reason)
        if self._closing is not None:
            await self._closing

    async def _write(self) -> None:
        try:
            with suppress(ConnectionClosed):  # the reader learns of it
                while self._outgoing:
                    await self._connection.send(self._outgoing.popleft())
        finally:
            self._writing = None


def reason_in(body: bytes) -> str | None:
    """Return the reason in the body of an HTTP answer: in a JSON object, or as a short text; None if there is none."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        text = body[:200].decode(errors="replace").strip()
        return text if text and not text.startswith("<") else None
    if not isinstance(found, dict):
        return None
    reason = found.get("reason")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - any JSON
    return reason if isinstance(reason, str) else None
