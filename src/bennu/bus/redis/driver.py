"""The driver for one server of Redis: ``redis://``.

Theory of operation
-------------------
One connection publishes and subscribes (:mod:`.connection`). PUBLISH is sent without waiting for its answer. The answers
are read: an error (no permission, out of memory) ends the connection with that reason, because the message was lost and
the next ones would be lost too.

**The server must be a primary.** A replica accepts PUBLISH, and delivers the message only to its own clients: the nodes
at the primary would never hear it. When a primary is demoted, its clients stay connected, unless Sentinel closes them.
So the role is checked when the connection is made, and every second afterwards. Another role ends the connection.

Redis numbers its databases, but pub/sub is the same in all of them.

A server that hangs is not noticed here: its kernel takes bytes for it. The adapter notices by its probe.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, Final

from hiredis import ReplyError

from ..broker.driver import Broken, Driver, Hear
from .connection import CHUNK, RedisConnection
from .login import connect_to
from .options import RedisOptions, RedisPlace
from .refusals import refusal

__all__ = ["MAX_BYTES", "RedisDriver", "Watch"]

MAX_BYTES: Final = 16 * 1024 * 1024
"""Bytes of a message. Redis itself takes 512 MB, and serves nobody else while it copies them."""

ROLE_EVERY: Final = 1.0
"""Seconds between two checks of the server's role."""

Watch = Callable[[RedisConnection], Coroutine[Any, Any, None]]
"""Runs for as long as a connection, and ends it if it is no longer to the primary."""


class RedisDriver(Driver):
    """Publishes and subscribes at one server.

    Args:
        place: The server.
        options: How to log in.
    """

    __slots__ = (
        "_broken",
        "_connection",
        "_hear",
        "_names",
        "_options",
        "_place",
        "_watches",
    )

    def __init__(self, place: RedisPlace, options: RedisOptions) -> None:
        self._place = place
        self._options = options
        self._names: dict[bytes, str] = {}
        self._connection: RedisConnection | None = None
        self._watches: list[asyncio.Task[None]] = []
        self._hear: Hear = _nobody
        self._broken: Broken = _nobody

    @property
    def name(self) -> str:
        """The address, without secrets."""
        return self._options.name

    @property
    def max_bytes(self) -> int:
        """16 MiB."""
        return MAX_BYTES

    @property
    def fds(self) -> list[int]:
        """The socket."""
        return [] if self._connection is None else self._connection.fds

    # The connection.

    async def connect(self, hear: Hear, broken: Broken) -> None:
        """Connect to the primary, and log in."""
        self._names = {}
        self._hear, self._broken = hear, broken
        connection = self._connection = await self.open_primary()
        self._watches = [
            asyncio.create_task(self._guarded(connection, watch)) for watch in self.watches()
        ]

    async def open_primary(self) -> RedisConnection:
        """Return a connection to the server, which is a primary."""
        return await self.open(self._place)

    async def open(self, place: RedisPlace) -> RedisConnection:
        """Connect to a server that must be a primary.

        Raises:
            DefinitionError: The server refuses the login, or is a Sentinel.
            OSError: The server can't be reached, or is a replica.
        """
        connection = await connect_to(
            place, self._options, self._names, self._hear, self._lost, self._refused
        )
        if connection.facts.get(b"mode") == b"sentinel":
            problem = refusal(place, self._options, "PUBLISH", "ERR unknown command: a Sentinel")
        elif connection.known_role != "master":
            problem = _is_replica(place)
        else:
            return connection
        connection.drop()
        raise problem

    async def close(self) -> None:
        """End the connection. What was published is still sent, if the server takes it within a second."""
        connection, self._connection = self._connection, None
        self._stop_watches()
        if connection is not None:
            await connection.close()

    def watches(self) -> list[Watch]:
        """Return what ends the connection when it is no longer to the primary."""
        return [self._check_role]

    async def _check_role(self, connection: RedisConnection) -> None:
        while True:
            await asyncio.sleep(ROLE_EVERY)
            if await connection.role() != "master":
                connection.fail(_is_replica(connection.place))

    async def _guarded(self, connection: RedisConnection, watch: Watch) -> None:
        """Run a watch. A watch that fails ends the connection: it would find nothing more."""
        try:
            await watch(connection)
        except Exception as error:  # noqa: BLE001 - a Sentinel can answer anything
            connection.fail(error)

    def _lost(self, connection: RedisConnection, reason: Exception) -> None:
        if self._connection is connection:
            self._connection = None
            self._stop_watches()
            self._broken(reason)

    def _stop_watches(self) -> None:
        watches, self._watches = self._watches, []
        for watch in watches:
            watch.cancel()

    def _refused(self, connection: RedisConnection, mark: Any, error: str) -> None:
        connection.fail(refusal(connection.place, self._options, "PUBLISH", error))

    @property
    def connection(self) -> RedisConnection:
        """The connection to the primary.

        Raises:
            OSError: There is none.
        """
        if self._connection is None:
            raise ConnectionError(f"{self.name} is not connected")
        return self._connection

    # Messages.

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Send messages, and wait until the connection has room for more."""
        connection = self.connection
        connection.publish(b"PUBLISH", messages, [None] * len(messages))
        await connection.room()

    async def subscribe(self, channels: Collection[str]) -> None:
        """Subscribe, and wait for the server's answer."""
        connection = self.connection
        keys = {channel.encode(): channel for channel in channels}
        self._names.update(keys)
        await self._change(connection, b"SUBSCRIBE", list(keys))

    async def unsubscribe(self, channels: Collection[str]) -> None:
        """Unsubscribe, and wait for the server's answer."""
        connection = self.connection
        keys = [channel.encode() for channel in channels]
        for key in keys:
            self._names.pop(key, None)
        await self._change(connection, b"UNSUBSCRIBE", keys)

    async def _change(self, connection: RedisConnection, name: bytes, keys: list[bytes]) -> None:
        chunks = [keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK)]
        try:
            await asyncio.gather(*connection.change(name, chunks))
        except ReplyError as error:
            raise refusal(connection.place, self._options, name.decode(), str(error)) from None


def _is_replica(place: RedisPlace) -> ConnectionError:
    return ConnectionError(
        f"{place} is a replica: what is published there reaches none of the primary's clients"
    )


def _nobody(*_: object) -> None:
    """Hear nothing."""
