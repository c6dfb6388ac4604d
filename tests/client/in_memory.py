"""Opens the connections of clients to endpoints in memory: under virtual time, and without a network.

async with serve(endpoint) as server, Client(URL, transport=wires_to(endpoint)) as client: ...
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx

from bennu import Endpoint
from bennu.client import (
    Client,
    Closed,
    ConnectFailed,
    ConnectRefused,
    ConnectTarget,
    TransportClosed,
)
from bennu.client.transport import OpenTransport
from bennu.client.urls import subprotocols_of
from bennu.testing.wires import HandshakeRefused, NativeWire, Over, open_wire

__all__ = ["URL", "MemoryWire", "Network", "http_of", "memory_client"]

URL = "ws://localhost/socket"


class MemoryWire:
    """The client's end of a WebSocket in memory.

    Args:
        wire: The connection.
        gone: Is called when it has ended.
    """

    beats = True

    def __init__(self, wire: Any, gone: Callable[[MemoryWire], None]) -> None:
        self.wire = wire
        self._gone = gone
        self._news = asyncio.Event()
        if isinstance(wire, NativeWire):
            take, ended = wire.take, wire.ended
            wire.take = self._noticed(take)  # type: ignore[method-assign]  # it has no events
            wire.ended = self._noticed(ended)  # type: ignore[method-assign]

    def _noticed(self, function: Callable[..., None]) -> Callable[..., None]:
        def call(*args: Any) -> None:
            function(*args)
            self._news.set()

        return call

    def send(self, data: str | bytes) -> None:
        """Send a message."""
        if self.wire.code is None:
            self.wire.send(data)

    async def receive(self) -> str | bytes:
        """Return the next message."""
        while not self.wire.received:
            if self.wire.code is not None:
                self._gone(self)
                raise TransportClosed(Closed(self.wire.code, self.wire.reason))
            await self._news.wait()
            self._news.clear()
        message: str | bytes = self.wire.received.popleft()
        return message

    def drop(self, code: int, reason: str) -> None:
        """Close."""
        self.wire.close(code)
        self._news.set()

    async def close(self, code: int, reason: str) -> None:
        """Close."""
        self.drop(code, reason)

    def cut(self) -> None:
        """Lose the connection, and what has arrived and was not read."""
        self.wire.received.clear()
        self.wire.vanish()
        self._news.set()


class Network:
    """Connects clients to endpoints.

    Args:
        choose: Returns the endpoint of the next connection; None if no node lives.

    Attributes:
        wires: The open connections.
    """

    def __init__(self, choose: Callable[[], Endpoint | None], over: Over = "native") -> None:
        self.wires: list[MemoryWire] = []
        self._choose = choose
        self._over = over

    async def open(self, target: ConnectTarget) -> MemoryWire:
        """Connect."""
        endpoint = self._choose()
        if endpoint is None:
            raise ConnectFailed("no node lives")
        url = urlsplit(target.url.websocket(target.query))
        protocols = () if target.token is None else subprotocols_of(target.token)
        try:
            wire = await open_wire(
                endpoint,
                f"{url.path}?{url.query}",
                over=self._over,
                subprotocols=protocols,
                headers=tuple(target.headers.items()),
            )
        except HandshakeRefused as refused:
            raise ConnectRefused(refused.status, refused.body.decode() or None) from None
        opened = MemoryWire(wire, self._forget)
        self.wires.append(opened)
        return opened

    def _forget(self, wire: MemoryWire) -> None:
        if wire in self.wires:
            self.wires.remove(wire)


def http_of(endpoint: Endpoint) -> httpx.AsyncClient:
    """Return an HTTP client whose requests reach an endpoint without a network."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=endpoint))


def opener_to(endpoint: Endpoint) -> OpenTransport:
    """Return a function that connects to one endpoint."""
    return Network(lambda: endpoint).open


def memory_client(endpoint: Endpoint, over: str = "websocket", **options: Any) -> Client:
    """Return a client of an endpoint in memory, by a WebSocket or by long polling."""
    if over == "longpoll":
        return Client(URL, transport="longpoll", http=http_of(endpoint), **options)
    return Client(URL, transport=opener_to(endpoint), **options)
