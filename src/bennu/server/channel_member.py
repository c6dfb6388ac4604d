"""A channel of a topic with history, as the gate of the topic sees it.

Theory of operation
-------------------
The gate (:mod:`bennu.history.gate`) decides which entries a member gets. This class writes them.

A **live** member is in a lane: the fast lane writes its entries. It leaves the lane for two reasons. Its client reads too
slowly: then it catches up when the transport's buffer has room again, and meanwhile it keeps a few batches at most. Or the
channel has an ``@on_out`` for an entry: a handler is slower than a lane, and later entries would overtake what it pushes.
Then the entry goes to the handler, and the member catches up when the handler is done. The first push of the handler carries
the entry's position, so that a client that missed it can recover it. If the handler raises, the channel ends, and nothing is
written after it: the client joins again with a position before the entry.

A member that **catches up** writes its queue in batches, while the connection has no backpressure. It is in a lane that carries
what is not in the log: diffs of presences, for example, and local broadcasts.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import secrets
from collections.abc import Awaitable
from contextvars import ContextVar
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from msgspec import Raw

from ..definition import Handler
from ..errors import EncodeError
from ..history.answer import RecoveryAnswer, add_recovery
from ..history.guard import STORE_TIMEOUT
from ..history.member import HistoryMember, MemberState
from ..history.position import Asked, Position
from ..history.topic_log import TopicLog
from ..message import Broadcast, Encoded, Message
from ..protocol.encoding import raw_object
from ..store.entry import NOBODY, LogEntry
from ..user_code.callback import UNFINISHED
from .end import End, Trigger
from .mailbox import Kind

if TYPE_CHECKING:
    from .channel_server import ChannelServer

__all__ = ["ChannelMember", "JoinResult"]

BATCH: Final = 64 * 1024
"""Bytes of one write while a member catches up."""

HELD: Final = 4 * BATCH
"""Bytes of payloads that a member keeps while its client does not read. It reads the rest from the store later."""

KICK_WITHIN: Final = 2.0
"""The most seconds between a kick and its ``phx_error``: the members of a topic don't join again at the same moment."""

_handling: Final[ContextVar[LogEntry | None]] = ContextVar("_handling", default=None)
"""The entry whose handler is running, in the context of the handler and of what it calls."""

_decode = msgspec.json.Decoder().decode


class JoinResult(Enum):
    """What became of a join."""

    JOINED = auto()
    """The client has its reply."""
    REFUSED = auto()
    """The store does not answer."""
    CRASHED = auto()
    """The response can't be sent."""
    LOST = auto()
    """The connection is gone."""


class ChannelMember(HistoryMember):
    """A channel as a member of its topic.

    Args:
        channel: The channel.
        log: The followed topic.
        message: The client's join.
        asked: What the join asks for; None for a plain member.
        floor: The time before which the member may not read, in milliseconds since 1970; None for no such time.
        stood_at: Where the log stood before the user's ``join`` ran; None if it is unknown.
    """

    __slots__ = (
        "_channel",
        "_handled",
        "_is_writing",
        "_joined",
        "_kick",
        "_log",
        "_message",
        "_response",
    )

    def __init__(
        self,
        channel: ChannelServer,
        log: TopicLog,
        message: Message,
        asked: Asked | None,
        floor: float | None,
        stood_at: Position | None = None,
    ) -> None:
        super().__init__(asked, _sender(channel, asked), floor, stood_at)
        self._channel = channel
        self._log = log
        self._message = message
        self._response: Any = None
        self._joined: asyncio.Future[JoinResult] | None = None
        self._handled: LogEntry | None = None
        self._is_writing = False
        self._kick: asyncio.TimerHandle | None = None

    # The join and the end.

    async def join(self, response: Any) -> JoinResult:
        """Join the topic, and answer the client's join.

        Args:
            response: The response of the user's ``join``.
        """
        loop = self._channel.connection.server.loop
        self._response = response
        joined = self._joined = loop.create_future()
        timer = loop.call_later(STORE_TIMEOUT, self.refuse)
        try:
            self._log.join(self, self._channel)
            result: JoinResult = await joined
            return result
        finally:
            timer.cancel()
            self._joined = None
            self._response = None

    def lost(self) -> None:
        """Take the news that the connection is gone."""
        self._resolve(JoinResult.LOST)

    def end(self) -> None:
        """Leave the topic, because the channel has ended."""
        if self._kick is not None:
            self._kick.cancel()
            self._kick = None
        self._log.leave(self, self._channel)

    def accept(self, answer: RecoveryAnswer | None) -> bool:
        """Write the reply to the join."""
        channel, connection = self._channel, self._channel.connection
        if self._joined is None or self._joined.done():  # it took too long
            return False
        if connection.is_lost:
            self._resolve(JoinResult.LOST)
            return False
        try:
            response = self._response
            if answer is not None:
                response = add_recovery(response, answer)
            connection.joined(channel, self._message, response)
        except EncodeError:
            connection.server.log.exception(
                "The join of %r returned a value that can't be sent", channel.topic
            )
            self._resolve(JoinResult.CRASHED)
            return False
        self._resolve(JoinResult.JOINED)
        return True

    def refuse(self) -> None:
        """Take the news that the store does not answer."""
        self._resolve(JoinResult.REFUSED)

    def _resolve(self, result: JoinResult) -> None:
        if self._joined is not None and not self._joined.done():
            self._joined.set_result(result)

    def kick(self) -> None:
        """Leave the lane at once, and end the channel within some seconds, so that the client joins again."""
        channel = self._channel
        channel.leave_lane()
        delay = random.uniform(0, KICK_WITHIN)  # noqa: S311 - no secret
        self._kick = channel.connection.server.loop.call_later(delay, self._end_channel)

    def _end_channel(self) -> None:
        self._kick = None
        end = End(Trigger.FAILED, "history")
        self._channel.task.put_end(end, end)

    # Live.

    @property
    def entries_in_lane(self) -> bool | None:
        """Whether the entries in the member's lane carry positions; None for a lane without entries."""
        if not self.is_positioned:
            return False
        return True if self.state is MemberState.LIVE else None

    def go_live(self) -> None:
        """Enter the lane. A plain member is in its lane already."""
        if self.is_positioned:
            self._channel.enter_lane()

    def slow_down(self) -> None:
        """Leave the lane, because the client reads too slowly."""
        if self.is_positioned and self.state is MemberState.LIVE:
            self._log.gate.detach(self)
            self._channel.enter_lane()

    def intercept(self, entry: LogEntry) -> None:
        """Leave the lane, because a handler gets this entry instead of the client."""
        if self.state is MemberState.LIVE:
            self._log.gate.detach(self, entry)
            self._channel.enter_lane()
            self.catch_up()

    # Catching up.

    def catch_up(self) -> None:
        """Write the queue as far as the client reads."""
        if self._is_writing or not self._is_free():
            return
        connection = self._channel.connection
        self._is_writing = True
        try:
            while self.state is MemberState.CATCHING_UP and connection.backpressure is None:
                if connection.is_lost or not (self.queue or self._log.gate.settle(self)):
                    break
                if not (self._is_for_handler(self.queue[0]) or self._log.may_write(self.catch_up)):
                    break
                frames = self._take()
                if frames:
                    connection.send_framed(frames)
                elif not self._is_free():
                    break
        finally:
            self._is_writing = False
        if connection.backpressure is not None:
            self._shorten()
        self._log.wake()

    def _shorten(self) -> None:
        """Keep only what is written first, because the client does not read."""
        size = 0
        for count, entry in enumerate(self.queue):
            if size > HELD:
                while len(self.queue) > count:
                    self.queue.pop()
                return
            size += len(entry.payload)

    def _is_own(self, entry: LogEntry) -> bool:
        """Return whether the client of this member has sent an entry."""
        return entry.sender == self.sender and entry.sender != NOBODY

    def _is_for_handler(self, entry: LogEntry) -> bool:
        """Return whether a handler gets an entry instead of the client."""
        return entry.event in self._channel.definition.intercepts and not self._is_own(entry)

    def _is_free(self) -> bool:
        """Return whether no handler has an entry."""
        return self._handled is None

    def _take(self) -> list[Any]:
        """Take entries from the queue for one write. An entry for a handler goes to the handler, if it is the first."""
        channel, queue = self._channel, self.queue
        frame, intercepts = channel.connection.framing.frame, channel.definition.intercepts
        frames: list[Any] = []
        size = 0
        while queue and size < BATCH:
            entry = queue[0]
            is_own = self._is_own(entry)
            if entry.event in intercepts and not is_own:
                if not frames:
                    self._handled = queue.popleft()
                    self._count(entry, "handled")
                    channel.task.put_item(Kind.ENTRY, self._handled)
                break
            queue.popleft()
            self.cursor = entry.offset
            self._count(entry, "own" if is_own else "delivered")
            if not is_own:
                frames.append(frame(*self._encode(entry, entry.event, Raw(entry.payload))))
                size += len(entry.payload)
        return frames

    def _count(self, entry: LogEntry, result: Literal["delivered", "own", "handled"]) -> None:
        """Count what has become of an entry."""
        account = self._log.gate.account
        if not self.reached(entry):
            account.recovered += 1
            return
        account.behind -= 1
        if result == "delivered":
            account.delivered += 1
        elif result == "own":
            account.own += 1
        else:
            account.handled += 1

    def _encode(self, entry: LogEntry, event: str, payload: Raw) -> Encoded:
        channel = self._channel
        position = str(Position(self._log.gate.epoch, entry.offset))
        serializer = channel.connection.serializer
        return serializer.entry(channel.join_ref, position, channel.topic, event, payload)

    # Handlers of entries.

    def broadcast_of(self, entry: LogEntry) -> Broadcast:
        """Return an entry as the handler gets it."""
        return Broadcast(self._channel.topic, entry.event, _decode(entry.payload))

    async def handle(self, handler: Handler, running: Awaitable[Any]) -> Any:
        """Run the handler of an entry, and go on after it, unless it raises.

        Args:
            handler: The handler.
            running: Its call.
        """
        token = _handling.set(self._handled)
        try:
            value = await running
            if type(value) in UNFINISHED:
                value = await handler.finish(value)
        finally:
            _handling.reset(token)
        self.handled()
        return value

    def handled(self) -> None:
        """Go on after an entry whose handler is done."""
        entry, self._handled = self._handled, None
        if entry is not None and self.state is MemberState.CATCHING_UP:
            self.cursor = max(self.cursor, entry.offset)
            self.catch_up()

    def encode_push(self, event: str, payload: Any) -> Encoded | None:
        """Return the handler's first push for an entry, which carries the entry's position; None for any other push."""
        entry = self._handled
        if entry is None or _handling.get() is not entry or self.cursor >= entry.offset:
            return None
        is_kicked = self.state is MemberState.GONE  # then the log can be another one
        if is_kicked or isinstance(payload, bytes):  # binary messages have no field for it
            return None
        encoded = self._encode(entry, event, raw_object(payload))
        self.cursor = entry.offset
        return encoded


def _sender(channel: ChannelServer, asked: Asked | None) -> int:
    """Return the hash of the client: of its token and its user. A client without a token gets a number of its own."""
    if asked is None or not asked.client:
        return secrets.randbits(64) or 1
    text = f"{channel.connection.id or ''}\0{asked.client}".encode(errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) or 1
