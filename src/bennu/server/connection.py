"""One client's connection, whatever it speaks: between a transport and what handles the client's messages.

Theory of operation
-------------------
:class:`ServerConnection` is what all kinds share. Each kind handles the client's messages in its own way:

- :class:`~bennu.server.channel_connection.ChannelConnection` speaks the protocol of channels;
- :class:`~bennu.server.raw_connection.RawConnection` gives messages to the handler of a raw socket;
- :class:`~bennu.server.refused_connection.RefusedConnection` tells a refused client the reason.

:meth:`Accepted.open <bennu.server.handshake.Accepted.open>` chooses the kind.

**Writing.** A connection is also an outbox of the fast lane: broadcasts are written to it without a call here.
:meth:`ServerConnection.send` first writes what was broadcast before. A transport has a buffer with a high-water
mark. Over the mark, the transport calls :meth:`ServerConnection.congested`; when it has room again,
:meth:`ServerConnection.drained`. In between, a :class:`~bennu.server.backpressure.Backpressure` decides about
each message.

**Reading.** Whatever can't take more of the client's messages calls :meth:`ServerConnection.pause_reading`, and
later :meth:`ServerConnection.resume_reading`. The transport is read again when all have resumed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic

from typing_extensions import TypeVar

from ..message import Disconnect, Encoded, Opcode
from ..pubsub import Framing, Writer
from ..reasons import CloseCode
from ..socket import SocketBase
from .backpressure import Backpressure, discard
from .expiry import Expiry, listen_to_id
from .rate_limit import RateLimiter

if TYPE_CHECKING:
    from ..pubsub import Subscription
    from ..user_code.callback import Callback
    from .channel_server import ChannelServer
    from .handshake import Accepted
    from .server import Server
    from .transport import Transport

__all__ = ["ServerConnection"]

LIGHT: Final = 1024
"""Bytes up to which a message is not weighed: the number of those that wait is bounded."""
SHARES: Final = 6_400
"""Unweighed messages that may wait for a hundred channels: together they weigh at most as much as the bound."""

K = TypeVar("K", bound=SocketBase[Any], default=Any)


class ServerConnection(ABC, Generic[K]):
    """An open connection.

    Args:
        server: The endpoint's.
        accepted: The result of the handshake.
        transport: Carries the connection; it is ready to be written to.

    Attributes:
        backpressure: Decides about messages while the client reads too slowly; else None.
        context: The context variables of channels that join from now on.
        expiry: What can end the connection from outside, or None: its time and ids, or the subscription to its
            only id.
        is_lost: Whether the connection has ended, so that nothing can be written.
        light: Bytes of a message up to which it is not weighed.
        limiter: Holds the rates of the client's messages; None if the socket has no rates.
        silent: How many looks of the idle timer have passed since the client was heard. The transport sets it
            to zero.
        write: Takes what the transport's framing made, and never waits.
    """

    __slots__ = (
        "_batch",
        "_frame",
        "_is_loaded",
        "_pauses",
        "_transport",
        "_unhandled",
        "assigns",
        "backpressure",
        "context",
        "cursor",
        "expiry",
        "id",
        "info",
        "is_lost",
        "lanes",
        "light",
        "limiter",
        "server",
        "silent",
        "socket",
        "write",
    )

    def __init__(self, server: Server, accepted: Accepted[K], transport: Transport) -> None:
        self.server = server
        self.socket = socket = accepted.socket
        self.info = accepted.info
        self.assigns = accepted.assigns
        self.context = accepted.context
        self.id = accepted.id
        self.is_lost = False
        self.silent = 0
        self.backpressure: Backpressure | None = None
        self.write: Writer = transport.write
        self.lanes = 0
        self.cursor = 0
        self._pauses = 0
        self._unhandled = 0
        self._is_loaded = False
        self.light = min(LIGHT, socket.max_unhandled // SHARES)
        self._transport = transport
        self._frame = transport.framing.frame
        self._batch = server.pubsub.batch
        self.limiter: RateLimiter | None = None
        if socket.is_rated:
            self.limiter = RateLimiter(self, transport)
        self.expiry: Expiry | Subscription | None = self._make_expiry()
        self._enter()

    def _make_expiry(self) -> Expiry | Subscription | None:
        """Return what can end the connection from outside, if anything can."""
        if self.info.is_bound:
            return Expiry(self)
        return None if self.id is None else listen_to_id(self, self.id)

    def _enter(self) -> None:
        """Count the connection among the endpoint's."""
        self.server.opened(self)

    def _exit(self) -> None:
        """Count the connection no more."""
        self.server.closed(self)

    @property
    def transport(self) -> str:
        """The transport's name."""
        return self._transport.name

    @property
    def framing(self) -> Framing:
        """How messages are written to the transport."""
        return self._transport.framing

    @property
    def max_frame_size(self) -> int:
        """The most bytes of one message of the client."""
        return self.socket.max_frame_size

    # What the transport calls.

    @abstractmethod
    def receive(self, opcode: Opcode, data: bytes) -> None:
        """Handle one message of the client.

        Args:
            opcode: TEXT or BINARY.
            data: The message; text is valid UTF-8.
        """

    def control(self, opcode: Opcode, data: bytes) -> None:
        """Handle a ping, which the transport has answered, or a pong."""

    def metered(self, size: int) -> None:
        """Count bytes that have come, headers of frames included."""
        if self.limiter is not None:
            self.limiter.metered(size)

    def said_goodbye(self, answer: Callable[[], None]) -> None:
        """Have the client's close answered.

        Args:
            answer: Answers it: called at once, or when what came before has been handled.
        """
        answer()

    def lost(self, reason: str | Exception = "closed") -> None:
        """End: the transport is gone, or is about to be. A second call does nothing."""
        if self.is_lost:
            return
        self.is_lost = True
        self.write = discard
        backpressure, self.backpressure = self.backpressure, None
        if backpressure is not None:
            backpressure.drop_all()
        self._exit()
        # These know the connection: it lets go of them, so that it is freed without the garbage collector.
        expiry, self.expiry = self.expiry, None
        if expiry is not None:
            expiry.cancel()
        limiter, self.limiter = self.limiter, None
        if limiter is not None:
            limiter.stop()
        self.ended(reason)

    @abstractmethod
    def ended(self, reason: str | Exception) -> None:
        """End what runs on this connection: called once."""

    def congested(self, bound: int | None = None) -> None:
        """Write less: the transport's buffer is over its mark. The transport may call this during a write.

        Args:
            bound: Bytes that may wait; None is the socket's ``max_unsent``.
        """
        if self.backpressure is not None:
            self.backpressure.choke()
        elif not self.is_lost:
            self.backpressure = Backpressure(self, self._transport, bound or self.socket.max_unsent)
            self.write = self.backpressure.write
            self._batch.when_written(self.backpressure.sort)

    def drained(self) -> None:
        """Write to the transport again: its buffer is nearly empty."""
        if self.backpressure is not None:
            self.backpressure.drained()

    def members(self) -> Sequence[ChannelServer]:
        """Return the joined channels, some of which may allow drops for a slow client."""
        return ()

    # The idle timer.

    def sweep(self, limit: int) -> None:
        """Count a look at a connection that may be silent; close the connection after so many looks."""
        if self.limiter is not None:
            self.limiter.forgive_if_left()
        if self.is_held or self._transport.keeps_time:
            return
        if self.backpressure is not None and self.backpressure.is_read():
            self.silent = 0
        self.silent += 1
        if self.silent > limit:
            self.server.log.info(
                "Closing a connection that was silent for %gs", self.socket.timeout
            )
            self.close(CloseCode.SILENT, reason="closed")

    @property
    def is_held(self) -> bool:
        """Whether the server itself does not read, so that silence says nothing about the client."""
        return self.limiter is not None and self.limiter.is_owed

    def in_thread(self, callback: Callback, /, *args: Any) -> Awaitable[Any]:
        """Run a plain method of an object on this connection in a worker thread."""
        return self.server.pools.handlers.run(self, callback, args)

    # When to read.

    def pause_reading(self) -> None:
        """Stop reading, until :meth:`resume_reading` has been called as often as this."""
        self._pauses += 1
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take one pause back; with the last one, read again."""
        self._pauses -= 1
        if not self._pauses and not self.is_lost:
            self.silent = 0
            self._transport.resume_reading()

    def load(self, size: int) -> None:
        """Count bytes of a message that waits to be handled; beyond ``max_unhandled`` stop reading."""
        self._unhandled += size
        if self._unhandled > self.socket.max_unhandled and not self._is_loaded:
            self._is_loaded = True
            self.pause_reading()

    def unload(self, size: int) -> None:
        """Count them no more; read again when half of the bound is left."""
        self._unhandled -= size
        if self._is_loaded and self._unhandled <= self.socket.max_unhandled // 2:
            self._is_loaded = False
            self.resume_reading()

    # What is written.

    def send(self, encoded: Encoded) -> None:
        """Write a message to this client alone, after all that was broadcast to it before."""
        batch = self._batch
        if batch.log:
            batch.sync(self)
        self.write(self._frame(*encoded))

    def settle(self) -> None:
        """Give the transport all that waits for this client: an orderly end follows."""
        self._batch.sync(self)
        if self.backpressure is not None:
            self.backpressure.settle()

    def close(
        self, code: CloseCode, text: str | None = None, *, reason: str | Exception = "shutdown"
    ) -> None:
        """Close from our side.

        Args:
            code: Why, as the client sees it.
            text: The reason in the close frame; None is the usual one of the code.
            reason: What the channels' ``terminate`` gets.
        """
        self._close(code.code, code.text if text is None else text, reason)

    def _close(self, code: int, text: str, reason: str | Exception) -> None:
        if self.is_lost:
            return
        self.settle()
        self.lost(reason)
        self._transport.close(code, text)

    # What the server says.

    @abstractmethod
    def tell(self, message: Any) -> None:
        """Pass a message of the server to whatever on this connection handles such messages."""

    def heard(self, message: Any) -> None:
        """Obey a message to one of the connection's ids: only ``Disconnect`` means something."""
        if isinstance(message, Disconnect):
            self.close(CloseCode.DISCONNECTED, reason="disconnected")
