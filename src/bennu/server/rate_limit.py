"""Limits how fast the client of one connection can send. ``docs/limits.md``.

Theory of operation
-------------------
Only connections to sockets with rates have a :class:`RateLimiter` and its buckets. There are buckets for the
connection's messages, joins and bytes. A handler with a rate has a separate bucket, which is made when it is first
needed. No bucket belongs to a topic, or to another thing that the client chooses. So a client that joins again, or joins
a hundred topics, gets no new tokens.

Beyond a rate:

==============================  ===========================================================================
the client sends                the server
==============================  ===========================================================================
a message to a channel, a join  answers with the error ``rate_limited``; without a ref, counts it as dropped
a heartbeat, a leave            handles it nevertheless: the protocol needs these (:data:`NEVER_REFUSED`)
a message to a raw socket       handles it, and pauses reading until the bucket has tokens again
bytes                           pauses reading until the bucket has tokens again
==============================  ===========================================================================

``Rates(excess="close")`` closes the connection instead. ``close_after`` closes it after so many excesses in a row.

Bytes and raw messages can't be refused, because they are received already. So the server stops reading from the
connection until the bucket has their tokens. TCP then slows the client down, and nothing is lost. While reading is
paused, the server does not see that a client has gone: megabytes can wait in the kernel before the end. So the idle
timer asks the transport (:meth:`RateLimiter.stop_if_client_gone`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from ..limits.limits import Rates
from ..limits.rate import Bucket, Rate
from ..protocol.decisions import DELIVER, Decision
from ..reasons import CloseCode, Limit

if TYPE_CHECKING:
    from ..message import Message
    from ..protocol.decisions import Membership
    from .channel_server import ChannelServer
    from .connection import ServerConnection
    from .transport import Transport

__all__ = ["RateLimiter"]

NO_RATES: Final = Rates()
"""The rates of a socket where only handlers have rates."""

NEVER_REFUSED: Final = frozenset(
    {Decision.HEARTBEAT, Decision.LEAVE, Decision.LEFT_ALREADY, Decision.STALE}
)
"""Messages that are handled even beyond a rate, unless the excess closes the connection."""

JOINS: Final = frozenset({Decision.JOIN, Decision.REJOIN})


class RateLimiter:
    """Limits the rates of one connection.

    Args:
        connection: The connection, to a socket with rates.
        transport: The transport of the connection.
    """

    __slots__ = (
        "_bytes",
        "_connection",
        "_due",
        "_events",
        "_excesses",
        "_is_off",
        "_joins",
        "_messages",
        "_rates",
        "_timer",
        "_transport",
    )

    def __init__(self, connection: ServerConnection[Any], transport: Transport) -> None:
        self._connection = connection
        self._transport = transport
        self._rates = rates = connection.socket.rates or NO_RATES
        self._messages = _bucket(rates.messages)
        self._joins = _bucket(rates.joins)
        self._bytes = _bucket(rates.bytes)
        self._events: dict[Any, Bucket] = {}  # by handler
        self._excesses = 0  # in a row
        self._due = 0.0
        self._is_off = False
        self._timer: asyncio.TimerHandle | None = None

    # Messages.

    def take(
        self,
        decision: Decision,
        membership: Membership[ChannelServer] | None,
        message: Message,
    ) -> float:
        """Take the tokens of a message of the protocol of channels.

        Args:
            decision: The row of the decision table for the message.
            membership: The channel that the message is for, if it is joined.
            message: The message.

        Returns:
            0.0 if the message must be handled. Otherwise the message must be refused, and the number is the seconds
            after which the client can try again. The connection can have been closed.
        """
        limit, wait = self._exceeded(decision, membership, message)
        if limit is None:
            if decision not in NEVER_REFUSED:
                self._excesses = 0
            return 0.0
        topic = None if membership is None else membership.topic
        event = message.event if type(message.event) is str else None
        if self._exceed(limit, decision, topic, event):
            return wait
        return 0.0 if decision in NEVER_REFUSED else wait

    def take_control(self) -> None:
        """Take the token of a ping or pong, which the transport has answered already."""
        if self._messages is not None and self._messages.take(self._now):
            self._exceed(Limit.MESSAGES, Decision.HEARTBEAT)

    def take_raw(self) -> bool:
        """Take the token of a message of a raw socket; return False if the excess has closed the connection."""
        messages = self._messages
        if messages is None:
            return True
        if self._rates.excess != "close":
            self._take_or_pause(Limit.MESSAGES, messages, 1)
            return True
        if not messages.take(self._now):
            return True
        self._close(Limit.MESSAGES)
        return False

    def _exceeded(
        self,
        decision: Decision,
        membership: Membership[ChannelServer] | None,
        message: Message,
    ) -> tuple[Limit | None, float]:
        """Take the tokens of a message; return the limit without tokens, if any, and the seconds until it has some."""
        now = self._now
        if self._messages is not None and (wait := self._messages.take(now)):
            return Limit.MESSAGES, wait
        if decision in JOINS and self._joins is not None and (wait := self._joins.take(now)):
            return Limit.JOINS, wait
        if decision is DELIVER and membership is not None and type(message.event) is str:
            handler = membership.channel.definition.events.get(message.event)
            if handler is not None and handler.rate is not None:
                bucket = self._events.get(handler)
                if bucket is None:
                    bucket = self._events[handler] = Bucket(handler.rate)
                if wait := bucket.take(now):
                    return Limit.EVENT, wait
        return None, 0.0

    def _exceed(
        self, limit: Limit, decision: Decision, topic: str | None = None, event: str | None = None
    ) -> bool:
        """Count an excess; return whether it has closed the connection."""
        self._excesses += 1
        rates = self._rates
        is_last = rates.close_after is not None and self._excesses > rates.close_after
        is_strict = rates.excess == "close" and limit is not Limit.EVENT
        if is_last or (is_strict and decision not in NEVER_REFUSED):
            self._close(limit, topic, event)
            return True
        self._report(limit, topic, event)
        return False

    # Bytes, and pauses of reading.

    def received(self, size: int) -> None:
        """Count the bytes of a message, if the transport does not count the bytes of frames."""
        if not self._transport.counts_bytes:
            self.metered(size)

    def metered(self, size: int) -> None:
        """Count received bytes."""
        if self._bytes is not None:
            self._take_or_pause(Limit.BYTES, self._bytes, size)

    @property
    def is_paused(self) -> bool:
        """Whether reading is paused because a bucket lacks tokens."""
        return self._timer is not None

    def stop_if_client_gone(self) -> None:
        """If the client has gone, resume reading and never pause again, so that all its messages are read."""
        if self._timer is not None and self._transport.is_client_gone:
            self._is_off = True
            self._timer.cancel()
            self._resume()

    def stop(self) -> None:
        """Cancel the timer, because the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _take_or_pause(self, limit: Limit, bucket: Bucket, count: int) -> None:
        """Take tokens, even if the bucket lacks them; then pause reading until the bucket has them."""
        now = self._now
        wait = bucket.draw(now, count)
        if not wait or self._is_off:
            return
        if self._timer is None:
            self._report(limit)
            self._connection.pause_reading()
        else:  # a second bucket lacks tokens too, or more bytes came after the pause began
            self._timer.cancel()
        self._due = max(self._due, now + wait)
        self._timer = self._connection.server.loop.call_at(self._due, self._resume)

    def _resume(self) -> None:
        self._timer = None
        self._connection.resume_reading()

    # The rest.

    @property
    def _now(self) -> float:
        return self._connection.server.loop.time()

    def _report(self, limit: Limit, topic: str | None = None, event: str | None = None) -> None:
        connection = self._connection
        connection.server.telemetry.limit_exceeded(limit, connection.info.peer.host, topic, event)

    def _close(self, limit: Limit, topic: str | None = None, event: str | None = None) -> None:
        self._report(limit, topic, event)
        self._connection.close(CloseCode.RATE_LIMITED, reason="closed")


def _bucket(rate: Rate | None) -> Bucket | None:
    return None if rate is None else Bucket(rate)
