"""A connection to a raw socket whose messages have rates.

Its protocol is the application's, so there is no answer to a message that comes too fast. It is handled all
the same, and the connection is not read from until it has *paid*: TCP slows the client down, and
nothing is lost. Or it is closed, if the socket wants that.
"""

from __future__ import annotations

from typing import Any

from ..limits.limits import Rates
from ..limits.rate import Bucket
from ..message import Opcode
from ..raw import RawSocket
from ..reasons import CloseCode, Limit
from .accepted import Accepted
from .raw_connection import RawConnection
from .server import Server
from .tab import Tab
from .transport import Transport

__all__ = ["RatedRawConnection"]


class RatedRawConnection(RawConnection):
    """An open connection to a raw socket with rates."""

    __slots__ = ("_bytes", "_is_strict", "_messages", "_tab")

    def __init__(self, server: Server, accepted: Accepted[RawSocket[Any]], wire: Transport) -> None:
        rates = accepted.socket.rates or Rates()
        self._messages = None if rates.messages is None else Bucket(rates.messages)
        self._bytes = None if rates.bytes is None else Bucket(rates.bytes)
        self._is_strict = rates.excess == "close"
        self._tab = Tab(self)
        super().__init__(server, accepted, wire)

    def receive(self, opcode: Opcode, data: bytes) -> None:
        """Count one message of the client, and queue it."""
        if self._is_let_in(len(data)):
            super().receive(opcode, data)

    def control(self, opcode: Opcode, data: bytes) -> None:
        """Count a ping or pong, and queue it if the handler wants to know of it."""
        if self._is_let_in(len(data)):
            super().control(opcode, data)

    def metered(self, size: int) -> None:
        """Count bytes of frames of any kind, with their headers."""
        if self._bytes is not None:
            self._tab.put(Limit.BYTES, self._bytes, self.server.loop.time(), size)

    def ended(self, reason: str | Exception) -> None:
        """Owe nothing any more, and tell the handler."""
        self._tab.tear()
        super().ended(reason)

    def sweep(self, limit: int) -> None:
        """Count a look; if the client has gone while reading is paused, read what it left."""
        self._tab.look(self._wire)
        super().sweep(limit)

    @property
    def is_held(self) -> bool:
        """Whether there is something to pay for."""
        return self._tab.is_open or super().is_held

    def _is_let_in(self, size: int) -> bool:
        """Take the tokens of a message; return False if there are none, and that is the end."""
        now = self.server.loop.time()
        if self._bytes is not None and not self._wire.counts_bytes:
            self._tab.put(Limit.BYTES, self._bytes, now, size)
        if self._messages is None:
            return True
        if not self._is_strict:
            self._tab.put(Limit.MESSAGES, self._messages, now, 1)
            return True
        if not self._messages.take(now):
            return True
        self.server.excesses.note(Limit.MESSAGES, self.info.peer.host)
        self.close(CloseCode.RATE_LIMITED, reason="closed")
        return False
