"""A connection to a raw socket: gives the client's messages to the user's handler. Protocol document, §1.14.

A :class:`~bennu.server.raw_server.RawServer` runs the handler. A connection ends in two ways:

- The client has gone, or the server closes. The handler handles the end in its turn.
- A method raised, or called ``close``. The close frame is sent first, then ``closed`` runs.

A client's close is answered when all its earlier messages are handled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..message import TEXT, Opcode
from ..raw import RawSocket
from ..reasons import CloseCode
from .connection import ServerConnection
from .mailbox import Frame, Mailbox
from .raw_server import RawServer

if TYPE_CHECKING:
    from .handshake import Accepted
    from .rate_limit import RateLimiter
    from .server import Server
    from .transport import Transport

__all__ = ["RawConnection"]


class RawConnection(ServerConnection[RawSocket[Any]]):
    """An open connection to a raw socket."""

    __slots__ = ("_close_answer", "_running")

    def __init__(
        self, server: Server, accepted: Accepted[RawSocket[Any]], transport: Transport
    ) -> None:
        self._running: RawServer | None = None
        self._close_answer: Callable[[], None] | None = None
        super().__init__(server, accepted, transport)
        definition = self.socket.definition
        try:
            self._running = RawServer(self, definition)
        except Exception as error:
            self.server.log.exception("%s could not be made", definition.name)
            self.close(CloseCode.INTERNAL_ERROR, reason=error)
        else:
            self._running.begin()

    # Methods for the transport.

    def receive(self, opcode: Opcode, data: bytes) -> None:
        """Queue one message of the client.

        Args:
            opcode: TEXT or BINARY.
            data: The message. Text is UTF-8, but some ASGI servers accept lone surrogates.
        """
        if self.tally is not None:
            self.tally.received(len(data))
        if self.server.inspector.is_open:
            self.server.inspector.received(self, opcode, data)
        if self.limiter is not None and not self._takes(self.limiter, len(data)):
            return
        try:
            message = data.decode() if opcode is TEXT else data
        except UnicodeDecodeError:
            self.close(CloseCode.NOT_UTF8, reason="closed")
            return
        self._deliver(opcode, message, len(data))

    def control(self, opcode: Opcode, data: bytes) -> None:
        """Queue a ping or pong, if the handler takes such frames."""
        if self.limiter is not None and not self._takes(self.limiter, len(data)):
            return
        if opcode in self.socket.definition.frames:
            self._deliver(opcode, data, len(data))

    @staticmethod
    def _takes(limiter: RateLimiter, size: int) -> bool:
        """Count a message of ``size`` bytes; return False if it has exceeded a rate that closes the connection."""
        limiter.received(size)
        return limiter.take_raw()

    def _deliver(self, opcode: Opcode, data: str | bytes, size: int) -> None:
        if self._running is None:
            return
        if size <= self.small:
            self._running.deliver(Frame(opcode, data))
        else:
            self._running.deliver_large(Frame(opcode, data), size)

    def close_received(self, answer: Callable[[], None]) -> None:
        """Queue the client's close. It is answered when all earlier messages are handled."""
        self._close_answer = answer
        if self._running is not None:
            self._running.end("closed")

    def put_info(self, message: Any) -> None:
        """Queue a message of the server for the handler, if it handles ``Draining``."""
        if self._running is not None and self.socket.definition.draining is not None:
            self._running.put_info(message)

    def ended(self, reason: str | Exception) -> None:
        """Queue the end for the handler."""
        if self._running is not None:
            self._running.end(reason)

    def mailboxes(self) -> list[tuple[object, Mailbox]]:
        """Return the mailbox of the handler, if it has one, with the definition of its class."""
        box = None if self._running is None else self._running.task.mailbox
        return [] if box is None else [(self.socket.definition, box)]

    # Methods for the handler's server.

    def answer_close(self) -> None:
        """Answer the client's close, if there is one that is not answered yet."""
        answer, self._close_answer = self._close_answer, None
        if answer is not None and not self.is_lost:
            answer()

    def send_control(self, opcode: Opcode, data: bytes) -> None:
        """Send a ping or a pong."""
        if not self.is_lost:
            self._transport.control(opcode, data)

    def close_by_handler(self, code: int, reason: str) -> None:
        """Close with a code that the application chose."""
        self._close(code, reason, "normal")
