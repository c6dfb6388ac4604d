"""Drivers in tests."""

from __future__ import annotations

import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import BinaryIO

from bennu.bus.nats.address import NATSAddress
from bennu.bus.nats.driver import NATSDriver

from ...support.brokers.nats import NatsServer
from ...support.until import until

__all__ = ["End", "Stranger", "connected", "private", "stranger"]


class End:
    """A driver, and all that it said.

    Attributes:
        driver: The driver.
        heard: The channel and the bytes of each message.
        reasons: Why its connections ended.
    """

    def __init__(self, address: str) -> None:
        self.driver = NATSDriver(NATSAddress.parse(address), "a test")
        self.heard: list[tuple[str, bytes]] = []
        self.reasons: list[Exception] = []

    async def connect(self) -> None:
        """Connect."""
        await self.driver.connect(
            lambda channel, data: self.heard.append((channel, data)), self.reasons.append
        )

    async def hears(self, count: int) -> None:
        """Wait until this many messages have come."""
        before = len(self.reasons)
        await until(lambda: len(self.heard) >= count or len(self.reasons) > before)
        assert len(self.heard) == count, (len(self.heard), self.reasons)

    async def breaks(self) -> Exception:
        """Wait until the connection has ended, and return the reason."""
        await until(lambda: self.reasons)
        (reason,) = self.reasons
        return reason


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[End]:
    """Run a connected driver."""
    end = End(address)
    try:
        await end.connect()
        yield end
    finally:
        await end.driver.close()


class Stranger:
    """A client that is no driver, with blocking calls."""

    def __init__(self, sock: socket.socket, file: BinaryIO) -> None:
        self._socket = sock
        self._file = file

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._socket.sendall(data)

    def line(self) -> bytes:
        """Return the next line."""
        return self._file.readline()

    def lines_until(self, start: bytes) -> list[bytes]:
        """Return the next lines, until a line begins like this."""
        lines = [self.line()]
        while not lines[-1].startswith(start):
            assert lines[-1], "the server has closed the connection"
            lines.append(self.line())
        return lines

    def ping(self) -> list[bytes]:
        """Return the lines until the server has handled everything."""
        self.write(b"PING\r\n")
        return self.lines_until(b"PONG")


@contextmanager
def stranger(server: NatsServer) -> Iterator[Stranger]:
    """Connect a client that is no driver."""
    with (
        socket.create_connection(("127.0.0.1", server.port), 20) as sock,
        sock.makefile("rb") as file,
    ):
        client = Stranger(sock, file)
        client.write(b'CONNECT {"verbose":false}\r\n')
        client.ping()
        yield client


def private(address: str) -> str:
    """Return an address with a prefix that no other test uses."""
    return f"{address}{'&' if '?' in address else '?'}prefix=test-{secrets.token_hex(6)}"
