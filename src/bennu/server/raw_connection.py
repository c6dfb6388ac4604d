"""A connection to a raw socket: gives the client's messages to the user's handler. Protocol document, §1.14.

A :class:`~bennu.server.raw_server.RawServer` runs the handler. A connection ends in two ways:

- from outside: the client has gone, or the server closes; the handler learns it in its turn;
- from inside: a method raised, or said ``close``; the close frame goes out first, then ``closed`` runs.

A client's close is answered when all that it sent before has been handled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..message import TEXT, Opcode
from ..raw import RawSocket
from ..reasons import CloseCode
from .connection import ServerConnection
from .mailbox import Frame
from .raw_server import RawServer

if TYPE_CHECKING:
    from .handshake import Accepted
    from .rate_limit import RateLimiter
    from .server import Server
    from .transport import Transport

__all__ = ["RawConnection"]


class RawConnection(ServerConnection[RawSocket[Any]]):
    """An open connection to a raw socket."""

    __slots__ = ("_goodbye", "_running")

    def __init__(
        self, server: Server, accepted: Accepted[RawSocket[Any]], transport: Transport
    ) -> None:
        self._running: RawServer | None = None
        self._goodbye: Callable[[], None] | None = None
        super().__init__(server, accepted, transport)
        definition = self.socket.definition
        try:
            self._running = RawServer(self, definition)
        except Exception as error:
            self.server.log.exception("%s could not be made", definition.name)
            self.close(CloseCode.INTERNAL_ERROR, reason=error)
        else:
            self._running.begin()

    # What the transport calls.

    def receive(self, opcode: Opcode, data: bytes) -> None:
        """Queue one message of the client.

        Args:
            opcode: TEXT or BINARY.
            data: The message. Text is UTF-8, but an ASGI server may let lone surrogates through.
        """
        if self.limiter is not None and not self._takes(self.limiter, len(data)):
            return
        try:
            message = data.decode() if opcode is TEXT else data
        except UnicodeDecodeError:
            self.close(CloseCode.NOT_UTF8, reason="closed")
            return
        self._deliver(opcode, message, len(data))

    def control(self, opcode: Opcode, data: bytes) -> None:
        """Queue a ping or pong, if the handler takes such."""
        if self.limiter is not None and not self._takes(self.limiter, len(data)):
            return
        if opcode in self.socket.definition.frames:
            self._deliver(opcode, data, len(data))

    @staticmethod
    def _takes(limiter: RateLimiter, size: int) -> bool:
        """Count a message of so many bytes; return False if the connection has been closed for it."""
        limiter.received(size)
        return limiter.take_raw()

    def _deliver(self, opcode: Opcode, data: str | bytes, size: int) -> None:
        if self._running is None:
            return
        if size <= self.light:
            self._running.deliver(Frame(opcode, data))
        else:
            self._running.deliver_heavy(Frame(opcode, data), size)

    def said_goodbye(self, answer: Callable[[], None]) -> None:
        """Answer the client's close when all that it sent before has been handled."""
        self._goodbye = answer
        if self._running is not None:
            self._running.end("closed")

    def tell(self, message: Any) -> None:
        """Pass a message of the server to the handler, if it takes such."""
        if self._running is not None and self.socket.definition.draining is not None:
            self._running.put_info(message)

    def ended(self, reason: str | Exception) -> None:
        """Tell the handler."""
        if self._running is not None:
            self._running.end(reason)

    # What the handler's server calls.

    def answer_goodbye(self) -> None:
        """Answer the client's close, if it has come and is not answered yet."""
        goodbye, self._goodbye = self._goodbye, None
        if goodbye is not None and not self.is_lost:
            goodbye()

    def send_control(self, opcode: Opcode, data: bytes) -> None:
        """Send a ping or a pong."""
        if not self.is_lost:
            self._transport.control(opcode, data)

    def close_by_handler(self, code: int, reason: str) -> None:
        """Close with a code of the application's own."""
        self._close(code, reason, "normal")
