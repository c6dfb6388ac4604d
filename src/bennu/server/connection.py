"""One client's connection: between a transport and the objects that handle the client's messages.

Theory of operation
-------------------
:class:`ServerConnection` is the base class of three kinds. Each kind handles the client's messages in its own way:

- :class:`~bennu.server.channel_connection.ChannelConnection` uses the protocol of channels;
- :class:`~bennu.server.raw_connection.RawConnection` gives messages to the handler of a raw socket;
- :class:`~bennu.server.refused_connection.RefusedConnection` tells a refused client the reason.

:meth:`Accepted.open <bennu.server.handshake.Accepted.open>` chooses the kind.

**Writing.** The fast lane writes broadcasts to the transport without a call of this class.
:meth:`ServerConnection.send` first writes the broadcasts that came before its message. A transport has a buffer with a
high-water mark. Over the mark, the transport calls :meth:`ServerConnection.congested`. When the buffer has room again,
the transport calls :meth:`ServerConnection.drained`. In between, a
:class:`~bennu.server.backpressure.Backpressure` decides about each message.

**Reading.** An object that can't take more of the client's messages calls :meth:`ServerConnection.pause_reading`, and
later :meth:`ServerConnection.resume_reading`. The transport is read again when all these objects have resumed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic

from typing_extensions import TypeVar

from ..logs.context import running
from ..message import Disconnect, Encoded, Opcode
from ..pubsub import Framing, Writer
from ..reasons import CloseCode
from ..socket import SocketBase
from .backpressure import Backpressure, discard
from .closing import report_closed
from .expiry import Expiry, listen_to_id
from .rate_limit import RateLimiter
from .running import AboutConnection

if TYPE_CHECKING:
    from ..metrics.tallies import ConnectionTally
    from ..pubsub import Subscription
    from ..user_code.callback import Callback
    from .channel_server import ChannelServer
    from .handshake import Accepted
    from .mailbox import Mailbox
    from .server import Server
    from .transport import Transport

__all__ = ["ServerConnection"]

SMALL: Final = 1024
"""The most bytes of a small message. Small messages that wait are limited by their number, so their bytes are not counted."""
SHARES: Final = 6_400
"""Small messages that can wait for a hundred channels (64 each): together they have at most ``max_unhandled`` bytes."""

K = TypeVar("K", bound=SocketBase[Any], default=Any)


class ServerConnection(ABC, Generic[K]):
    """An open connection.

    Args:
        server: The endpoint's server.
        accepted: The result of the handshake.
        transport: The transport of the connection. It can be written to.

    Attributes:
        backpressure: Decides about messages while the client reads too slowly; else None.
        close_code: The code with which the server has closed the connection; None if it has not.
        context: The context variables of channels that join from now on.
        expiry: The time limit and the ids of the connection, or the subscription to its only id; None if it has none.
        is_lost: Whether the connection has ended, so that nothing can be written.
        small: The most bytes of a small message, which are not counted.
        tally: Counts the messages for metrics; None without metrics, and after the end.
        limiter: Limits the rates of the client's messages; None if neither the socket nor an event has a rate.
        mount: The path on which the socket is mounted.
        opened_at: The time at which the connection opened, in seconds of the event loop.
        silent: The number of checks by the idle timer since the client's last message. The transport sets it to zero.
        write: Writes a framed message, and never waits.
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
        "close_code",
        "context",
        "cursor",
        "expiry",
        "id",
        "info",
        "is_lost",
        "lanes",
        "limiter",
        "mount",
        "opened_at",
        "server",
        "silent",
        "small",
        "socket",
        "tally",
        "write",
    )

    def __init__(self, server: Server, accepted: Accepted[K], transport: Transport) -> None:
        self.server = server
        self.socket = socket = accepted.socket
        self.mount = accepted.mount
        self.info = accepted.info
        self.assigns = accepted.assigns
        self.context = accepted.context
        self.id = accepted.id
        self.is_lost = False
        self.tally: ConnectionTally | None = None
        self.opened_at = server.loop.time()
        self.close_code: int | None = None
        self.silent = 0
        self.backpressure: Backpressure | None = None
        self.write: Writer = transport.write
        self.lanes = 0
        self.cursor = 0
        self._pauses = 0
        self._unhandled = 0
        self._is_loaded = False
        self.small = min(SMALL, socket.max_unhandled // SHARES)
        self._transport = transport
        self._frame: Callable[[Opcode, bytes], Any] = transport.framing.frame
        self._batch = server.pubsub.batch
        self.limiter: RateLimiter | None = None
        if socket.is_rated:
            self.limiter = RateLimiter(self, transport)
        self.expiry: Expiry | Subscription | None = self._make_expiry()
        self._enter()

    def _make_expiry(self) -> Expiry | Subscription | None:
        """Return the time limit and ids of the connection, or the subscription to its only id, or None."""
        if self.info.is_bound:
            return Expiry(self)
        return None if self.id is None else listen_to_id(self, self.id)

    def _enter(self) -> None:
        """Add the connection to the connections of the endpoint."""
        self.server.opened(self)

    def _exit(self, reason: str | Exception) -> None:
        """Remove the connection from the connections of the endpoint, and report its end."""
        self.server.closed(self)
        report_closed(self, reason)

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

    # Methods for the transport.

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
        """Count received bytes, including the headers of frames."""
        if self.limiter is not None:
            self.limiter.metered(size)

    def close_received(self, answer: Callable[[], None]) -> None:
        """Handle the client's close.

        Args:
            answer: Answers the close. It is called at once, or when all earlier messages are handled.
        """
        answer()

    def lost(self, reason: str | Exception = "closed") -> None:
        """End the connection, because its transport is gone or will close. A second call does nothing."""
        if self.is_lost:
            return
        self.is_lost = True
        self.write = discard
        backpressure, self.backpressure = self.backpressure, None
        if backpressure is not None:
            backpressure.drop_all()
        self._exit(reason)
        # These objects refer to the connection. Without them it is freed without the garbage collector.
        expiry, self.expiry = self.expiry, None
        if expiry is not None:
            expiry.cancel()
        limiter, self.limiter = self.limiter, None
        if limiter is not None:
            limiter.stop()
        self.ended(reason)

    @abstractmethod
    def ended(self, reason: str | Exception) -> None:
        """End the channels or the handler of this connection. This is called once."""

    def congested(self, bound: int | None = None) -> None:
        """Begin backpressure: the transport's buffer is over its mark. The transport can call this during a write.

        Args:
            bound: The most bytes that can wait; None is the socket's ``max_unsent``.
        """
        if self.backpressure is not None:
            self.backpressure.congested()
        elif not self.is_lost:
            self.backpressure = Backpressure(self, self._transport, bound or self.socket.max_unsent)
            self.write = self.backpressure.write
            self._batch.when_written(self.backpressure.begin_queueing)

    def drained(self) -> None:
        """Continue to write to the transport: its buffer is nearly empty."""
        if self.backpressure is not None:
            self.backpressure.drained()

    def members(self) -> Sequence[ChannelServer]:
        """Return the joined channels. Some of them can allow drops for a slow client."""
        return ()

    def mailboxes(self) -> list[tuple[object, Mailbox]]:
        """Return the mailbox of each channel or handler that has one, with the definition of its class."""
        boxes = [(channel.definition, channel.task.mailbox) for channel in self.members()]
        return [(definition, box) for definition, box in boxes if box is not None]

    # The idle timer.

    def sweep(self, limit: int) -> None:
        """Check whether the client was silent since the last check. Close the connection after ``limit`` such checks."""
        if self.limiter is not None:
            self.limiter.stop_if_client_gone()
        if self.is_held or self._transport.keeps_time:
            return
        if self.backpressure is not None and self.backpressure.is_read():
            self.silent = 0
        self.silent += 1
        if self.silent > limit:
            with running(AboutConnection(self)):
                self.server.log.info(
                    "Closing a connection that was silent for %gs", self.socket.timeout
                )
            self.close(CloseCode.SILENT, reason="closed")

    @property
    def is_held(self) -> bool:
        """Whether the server itself does not read, so that silence does not mean that the client is gone."""
        return self.limiter is not None and self.limiter.is_paused

    def in_thread(self, callback: Callback, /, *args: Any) -> Awaitable[Any]:
        """Run a plain method of an object on this connection in a worker thread."""
        return self.server.pools.handlers.run(self, callback, args)

    # When to read.

    def pause_reading(self) -> None:
        """Stop reading, until :meth:`resume_reading` was called as often as this method."""
        self._pauses += 1
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """End one pause. After the last pause, read again."""
        self._pauses -= 1
        if not self._pauses and not self.is_lost:
            self.silent = 0
            self._transport.resume_reading()

    def load(self, size: int) -> None:
        """Count the bytes of a message that waits to be handled. Beyond ``max_unhandled`` stop reading."""
        self._unhandled += size
        if self._unhandled > self.socket.max_unhandled and not self._is_loaded:
            self._is_loaded = True
            self.pause_reading()

    def unload(self, size: int) -> None:
        """Subtract the bytes of a message that was handled. Read again at half of ``max_unhandled``."""
        self._unhandled -= size
        if self._is_loaded and self._unhandled <= self.socket.max_unhandled // 2:
            self._is_loaded = False
            self.resume_reading()

    # Writing.

    def send(self, encoded: Encoded, status: str | None = None) -> None:
        """Write a message to this client only, after all earlier broadcasts to it.

        Args:
            encoded: The message.
            status: The status of a reply; None for any other message.
        """
        batch = self._batch
        if batch.entries:
            batch.sync(self)
        frame = self._frame(*encoded)
        if self.tally is not None:
            self.tally.sent(frame, status)
        self.write(frame)

    def send_framed(self, frames: Sequence[Any]) -> None:
        """Write framed entries of a history to this client only, after all earlier broadcasts to it."""
        batch = self._batch
        if batch.entries:
            batch.sync(self)
        framed = frames[0] if len(frames) == 1 else self.framing.join(frames)
        if self.tally is not None:
            self.tally.caught_up(len(frames), framed)
        self.write(framed)

    def settle(self) -> None:
        """Give the transport all messages that wait for this client, before an orderly end."""
        self._batch.sync(self)
        if self.backpressure is not None:
            self.backpressure.settle()

    def close(
        self, code: CloseCode, text: str | None = None, *, reason: str | Exception = "shutdown"
    ) -> None:
        """Close the connection from the server's side.

        Args:
            code: The code in the close frame.
            text: The reason in the close frame; None is the usual text of the code.
            reason: The argument of the channels' ``terminate``.
        """
        self._close(code.code, code.text if text is None else text, reason)

    def _close(self, code: int, text: str, reason: str | Exception) -> None:
        if self.is_lost:
            return
        self.settle()
        self.close_code = code
        self.lost(reason)
        self._transport.close(code, text)

    def framed(self, encoded: Encoded) -> Any:
        """Return a message to this client only, as the transport writes it."""
        return self._frame(*encoded)

    # For the inspector. Nothing here costs time while the connection is not followed.

    def put_between(self, make: Callable[[Transport], Transport]) -> None:
        """Let another transport stand between the connection and its transport.

        Args:
            make: Returns the new transport, from the present one.
        """
        self._transport = transport = make(self._transport)
        if self.backpressure is not None:
            self.backpressure.put_between(transport)
        elif not self.is_lost:
            self.write = transport.write

    def frame_by(self, frame: Callable[[Opcode, bytes], Any] | None) -> None:
        """Frame the messages to this client only by a function. None is the framing of the transport."""
        self._frame = self.framing.frame if frame is None else frame

    def show_received(self, *, is_on: bool) -> None:
        """Show each message of the client to the inspector from now on, or no more."""

    # Messages of the server.

    @abstractmethod
    def put_info(self, message: Any) -> None:
        """Queue a message of the server for the channels or the handler of this connection that take it."""

    def receive_by_id(self, message: Any) -> None:
        """Handle a message to one of the connection's ids: only ``Disconnect`` has an effect."""
        if isinstance(message, Disconnect):
            self.close(CloseCode.DISCONNECTED, reason="disconnected")
