"""A session of long polling: the transport of a connection that has no socket.

A session lives as long as its client polls. Requests reach the session in two ways: a request in this process calls it,
and a request on another node asks over the bus (:mod:`~bennu.transports.longpoll.remote`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from ...longpoll import LongPoll
from ...message import TEXT, Encoded, Opcode
from ...protocol.longpoll import FRAMING, Buffer, Poll, Status
from ...reasons import CloseCode
from ...server.connection import ServerConnection
from ...server.handshake import Accepted
from ...server.server import Server
from .messages import Answer, Arrived, Ended, Expired, Polled, Posted, Progress, Question, Taken

__all__ = ["Session"]


IDLE_WINDOWS: Final = 1.5
"""Windows without a poll after which a session ends. The check runs as often."""

HIGH_WATER: Final = 64 * 1024
"""Bytes that wait for a poll above which the client counts as slow."""


class Session:
    """A client that polls.

    Args:
        server: The endpoint's server.
        options: The socket's options of long polling.
        ended: Called once, when the session has ended.
    """

    name = "longpoll"
    framing = FRAMING
    keeps_time = True
    counts_bytes = False
    is_client_gone = False  # a client that is gone does not poll, which ends the session

    def __init__(self, server: Server, options: LongPoll, ended: Callable[[], None]) -> None:
        self._server = server
        self._options = options
        self._ended = ended
        self._buffer: Buffer[Poll] = Buffer()
        self._is_congested = False
        self._connection: ServerConnection | None = None
        self._is_over = False
        self._can_receive = asyncio.Event()
        self._can_receive.set()
        self._turn = asyncio.Lock()
        self._posts = 0
        self._polled = server.loop.time()
        self._timer = server.loop.call_later(IDLE_WINDOWS * options.window, self._check_idle)

    def begin(self, accepted: Accepted) -> None:
        """Open the connection."""
        self._connection = accepted.open(self._server, self)

    # Methods for requests.

    @property
    def is_busy(self) -> bool:
        """Whether the session takes no more posts at the moment."""
        return self._posts >= self._options.max_posts

    def take(self, poll: Poll) -> bytes | None:
        """Return the messages for a poll, which waits if there are none; None if the session has ended."""
        self._polled = self._server.loop.time()
        if self._is_over:
            return self._buffer.take() or None
        messages = self._buffer.take(poll)
        if self._is_congested and self._connection is not None:
            self._is_congested = False
            self._connection.drained()
        return messages

    def expire(self, poll: Poll) -> None:
        """Remove a poll that no longer waits."""
        self._buffer.expire(poll)

    async def post(
        self, messages: list[Encoded], progress: Callable[[], object] = lambda: None
    ) -> Status:
        """Handle messages, one after another.

        Args:
            messages: The messages, in order.
            progress: Called before each message.

        Returns:
            OK if all messages were handled; TIMEOUT if a message took too long, so that the later messages were
            dropped; GONE if the session has ended.
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
        """Wait until reading is not paused, pass a message to the connection, and wait until it was handled."""
        async with self._turn:
            await self._can_receive.wait()
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
                await self._can_receive.wait()

    def answer(self, question: Question, send: Callable[[Answer], object]) -> None:
        """Answer a request on another node.

        Args:
            question: The question.
            send: Sends an answer to the other node. It never waits.
        """
        match question:
            case Polled(ref):
                messages = self.take(_RemotePoll(ref, send))
                if messages is not None:
                    send(Taken(ref, messages))
                elif self._is_over:
                    send(Ended(ref, b""))
            case Expired(ref):
                self.expire(_RemotePoll(ref, send))
            case Posted(ref, posted):
                self._server.spawn(self._post_for(ref, posted, send))

    async def _post_for(
        self, ref: str, messages: list[Encoded], send: Callable[[Answer], object]
    ) -> None:
        status = await self.post(messages, lambda: send(Progress(ref)))
        send(Progress(ref, status))

    # Methods for the connection.

    @property
    def unsent(self) -> int:
        """Bytes that wait for a poll."""
        return self._buffer.size

    def write(self, piece: Any) -> None:
        """Keep a framed message until the next poll."""
        poll = self._buffer.put(piece)
        if poll is not None:
            poll.wake(None)
        bound = self._options.max_buffer
        if self._buffer.size > min(HIGH_WATER, bound) and not self._is_congested:
            self._is_congested = True
            if self._connection is not None:
                self._connection.congested(bound)

    def control(self, opcode: Opcode, data: bytes) -> None:
        """Do nothing, since long polling has no pings."""

    def close(self, code: int, reason: str = "") -> None:
        """End the session. The client sees that the session has ended, but no code."""
        del code, reason
        self._end()

    def pause_reading(self) -> None:
        """Handle no more messages, until ``resume_reading``."""
        self._can_receive.clear()

    def resume_reading(self) -> None:
        """Handle messages again."""
        self._can_receive.set()

    # The end.

    def _check_idle(self) -> None:
        """End the session if its client has not polled for too long. A POST does not count, as in Phoenix."""
        loop, limit = self._server.loop, IDLE_WINDOWS * self._options.window
        if loop.time() - self._polled <= limit:
            self._timer = loop.call_later(limit, self._check_idle)
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
        self._can_receive.set()
        poll, rest = self._buffer.end()
        if poll is not None:
            poll.wake(rest)
        self._connection = None
        self._ended()


class _RemotePoll:
    """A poll that waits on another node."""

    __slots__ = ("_ref", "_send")

    def __init__(self, ref: str, send: Callable[[Answer], object]) -> None:
        self._ref = ref
        self._send = send

    def wake(self, rest: bytes | None) -> None:
        """Tell the other node that messages wait, or that the session has ended."""
        self._send(Arrived(self._ref) if rest is None else Ended(self._ref, rest))

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
