"""A session of long polling: the transport of a connection, without a socket of its own.

Requests come and go; the session stays as long as its client polls. Requests reach the session in two ways: a request in
this process calls it, and a request in another process asks over the session's topic
(:mod:`~bennu.transports.longpoll.route`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from ...longpoll import LongPoll
from ...message import TEXT, Encoded, Opcode
from ...protocol.longpoll import FRAMING, Buffer, Poll, Status
from ...pubsub import Subscription
from ...reasons import CloseCode
from ...server.connection import ServerConnection
from ...server.handshake import Accepted
from ...server.server import Server
from .messages import Arrived, Ended, Expired, Polled, Posted, Progress, Taken

__all__ = ["Session"]


PATIENCE: Final = 1.5
"""Windows without a poll after which a session ends, and between two checks of that."""

HIGH_WATER: Final = 64 * 1024
"""Bytes that wait for a poll above which the client counts as slow."""


class Session:
    """A client that polls.

    Args:
        server: Its endpoint's.
        options: The socket's options of long polling.
        topic: The session's own, on which other processes reach it.
        ended: Called once, when the session is over.
    """

    name = "longpoll"
    framing = FRAMING
    keeps_time = True
    counts_bytes = False
    is_client_gone = False  # it would not poll, which ends it

    def __init__(
        self, server: Server, options: LongPoll, topic: str, ended: Callable[[], None]
    ) -> None:
        self._server = server
        self._options = options
        self._topic = topic
        self._ended = ended
        self._buffer: Buffer[Poll] = Buffer()
        self._is_congested = False
        self._connection: ServerConnection | None = None
        self._is_over = False
        self._may_receive = asyncio.Event()
        self._may_receive.set()
        self._turn = asyncio.Lock()
        self._posts = 0
        self._polled = server.loop.time()
        self._timer = server.loop.call_later(PATIENCE * options.window, self._look)
        self._questions: Subscription = server.pubsub.listen(topic, self._asked, owner=self)

    def begin(self, accepted: Accepted) -> None:
        """Open the connection."""
        self._connection = accepted.open(self._server, self)

    # What a request asks of it.

    @property
    def is_busy(self) -> bool:
        """Whether the session takes no more posts at the moment."""
        return self._posts >= self._options.max_posts

    def take(self, poll: Poll) -> bytes | None:
        """Return the messages for a poll, which waits if there are none; None if the session is over."""
        self._polled = self._server.loop.time()
        if self._is_over:
            return self._buffer.take() or None
        messages = self._buffer.take(poll)
        if self._is_congested and self._connection is not None:
            self._is_congested = False
            self._connection.drained()
        return messages

    def expire(self, poll: Poll) -> None:
        """Let a poll wait no more."""
        self._buffer.expire(poll)

    async def post(
        self, messages: list[Encoded], progress: Callable[[], object] = lambda: None
    ) -> Status:
        """Handle messages, one after another.

        Args:
            messages: In their order.
            progress: Called before each.

        Returns:
            OK if all were handled; TIMEOUT if one was not in time, then those behind it are dropped; GONE
            if the session is over.
        """
        if self.is_busy:
            return Status.TIMEOUT
        self._posts += 1
        try:
            for opcode, data in messages:
                progress()
                async with asyncio.timeout(self._options.window):
                    await self._handle(opcode, data)
                if self._is_over:
                    return Status.GONE
        except TimeoutError:
            return Status.TIMEOUT
        finally:
            self._posts -= 1
        return Status.GONE if self._is_over else Status.OK

    async def _handle(self, opcode: Opcode, data: bytes) -> None:
        """Give the connection a message when it may have one, and wait until it has handled it."""
        async with self._turn:
            await self._may_receive.wait()
            connection = self._connection
            if connection is None or connection.is_lost:
                return
            if len(data) > connection.max_frame_size:
                connection.server.log.warning(
                    "Closing a connection that sent a message of %d bytes", len(data)
                )
                connection.close(CloseCode.TOO_BIG, reason="closed")
            elif opcode is TEXT and not _is_utf8(data):
                connection.server.log.warning(
                    "Closing a connection that sent text that is not UTF-8"
                )
                connection.close(CloseCode.NOT_UTF8, reason="closed")
            else:
                connection.receive(opcode, data)
                await self._may_receive.wait()

    def _asked(self, question: Any) -> None:
        """Answer a request in another process."""
        match question:
            case Polled(ref):
                messages = self.take(_RemotePoll(self, ref))
                if messages is not None:
                    self._say(Taken(ref, messages))
            case Expired(ref):
                self.expire(_RemotePoll(self, ref))
            case Posted(ref, messages):
                self._server.spawn(self._post_for(ref, messages))
            case _:
                pass  # what we answer comes by here too

    async def _post_for(self, ref: str, messages: list[Encoded]) -> None:
        status = await self.post(messages, lambda: self._say(Progress(ref)))
        self._say(Progress(ref, status))

    def _say(self, answer: Any) -> None:
        """Put an answer on the topic."""
        self._server.spawn(self._server.pubsub.broadcast_from(self, self._topic, answer))

    # What the connection calls.

    @property
    def unsent(self) -> int:
        """Bytes that were written and not polled for."""
        return self._buffer.size

    def write(self, piece: Any) -> None:
        """Keep what is written until it is polled for."""
        poll = self._buffer.put(piece)
        if poll is not None:
            poll.tell(None)
        bound = self._options.max_buffer
        if self._buffer.size > min(HIGH_WATER, bound) and not self._is_congested:
            self._is_congested = True
            if self._connection is not None:
                self._connection.congested(bound)

    def control(self, opcode: Opcode, data: bytes) -> None:
        """Do nothing: there are no pings here."""

    def close(self, code: int, reason: str = "") -> None:
        """End. The client sees that its session has gone, and no code."""
        del code, reason
        self._end()

    def pause_reading(self) -> None:
        """Handle no more messages until told to."""
        self._may_receive.clear()

    def resume_reading(self) -> None:
        """Handle messages again."""
        self._may_receive.set()

    # The end.

    def _look(self) -> None:
        """End if nobody has polled for too long; a POST is no sign of life, as in Phoenix."""
        loop, patience = self._server.loop, PATIENCE * self._options.window
        if loop.time() - self._polled <= patience:
            self._timer = loop.call_later(patience, self._look)
            return
        if self._connection is not None:
            self._server.pubsub.batch.sync(self._connection)
            self._connection.lost("inactive")
        self._end()
        self._buffer.take()  # a client that comes back gets a new session

    def _end(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._timer.cancel()
        self._may_receive.set()
        poll, rest = self._buffer.end()
        if poll is not None:
            poll.tell(rest)
        self._questions.cancel()
        self._connection = None
        self._ended()


class _RemotePoll:
    """A poll that waits in another process."""

    __slots__ = ("_ref", "_session")

    def __init__(self, session: Session, ref: str) -> None:
        self._session = session
        self._ref = ref

    def tell(self, rest: bytes | None) -> None:
        """Say so on the session's topic."""
        if rest is None:
            self._session._say(Arrived(self._ref))
        else:
            self._session._say(Ended(self._ref, rest))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _RemotePoll) and self._ref == other._ref

    def __hash__(self) -> int:
        return hash(self._ref)


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
