"""Holds the rates of one connection: how fast its client may send. ``docs/limits.md``.

Theory of operation
-------------------
Only connections to sockets with rates have a :class:`RateLimiter`, so that no other connection keeps a bucket.
There are buckets for the connection's messages, joins and bytes, and one for each handler with a rate of its own,
made when it is first needed. No bucket belongs to a topic, or to anything else that the client chooses: a client
that joins again, or joins a hundred topics, gets no new tokens.

What happens beyond a rate:

==============================  ===========================================================================
the client sends                the server
==============================  ===========================================================================
a message to a channel, a join  answers with the error ``rate_limited``; without a ref, counts it as dropped
a heartbeat, a leave            handles it nevertheless: the protocol needs these (:data:`NEVER_REFUSED`)
a message to a raw socket       handles it, and pauses reading until the tokens are there
bytes                           pauses reading until the tokens are there
==============================  ===========================================================================

``Rates(excess="close")`` closes instead, and ``close_after`` closes after so many excesses in a row.

Bytes and raw messages have come already, so they can't be refused: the connection *owes* their tokens, and is not
read from until it owes nothing. TCP then slows the client down, and nothing is lost. While reading is paused, the
server does not see that a client has gone: megabytes may stand in the kernel before the end. So the idle timer
asks the transport (:meth:`RateLimiter.forgive_if_left`).
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
"""Of a socket of which only handlers have rates."""

NEVER_REFUSED: Final = frozenset(
    {Decision.HEARTBEAT, Decision.LEAVE, Decision.LEFT_ALREADY, Decision.STALE}
)
"""What is handled beyond a rate too, unless the excess closes the connection."""

JOINS: Final = frozenset({Decision.JOIN, Decision.REJOIN})


class RateLimiter:
    """The rates of one connection.

    Args:
        connection: Its connection, to a socket with rates.
        transport: The connection's.
    """

    __slots__ = (
        "_bytes",
        "_connection",
        "_due",
        "_events",
        "_excesses",
        "_is_forgiven",
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
        self._is_forgiven = False
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
            decision: What the message means.
            membership: The channel that it is for, if that is joined.
            message: The message.

        Returns:
            0.0 if the message is to be handled. Else it is to be refused, and the client may try again after so
            many seconds; or the connection has been closed.
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
        """Take the token of a ping or pong; the transport has answered it already."""
        if self._messages is not None and self._messages.take(self._now):
            self._exceed(Limit.MESSAGES, Decision.HEARTBEAT)

    def take_raw(self) -> bool:
        """Take the token of a message of a raw socket; return False if the connection has been closed for it."""
        messages = self._messages
        if messages is None:
            return True
        if self._rates.excess != "close":
            self._owe(Limit.MESSAGES, messages, 1)
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
        """Take the tokens of a message; return which limit has none, and in how many seconds it has."""
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
        """Count an excess; close if it is one too many, and return whether it is."""
        self._excesses += 1
        rates = self._rates
        is_last = rates.close_after is not None and self._excesses > rates.close_after
        is_strict = rates.excess == "close" and limit is not Limit.EVENT
        if is_last or (is_strict and decision not in NEVER_REFUSED):
            self._close(limit, topic, event)
            return True
        self._report(limit, topic, event)
        return False

    # Bytes, and what is owed.

    def received(self, size: int) -> None:
        """Count the bytes of a message, if the transport does not count those of frames."""
        if not self._transport.counts_bytes:
            self.metered(size)

    def metered(self, size: int) -> None:
        """Count bytes that have come."""
        if self._bytes is not None:
            self._owe(Limit.BYTES, self._bytes, size)

    @property
    def is_owed(self) -> bool:
        """Whether reading is paused because tokens are owed."""
        return self._timer is not None

    def forgive_if_left(self) -> None:
        """Read on at once, and pause no more, if the client has gone: what it sent before is read to its end."""
        if self._timer is not None and self._transport.is_left:
            self._is_forgiven = True
            self._timer.cancel()
            self._paid()

    def stop(self) -> None:
        """Let go of the timer: the connection is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _owe(self, limit: Limit, bucket: Bucket, count: int) -> None:
        """Take tokens, there or not; if some are owed by that, pause reading until none are."""
        now = self._now
        wait = bucket.draw(now, count)
        if not wait or self._is_forgiven:
            return
        if self._timer is None:
            self._report(limit)
            self._connection.pause_reading()
        else:  # a second bucket owes too, or more had been received when reading was paused
            self._timer.cancel()
        self._due = max(self._due, now + wait)
        self._timer = self._connection.server.loop.call_at(self._due, self._paid)

    def _paid(self) -> None:
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
