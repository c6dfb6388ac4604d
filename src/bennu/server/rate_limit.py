"""A connection whose messages have rates: each is looked at before anything is done about it.

Theory of operation
-------------------
Only sockets with rates have such connections (:mod:`bennu.server.opening`), so that all others neither
look nor keep a bucket. There are buckets for the connection's messages, joins and bytes, and one for each
handler with a rate of its own, made when it is first needed. Nothing is kept by a topic, or by anything
else that the client chooses: joining again, or a hundred topics, brings no new tokens.

A message over a rate is answered with an error reply. Without a ref it can't be, so it is counted as
dropped. What the protocol itself must see through (heartbeats, leaves, and what is ignored anyway) takes
tokens, but is handled even where there are none.

Bytes that have come can't be refused, so they are *paid for*: beyond the rate the connection is paused like
one whose channel's inbox is full, until the bucket owes nothing (:mod:`bennu.server.tab`). Pings count as
messages too; they have been answered already.
"""

from __future__ import annotations

import math
from typing import Any, Final

from ..errors import DecodeError
from ..limits.limits import Rates
from ..limits.rate import Bucket, Rate
from ..message import ERROR, Message, Opcode
from ..protocol.decisions import DELIVER, Decision, Membership
from ..reasons import CloseCode, DropReason, Limit, Reason
from ..socket import Socket
from .accepted import Accepted
from .channel_server import ChannelServer
from .connection import Connection
from .server import Server
from .tab import Tab
from .transport import Transport

__all__ = ["RatedConnection"]

NO_RATES: Final = Rates()

UNREFUSED: Final = frozenset(
    {Decision.HEARTBEAT, Decision.LEAVE, Decision.LEFT_ALREADY, Decision.STALE}
)
"""What is handled even over a rate."""

JOINS: Final = frozenset({Decision.JOIN, Decision.REJOIN})

UNJOINED: Final = "*"
"""The topic under which is counted what was meant for one that the client has not joined."""


class RatedConnection(Connection):
    """An open connection to a socket with rates."""

    __slots__ = ("_bytes", "_events", "_joins", "_messages", "_rates", "_refused", "_tab")

    def __init__(self, server: Server, accepted: Accepted[Socket[Any]], wire: Transport) -> None:
        self._rates = rates = accepted.socket.rates or NO_RATES
        self._messages = _bucket(rates.messages)
        self._joins = _bucket(rates.joins)
        self._bytes = _bucket(rates.bytes)
        self._events: dict[Any, Bucket] = {}
        self._refused = 0
        self._tab = Tab(self)
        super().__init__(server, accepted, wire)

    def receive(self, opcode: Opcode, data: bytes) -> None:
        """Handle one message of the client, or refuse it. Text is valid UTF-8 by now."""
        now = self.server.loop.time()
        size = len(data)
        if self._bytes is not None and not self._wire.counts_bytes:
            self._tab.put(Limit.BYTES, self._bytes, now, size)
        try:
            decode = self.serializer.decode if size <= self.plain else self.decode_long
            message = decode(opcode, data)
        except DecodeError as error:
            self.undecodable(error)
            return
        try:
            decision, membership = self._session.decide(message)
            exceeded = self._exceeded(decision, membership, message, now)
            if exceeded is None:
                if decision not in UNREFUSED:
                    self._refused = 0
            else:
                limit, wait = exceeded
                self._count(
                    limit,
                    None if membership is None else membership.topic,
                    message.event if type(message.event) is str else None,
                )
                if self._is_to_close(limit, decision):
                    self.close(CloseCode.RATE_LIMITED, reason="closed")
                    return
                if decision not in UNREFUSED:
                    self._refuse(decision, membership, message, wait)
                    return
            self.act(decision, membership, message, size)
        except Exception as error:  # noqa: BLE001 - logged there
            self.failed(error)

    def control(self, opcode: Opcode, data: bytes) -> None:
        """Count a ping or pong."""
        now = self.server.loop.time()
        if self._messages is not None and self._messages.take(now):
            self._count(Limit.MESSAGES, None, None)
            if self._is_to_close(Limit.MESSAGES, Decision.HEARTBEAT):
                self.close(CloseCode.RATE_LIMITED, reason="closed")

    def metered(self, size: int) -> None:
        """Count bytes of frames of any kind, with their headers."""
        if self._bytes is not None:
            self._tab.put(Limit.BYTES, self._bytes, self.server.loop.time(), size)

    def ended(self, reason: str | Exception) -> None:
        """Owe nothing any more, and end every channel for this reason."""
        self._tab.tear()
        super().ended(reason)

    def sweep(self, limit: int) -> None:
        """Count a look; if the client has gone while reading is paused, read what it left."""
        self._tab.look(self._wire)
        super().sweep(limit)

    @property
    def is_held(self) -> bool:
        """Whether a join is under way, or bytes are to be paid for."""
        return self._tab.is_open or super().is_held

    # Messages.

    def _exceeded(
        self,
        decision: Decision,
        membership: Membership[ChannelServer] | None,
        message: Message,
        now: float,
    ) -> tuple[Limit, float] | None:
        """Take the tokens of a message; return of what there were none, and when there will be."""
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
        return None

    def _count(self, limit: Limit, topic: str | None, event: str | None) -> None:
        self._refused += 1
        self.server.excesses.note(limit, self.info.peer.host, topic, event)

    def _is_to_close(self, limit: Limit, decision: Decision) -> bool:
        """Whether a message over a rate is the end: at once, or after so many in a row."""
        rates = self._rates
        if rates.close_after is not None and self._refused > rates.close_after:
            return True
        return rates.excess == "close" and limit is not Limit.EVENT and decision not in UNREFUSED

    def _refuse(
        self,
        decision: Decision,
        membership: Membership[ChannelServer] | None,
        message: Message,
        wait: float,
    ) -> None:
        """Answer a message that is not handled; one that can't be answered is counted."""
        if message.ref is None:
            topic = UNJOINED if membership is None else membership.topic
            self.server.telemetry.dropped(topic, DropReason.RATE_LIMITED)
            return
        join_ref = message.join_ref
        if decision is DELIVER and membership is not None:
            join_ref = membership.channel.join_ref
        response = Reason.RATE_LIMITED.payload(retry_after_ms=math.ceil(wait * 1000))
        self.reply(join_ref, message.ref, message.topic, ERROR, response)


def _bucket(rate: Rate | None) -> Bucket | None:
    return None if rate is None else Bucket(rate)
