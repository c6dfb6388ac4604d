"""The HTTP protocol of ``bennu run`` without a socket: tests feed the client's bytes, and read the answers."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.server import ServerState

from bennu.cli.config import Config
from bennu.cli.first_protocol import FirstProtocol
from bennu.cli.head_limits import DEFAULT_LIMITS, HeadLimits
from bennu.cli.limited_protocol import LIMITS
from bennu.testing.memory_socket import MemoryTransport

__all__ = ["REQUEST", "UPGRADE", "Client", "Server"]

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
UPGRADE = (
    b"GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"
)


class Client:
    """The other end of a connection: its received bytes, and its end."""

    def __init__(self) -> None:
        self.got = b""
        self.has_ended = False

    def take(self, data: bytes) -> None:
        """Record the bytes that the server wrote."""
        self.got += data

    def ended(self) -> None:
        """Record the end of the connection."""
        self.has_ended = True

    @property
    def status(self) -> int | None:
        """The status of the last answer."""
        return int(self.got.rpartition(b"HTTP/1.1 ")[2][:3]) if self.got else None


class Server:
    """Our protocol, and uvicorn's state behind it, without a socket.

    Attributes:
        go: What its slow path waits for.
    """

    def __init__(self, limits: HeadLimits = DEFAULT_LIMITS, app: Any = None) -> None:
        self.config = Config(
            app or self.answer,
            http=FirstProtocol,
            log_config=None,
            lifespan="off",
            interface="asgi3",
        )
        self.config.head_limits = limits
        self.config.timeout_keep_alive = 60
        self.config.load()
        self.state = ServerState()
        self.go = asyncio.Event()
        self.clients: list[tuple[Client, MemoryTransport]] = []

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer every request with 200 and the length of its body."""
        size, more = 0, True
        while more:
            event = await receive()
            if event["type"] == "http.disconnect":
                return
            size, more = size + len(event["body"]), event["more_body"]
        if scope["path"] == "/slow":
            await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % size})

    @property
    def awaited(self) -> int:
        """The number of connections whose next head is awaited."""
        return len(vars(self.state)[LIMITS].head_deadlines)

    def connect(self) -> tuple[Client, MemoryTransport]:
        """Return a new connection."""
        client = Client()
        transport = MemoryTransport(client)
        protocol = FirstProtocol(self.config, self.state, {})
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        self.clients.append((client, transport))
        return client, transport

    def stop(self) -> None:
        """End all connections."""
        for _, transport in self.clients:
            transport.lose(None)
