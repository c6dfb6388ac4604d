"""A connection to a raw socket, and the task that runs the user's handler. Protocol document, §1.14.

What the client sends goes into the handler's inbox, pings and pongs too if it wants them; what the
handler's methods return is written. A connection ends in two ways:

- from outside: the client is gone, or the server closes; the handler gets the news in its turn;
- from inside: a method raised, or said ``close``; the close frame goes out first, then ``closed`` runs.

A client that says goodbye is answered when all that it sent before has been handled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..message import TEXT, Opcode
from ..raw import RawSocket
from ..reasons import CloseCode
from .accepted import Accepted
from .link import Link
from .mailbox import Frame
from .raw_server import RawServer
from .server import Server
from .transport import Transport

__all__ = ["RawConnection"]


class RawConnection(Link[RawSocket[Any]]):
    """An open connection to a raw socket."""

    __slots__ = ("_goodbye", "_running")

    def __init__(self, server: Server, accepted: Accepted[RawSocket[Any]], wire: Transport) -> None:
        self._running: RawServer | None = None
        self._goodbye: Callable[[], None] | None = None
        super().__init__(server, accepted, wire)
        definition = self.socket.definition
        try:
            self._running = RawServer(self, definition)
        except Exception as error:
            self.server.log.exception("%s could not be made", definition.name)
            self.close(CloseCode.INTERNAL_ERROR, reason=error)
        else:
            self._running.begin()

    # What the transport tells us.

    def receive(self, opcode: Opcode, data: bytes) -> None:
        """Queue one message of the client."""
        try:
            message = data.decode() if opcode is TEXT else data
        except UnicodeDecodeError:  # an ASGI server may let lone surrogates through
            self.close(CloseCode.NOT_UTF8, reason="closed")
            return
        self._deliver(opcode, message, len(data))

    def control(self, opcode: Opcode, data: bytes) -> None:
        """Queue a ping or pong, if the handler wants to know of it."""
        if opcode in self.socket.definition.frames:
            self._deliver(opcode, data, len(data))

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
        """Pass news of the server's own on, if the handler wants to know of it."""
        if self._running is not None and self.socket.definition.draining is not None:
            self._running.put_info(message)

    def ended(self, reason: str | Exception) -> None:
        """Tell the handler."""
        if self._running is not None:
            self._running.end(reason)

    # What the handler tells us.

    def answer_goodbye(self) -> None:
        """Answer the client's close, if it has come and is not answered yet."""
        goodbye, self._goodbye = self._goodbye, None
        if goodbye is not None and not self.is_lost:
            goodbye()

    def send_control(self, opcode: Opcode, data: bytes) -> None:
        """Send a ping or a pong."""
        if not self.is_lost:
            self._wire.control(opcode, data)

    def close_by_handler(self, code: int, reason: str) -> None:
        """Close with a code of the application's own."""
        self._close(code, reason, "normal")
