"""One client's connection, whatever is spoken on it: the part that every kind of it shares.

A link stands between a transport, which brings what the client sends, and what becomes of that:
:class:`~bennu.server.connection.Connection` speaks the protocol of channels. It is also an outbox of
the fast lane: broadcasts are written to it without passing here, and :meth:`Link.send` first lets out
what was broadcast before.

A transport has a buffer, and a mark in it. When what waits there goes over the mark it calls
:meth:`Link.congested`, and when there is room again :meth:`Link.drained`; in between
:class:`~bennu.server.backpressure.Slow` decides what becomes of the messages.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic

from typing_extensions import TypeVar

from ..message import Disconnect, Encoded, Opcode
from ..pubsub import Framing, Writer
from ..reasons import CloseCode
from ..socket import SocketBase
from .accepted import Accepted
from .backpressure import Slow, SlowChannel, discard
from .expiry import Ending, make_ending
from .server import Server
from .transport import Transport

__all__ = ["Link"]

LIGHT: Final = 1024
"""Bytes up to which a message is not weighed: the number of those that wait is bounded."""
SHARES: Final = 6_400
"""Messages that wait for a hundred channels: together they may weigh as much as the bound."""

K = TypeVar("K", bound=SocketBase[Any], default=Any)


class Link(ABC, Generic[K]):
    """An open connection.

    Args:
        server: Its endpoint's.
        accepted: What the handshake found.
        wire: The transport.

    Attributes:
        silent: How often it was looked at since anything came; the transport sets it to zero.
        slow: What stands between it and a client that reads too slowly.
        write: Takes what the transport's framing made, and never waits.
        light: Bytes of a message up to which it is not weighed.
        is_lost: Whether there is nobody to write to any more.
        context: The context variables that channels see which are joined from now on.
    """

    __slots__ = (
        "_batch",
        "_ending",
        "_frame",
        "_full",
        "_is_loaded",
        "_unhandled",
        "_wire",
        "assigns",
        "context",
        "cursor",
        "id",
        "info",
        "is_lost",
        "lanes",
        "light",
        "server",
        "silent",
        "slow",
        "socket",
        "write",
    )

    def __init__(self, server: Server, accepted: Accepted[K], wire: Transport) -> None:
        self.server = server
        self.socket = accepted.socket
        self.info = accepted.info
        self.assigns = accepted.assigns
        self.context = accepted.context
        self.id = accepted.id
        self.is_lost = False
        self.silent = 0
        self.slow: Slow | None = None
        self.write: Writer = wire.write
        self.lanes = 0
        self.cursor = 0
        self._full = 0
        self._unhandled = 0
        self._is_loaded = False
        self.light = min(LIGHT, self.socket.max_unhandled // SHARES)
        self._wire = wire
        self._frame = wire.framing.frame
        self._batch = server.pubsub.batch
        self._ending: Ending | None = self._bind()
        self._enter()

    def _bind(self) -> Ending | None:
        """Return what may end it from outside."""
        return make_ending(self)

    def _enter(self) -> None:
        """Be counted."""
        self.server.opened(self)

    def _go(self) -> None:
        """Be counted no more."""
        self.server.closed(self)

    @property
    def transport(self) -> str:
        """The transport's name."""
        return self._wire.name

    @property
    def max_frame_size(self) -> int:
        """Bytes of one message of the client."""
        return self.socket.max_frame_size

    @property
    def framing(self) -> Framing:
        """How messages are written to it."""
        return self._wire.framing

    # What the transport tells us.

    @abstractmethod
    def receive(self, opcode: Opcode, data: bytes) -> None:
        """Handle one message of the client. Text is valid UTF-8 by now."""

    def control(self, opcode: Opcode, data: bytes) -> None:
        """Take note of a ping, which has been answered, or a pong: channels don't."""

    def metered(self, size: int) -> None:
        """Take note that so many bytes have come, of a transport that counts them."""

    def said_goodbye(self, answer: Callable[[], None]) -> None:
        """Have the client's close answered: now, unless there is something to say before."""
        answer()

    def lost(self, reason: str | Exception = "closed") -> None:
        """End: the wire is gone, or is about to be."""
        if self.is_lost:
            return
        self.is_lost = True
        self.write = discard
        slow, self.slow = self.slow, None
        if slow is not None:
            slow.drop_all()
        self._go()
        if self._ending is not None:
            self._ending.cancel()
        self.ended(reason)

    @abstractmethod
    def ended(self, reason: str | Exception) -> None:
        """Let go of what was going on, once."""

    def congested(self, bound: int | None = None) -> None:
        """Write less: more waits in the transport than its mark. It may say so during a write.

        Args:
            bound: Bytes that may wait, if it is not the socket's ``max_unsent``.
        """
        if self.slow is not None:
            self.slow.choke()
        elif not self.is_lost:
            self.slow = Slow(self, self._wire, bound or self.socket.max_unsent)
            self.write = self.slow.write
            self._batch.when_written(self.slow.sort)

    def drained(self) -> None:
        """Write to the transport again: its buffer is nearly empty."""
        if self.slow is not None:
            self.slow.drained()

    def members(self) -> Sequence[SlowChannel]:
        """Return the channels that are joined; they may let messages for a slow client be dropped."""
        return ()

    def sweep(self, limit: int) -> None:
        """Count a look at a connection that may be silent; close it after so many."""
        if self.is_held or self._wire.keeps_time:
            return
        if self.slow is not None and self.slow.is_read():
            self.silent = 0
        self.silent += 1
        if self.silent > limit:
            self.server.log.info(
                "Closing a connection that was silent for %gs", self.socket.timeout
            )
            self.close(CloseCode.SILENT, reason="closed")

    @property
    def is_held(self) -> bool:
        """Whether it does not listen, so that silence is no wonder."""
        return False

    # What is told by who takes the client's messages.

    def inbox_full(self) -> None:
        """Stop reading: who takes them can't keep up."""
        self._full += 1
        self._wire.pause_reading()

    def inbox_drained(self) -> None:
        """Go on reading: they have caught up by half."""
        self._full -= 1
        self._resume()

    def load(self, size: int) -> None:
        """Count bytes that wait for who takes them; beyond the bound stop reading."""
        self._unhandled += size
        if self._unhandled > self.socket.max_unhandled and not self._is_loaded:
            self._is_loaded = True
            self.inbox_full()

    def unload(self, size: int) -> None:
        """Count them no more; go on reading when half of the bound is left."""
        self._unhandled -= size
        if self._is_loaded and self._unhandled <= self.socket.max_unhandled // 2:
            self._is_loaded = False
            self.inbox_drained()

    def _resume(self) -> None:
        if not self.is_held and not self._full and not self.is_lost:
            self.silent = 0
            self._wire.resume_reading()

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
        if self.slow is not None:
            self.slow.settle()

    def close(
        self, code: CloseCode, text: str | None = None, *, reason: str | Exception = "shutdown"
    ) -> None:
        """Close from our side.

        Args:
            code: Why, as the client sees it.
            text: The close frame's reason, if it is not the usual one.
            reason: What the channels' ``terminate`` is told.
        """
        self._close(code.code, code.text if text is None else text, reason)

    def _close(self, code: int, text: str, reason: str | Exception) -> None:
        if self.is_lost:
            return
        self.settle()
        self.lost(reason)
        self._wire.close(code, text)

    @abstractmethod
    def tell(self, message: Any) -> None:
        """Pass news of the server's own on to whoever handles such."""

    def heard(self, message: Any) -> None:
        """Obey what is said to one of the connection's ids: only ``Disconnect`` means something."""
        if isinstance(message, Disconnect):
            self.close(CloseCode.DISCONNECTED, reason="disconnected")
