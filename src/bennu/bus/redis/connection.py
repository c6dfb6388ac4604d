"""One connection to a server of Redis: its commands, its answers, and the messages that the server pushes.

Theory of operation
-------------------
The protocol is RESP3. It pushes messages on the connection that sends commands, so one connection publishes and
subscribes; RESP2 needs two. Both cost the same to parse (0.50 µs a message of 200 bytes, with hiredis). RESP3 needs
Redis 6 (2020) or any Valkey.

The bytes go through hiredis's parser in an ``asyncio.Protocol``. redis-py's own receiving was measured at 5.4 µs a
message, ten times as much. It also connects again by itself, so that a gap is not seen. The few other commands
(``SENTINEL``, ``CLUSTER SLOTS``) go over the same class, so there is one place for TLS, logins, timeouts and errors.

Commands are sent without waiting for the answers of those before (:mod:`.answers`).

A server that takes no more bytes, or owes more than :data:`MAX_UNANSWERED` answers, makes publishers wait in
:meth:`RedisConnection.room`.

A connection ends once: by its socket, by an answer that can't be understood, or by :meth:`RedisConnection.fail`. Then
every waiting command fails with the reason, and ``lost`` is called at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, cast

from hiredis import ProtocolError, PushNotification, Reader, ReplyError

from ..broker.driver import Hear
from .answers import Answers
from .commands import PING, packed, published
from .options import RedisPlace

__all__ = ["RedisConnection"]

MAX_UNANSWERED: Final = 10_000
"""Commands that the server has not answered, after which publishers wait."""

FAREWELL: Final = 1.0
"""Seconds in which the server must answer what was sent before a connection is closed."""

CHUNK: Final = 500
"""Channels of one subscribing command. Redis serves nobody else while it handles one."""

NOTHING: Final = object()
PUSH: Final[Any] = PushNotification
MESSAGES: Final = (b"message", b"smessage")


class RedisConnection(asyncio.Protocol):
    """One connection, from its opening to its end. :func:`~.login.connect_to` makes one.

    Args:
        place: The server.
        names: The text of each channel that is heard, by its bytes. The owner changes it.
        hear: Called with each message of these channels.
        lost: Called at the end, unless the owner has closed the connection.
        refused: Called with the mark of a published message, and the error that the server answered.
        moved: Called with the bytes of a channel from which the server has unsubscribed this connection by itself.

    Attributes:
        place: The server.
        facts: What the server has said about itself: its role, mode and version.
        ended: Set at the end.
    """

    __slots__ = (
        "_answers",
        "_hear",
        "_is_paused",
        "_lost",
        "_moved",
        "_names",
        "_reader",
        "_reason",
        "_refused",
        "_room",
        "_transport",
        "ended",
        "facts",
        "place",
    )

    def __init__(
        self,
        place: RedisPlace,
        names: dict[bytes, str],
        hear: Hear,
        lost: Callable[[RedisConnection, Exception], object],
        refused: Callable[[RedisConnection, Any, str], object] | None = None,
        moved: Callable[[RedisConnection, str], object] | None = None,
    ) -> None:
        self.place = place
        self.facts: dict[bytes, Any] = {}
        self.ended = asyncio.Event()
        self._names = names
        self._hear = hear
        self._lost = lost
        self._refused = refused
        self._moved = moved
        self._reader = Reader(notEnoughData=NOTHING)
        self._answers = Answers(self._refuse)
        self._room = asyncio.Event()
        self._room.set()
        self._is_paused = False
        self._reason: Exception | None = None
        self._transport: asyncio.Transport | None = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes of the server."""
        names, hear = self._names, self._hear
        gets: Callable[[], Any] = self._reader.gets
        try:
            self._reader.feed(data)
            while (item := gets()) is not NOTHING:
                if type(item) is not PUSH:
                    self._answers.take(item)
                elif len(item) == 3:
                    name = names.get(item[1])
                    if name is None:
                        continue
                    if item[0] in MESSAGES:
                        hear(name, item[2])
                    elif item[0] == b"sunsubscribe" and self._moved is not None:
                        self._moved(self, name)
                if self._reason is not None:
                    return
        except ProtocolError as error:
            self.fail(
                ConnectionError(f"{self.place} does not speak the protocol of Redis: {error}")
            )
        if len(self._answers) <= MAX_UNANSWERED and not self._is_paused:
            self._room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self.fail(exc or ConnectionResetError(f"{self.place} has closed the connection"))
        self.ended.set()

    def pause_writing(self) -> None:
        """Note that bytes wait."""
        self._is_paused = True
        self._room.clear()

    def resume_writing(self) -> None:
        """Note that there is room for bytes."""
        self._is_paused = False
        if len(self._answers) <= MAX_UNANSWERED:
            self._room.set()

    @property
    def fds(self) -> list[int]:
        """The file descriptor of the socket; none after the end."""
        if self._transport is None or self._reason is not None:
            return []
        return [self._transport.get_extra_info("socket").fileno()]

    # Commands.

    def command(self, *arguments: str | bytes) -> asyncio.Future[Any]:
        """Send a command. The future gets its answer.

        Raises:
            ReplyError: By the future: the server answered with an error.
            OSError: The connection has ended.
        """
        parts = [one if isinstance(one, bytes) else one.encode() for one in arguments]
        self._write(packed(parts))
        return self._answers.expect()

    def change(
        self, name: bytes, channels: Iterable[Collection[bytes]]
    ) -> list[asyncio.Future[Any]]:
        """Subscribe or unsubscribe. Each future gets its result when the server has done that.

        Args:
            name: The command: ``SUBSCRIBE``, ``SUNSUBSCRIBE``.
            channels: The channels of each command.
        """
        futures: list[asyncio.Future[Any]] = []
        for some in channels:
            self._write(packed([name, *some]) + PING)
            futures.append(self._answers.expect_change())
        return futures

    def publish(
        self, name: bytes, messages: Sequence[tuple[str, bytes]], marks: Sequence[Any]
    ) -> None:
        """Send messages.

        Args:
            name: The command: ``PUBLISH`` or ``SPUBLISH``.
            messages: The channel and the bytes of each message.
            marks: A mark for each message, for ``refused``. It is no future.
        """
        self._write(published(name, messages))
        self._answers.expect_marks(marks)
        if len(self._answers) > MAX_UNANSWERED:
            self._room.clear()

    async def room(self) -> None:
        """Return when there is room for more.

        Raises:
            OSError: The connection has ended.
        """
        await self._room.wait()
        if self._reason is not None:
            raise self._error()

    def _write(self, data: bytes) -> None:
        if self._reason is not None or self._transport is None:
            raise self._error()
        self._transport.write(data)

    def _refuse(self, mark: Any, error: str) -> None:
        if self._refused is not None:
            self._refused(self, mark, error)

    # The role.

    async def role(self) -> str:
        """Ask for the role: ``master`` or ``replica``.

        HELLO is allowed to every user. ROLE is not: it belongs to the category ``@admin``.
        """
        self.facts = await self.command("HELLO", "3")
        return self.known_role

    @property
    def known_role(self) -> str:
        """The role by the last answer."""
        return bytes(self.facts.get(b"role", b"master")).decode(errors="replace")

    # The end.

    def fail(self, reason: Exception) -> None:
        """End the connection now, for a reason."""
        if self._reason is not None:
            return
        self._reason = reason
        self._answers.fail(self._error)
        self._room.set()
        if self._transport is not None:
            self._transport.abort()
        self._lost(self, reason)

    async def close(self) -> None:
        """End the connection. What was sent before is still carried out, if the server answers soon.

        A socket that is closed with unread answers resets the connection, and the server then drops what it has not
        read. So the answers are read first.
        """
        try:
            with suppress(OSError, ReplyError, TimeoutError):
                async with asyncio.timeout(FAREWELL):
                    await self.command("PING")
        finally:  # also if the caller is cancelled
            self.drop()
        await self.ended.wait()

    def drop(self) -> None:
        """End the connection now, without calling ``lost``."""
        self._lost = _ignore
        self.fail(ConnectionAbortedError("the connection was closed"))

    def _error(self) -> Exception:
        """Return a new exception that says why the connection has ended. A shared one would collect tracebacks."""
        reason = self._reason
        text = "not connected" if reason is None else str(reason) or type(reason).__name__
        return ConnectionError(f"the connection to {self.place} has ended: {text}")


def _ignore(*_: object) -> None:
    """Do nothing."""
