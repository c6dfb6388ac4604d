"""One connection to one NATS server: the handshake, pings, and what ends it."""

from __future__ import annotations

import asyncio
import platform
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Final, cast

import msgspec

from ...errors import DefinitionError
from .address import NATSAddress, NATSPlace
from .credentials import login
from .reader import NATSReader, NotNATS, ServerInfo

__all__ = ["NATSConnection"]

CLOSE_PATIENCE: Final = 1.0
"""Seconds in which a server must have read what was written before a close."""

CLOSED: Final = (
    "the server closed the connection: it stopped, or this node read too slowly"
    " (the server's log then says 'Slow Consumer')"
)


class NATSConnection(asyncio.Protocol):
    """Speaks NATS with one server until the connection ends.

    If the connection ends, methods that wait raise an error with the reason.

    Args:
        address: The name and the secret of this client, and whether it wants TLS.
        client: The name of this client in the server's monitoring.
        message: Called with the sid, the reply and the bytes of each message.
        broken: Called once with the reason when the connection has ended, after :meth:`open` and not by :meth:`close`.
        headers: Whether messages come with their headers. If not, the server leaves out the headers.

    Attributes:
        info: What the server says of itself.
    """

    def __init__(
        self,
        address: NATSAddress,
        client: str,
        message: Callable[[bytes, bytes, bytes], object],
        broken: Callable[[Exception], object],
        *,
        headers: bool = False,
    ) -> None:
        self.info = ServerInfo()
        self._address = address
        self._client = client
        self._broken = broken
        self._headers = headers
        self._reader = NATSReader(message, self._line)
        self._transport: asyncio.Transport | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self._pongs: deque[asyncio.Future[None]] = deque()
        self._informed: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._reason: Exception | None = None
        self._is_open = False

    @property
    def fds(self) -> list[int]:
        """The file descriptor of the socket."""
        sock = self._transport.get_extra_info("socket") if self._transport is not None else None
        return [sock.fileno()] if sock is not None and sock.fileno() >= 0 else []

    # The life of the connection.

    async def open(self, server: NATSPlace) -> None:
        """Connect to a server, and return when it has accepted this client.

        Raises:
            OSError: The server can't be reached, or does not want this client now.
            DefinitionError: The address is wrong: a retry does not help.
        """
        loop = asyncio.get_running_loop()
        name = server.certified or server.host
        self._informed = self.waiter()
        context = await self._ssl_context() if self._address.tls else None
        try:
            if context is not None and self._address.tls_first:
                await loop.create_connection(
                    lambda: self, server.host, server.port, ssl=context, server_hostname=name
                )
                await self._informed
            else:
                await loop.create_connection(lambda: self, server.host, server.port)
                await self._informed
                await self._upgrade(context, name)
        except ssl.SSLError as error:
            raise self._wrong("a server whose certificate this client can verify", error) from error
        await self.ping(b"CONNECT %b\r\n" % msgspec.json.encode(self._options()))
        self._is_open = True

    async def _upgrade(self, context: ssl.SSLContext | None, name: str) -> None:
        """Encrypt the connection, if the address demands it or the server does."""
        if context is not None and not (self.info.tls_required or self.info.tls_available):
            raise self._wrong("a server with TLS, as the address demands it", "a server without")
        if context is None and not self.info.tls_required:
            return
        if not self._reader.is_empty:
            raise NotNATS("the server sent bytes before TLS that would count as sent with TLS")
        transport = await asyncio.get_running_loop().start_tls(
            cast(asyncio.Transport, self._transport),
            self,
            context or await self._ssl_context(),
            server_hostname=name,
        )
        self._transport = cast(asyncio.Transport, transport)

    async def _ssl_context(self) -> ssl.SSLContext:
        """Read the certificates in a thread: it takes many milliseconds, and a disk can hang."""
        return await asyncio.to_thread(self._address.ssl_context)

    def _options(self) -> dict[str, Any]:
        return {
            "echo": True,  # a node hears its own probe
            "headers": self._headers,
            "no_responders": self._headers,  # a request that nobody answers gets an answer at once
            "lang": f"python/{platform.python_version()}",
            "name": self._client,
            "pedantic": False,
            "protocol": 1,  # the server sends INFO again when the cluster changes
            "tls_required": self._address.tls,
            "verbose": False,
            "version": version("bennu"),
            **login(self._address, self.info.nonce),
        }

    async def close(self) -> None:
        """Let the server read what was written, and close the connection."""
        if self._reason is None and self._is_open:
            with suppress(OSError, DefinitionError):
                async with asyncio.timeout(CLOSE_PATIENCE):
                    await self.ping()
        self.abort(ConnectionAbortedError("this node closed the connection"))

    def abort(self, reason: Exception) -> None:
        """End the connection at once. ``broken`` is not called."""
        self._is_open = False
        self._end(reason)

    def _end(self, reason: Exception) -> None:
        if self._reason is not None:
            return
        self._reason = reason
        if self._transport is not None:
            self._transport.abort()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(reason)
                waiter.exception()  # its task can have been cancelled
        self._waiters.clear()
        if self._is_open:
            self._broken(reason)

    # What is written.

    def write(self, data: bytes) -> None:
        """Write bytes.

        Raises:
            Exception: The reason for which the connection has ended.
        """
        self.check()
        cast(asyncio.Transport, self._transport).write(data)

    async def drain(self) -> None:
        """Wait until there is room for more."""
        while self._room is not None:
            await self.waits_for(self._room)
        self.check()

    async def ping(self, before: bytes = b"") -> None:
        """Return when the server has handled everything that was written before.

        Args:
            before: Bytes to write in front of the ping, in one write with it. If the server has closed the
                connection, a first write succeeds and what the server said is still read, but a second write
                fails, and its error would hide the server's reason.
        """
        pong = self.waiter()
        self._pongs.append(pong)
        self.write(before + b"PING\r\n")
        await self.waits_for(pong)

    def check(self) -> None:
        """Raise the reason for which the connection has ended, if it has ended."""
        if self._reason is not None:
            raise self._reason

    def waiter(self) -> asyncio.Future[None]:
        """Return a future that fails when the connection ends."""
        self.check()
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        waiter.add_done_callback(self._waiters.discard)
        return waiter

    @staticmethod
    async def waits_for(future: asyncio.Future[None]) -> None:
        """Wait for a future of which a cancelled task must not take the result from others."""
        await asyncio.shield(future)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._reason is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._reason is None:
            try:
                self._reader.feed(data)
            except NotNATS as error:
                self._end(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionResetError(CLOSED))

    def pause_writing(self) -> None:
        if self._room is None and self._reason is None:
            self._room = self.waiter()

    def resume_writing(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    # What the server says.

    def _line(self, line: bytes) -> bool:
        if line == b"PING":
            self.write(b"PONG\r\n")
        elif line == b"PONG" and self._pongs:
            pong = self._pongs.popleft()
            if not pong.done():
                pong.set_result(None)
        elif line.startswith(b"INFO "):
            self._take_info(line[5:])
        elif line.startswith(b"-ERR"):
            self._end(self._refusal(line[4:].decode(errors="replace").strip(" '")))
        elif line != b"+OK":
            self._end(NotNATS(f"the server sent {line[:100]!r}"))
        return self._reason is None

    def _take_info(self, text: bytes) -> None:
        try:
            self.info = msgspec.json.decode(text, type=ServerInfo)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._end(NotNATS("the server sent an INFO that is none"))
            return
        if self._informed is not None and not self._informed.done():
            self._informed.set_result(None)

    def _refusal(self, text: str) -> Exception:
        """Return what an error of the server means. Each one ends the connection.

        The server goes on after some of them, but has dropped a message or a subscription.
        """
        lower = text.lower()
        if lower.startswith("permissions violation"):
            return self._wrong(
                f"a user with the permissions to publish and subscribe to {self._address.prefix}.>",
                text,
            )
        if "auth" in lower and "timeout" not in lower:
            return self._wrong("the user, token or credentials that the server knows", text)
        return ConnectionAbortedError(f"the server said: {text}")

    def _wrong(self, expected: str, got: object) -> DefinitionError:
        return DefinitionError(
            f"the bus {self._address.shown}",
            expected=expected,
            got=str(got),
            write='pubsub="nats://user:password@one:4222,two:4222?ca=/etc/ssl/nats.pem"',
        )
