"""The servers of one cluster: the connections to them, and which of them has which slot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from hiredis import ReplyError

from ...errors import DefinitionError
from ..broker.driver import Hear
from .connection import RedisConnection
from .login import connect_to
from .options import RedisOptions, RedisPlace
from .refusals import is_passing, refusal, telling
from .slots import SlotMap, place_in

__all__ = ["ClusterNodes"]

PING_EVERY: Final = 1.0
"""Seconds between two questions to a server, whether it answers."""


class ClusterNodes:
    """Opens one connection to each server that is needed, and ends the connection to a server that hangs.

    Args:
        options: How to log in.
        seeds: The servers of the address.
        hear: Called with each message of a channel in ``names``.
        broken: Called when no server can help: with the reason.

    Attributes:
        names: The text of each channel that is heard, by its bytes.
        live: The connections, by their servers.
        slots: The primary of each slot.
        lost: The primaries that can't be reached.
        on_lost: Called with a connection that has ended, and the reason.
        on_refused: Called with a connection, the message that its server refused, and the error.
        on_moved: Called with a connection, and a channel whose slot its server has lost.
    """

    __slots__ = (
        "_broken",
        "_hear",
        "_is_open",
        "_opening",
        "_options",
        "_seeds",
        "_watches",
        "live",
        "lost",
        "names",
        "on_lost",
        "on_moved",
        "on_refused",
        "slots",
    )

    def __init__(
        self,
        options: RedisOptions,
        seeds: Sequence[RedisPlace],
        hear: Hear,
        broken: Callable[[Exception], object],
    ) -> None:
        self.names: dict[bytes, str] = {}
        self.live: dict[RedisPlace, RedisConnection] = {}
        self.slots = SlotMap()
        self.lost: set[RedisPlace] = set()
        self.on_lost: Callable[[RedisConnection, Exception], object] = _nobody
        self.on_refused: Callable[[RedisConnection, Any, str], object] = _nobody
        self.on_moved: Callable[[RedisConnection, str], object] = _nobody
        self._options = options
        self._seeds = seeds
        self._hear = hear
        self._broken = broken
        self._is_open = True
        self._opening: dict[RedisPlace, asyncio.Lock] = {}
        self._watches: dict[RedisConnection, asyncio.Task[None]] = {}

    # Connections.

    async def open(self, place: RedisPlace) -> RedisConnection:
        """Return the connection to a server, which is made if there is none.

        Raises:
            DefinitionError: The server refuses the login.
            OSError: The server can't be reached.
        """
        async with self._opening.setdefault(place, asyncio.Lock()):
            if place not in self.live:
                connection = await connect_to(
                    place,
                    self._options,
                    self.names,
                    self._hear,
                    self._end,
                    self._refuse,
                    self._move,
                )
                if not self._is_open:
                    connection.drop()
                    raise ConnectionError(f"{self._options.name} is not connected")
                self.live[place] = connection
                self._watches[connection] = asyncio.create_task(self._watch(connection))
            return self.live[place]

    async def reach(self, places: Iterable[RedisPlace]) -> None:
        """Connect to servers. One that can't be reached is lost."""
        await asyncio.gather(*map(self._reach, places))

    async def _reach(self, place: RedisPlace) -> None:
        try:
            await self.open(place)
            self.lost.discard(place)
        except OSError:
            self.lost.add(place)

    def _end(self, connection: RedisConnection, reason: Exception) -> None:
        if self._forget(connection):
            self.lost.add(connection.place)
            self.on_lost(connection, reason)

    def _refuse(self, connection: RedisConnection, message: Any, error: str) -> None:
        self.on_refused(connection, message, error)

    def _move(self, connection: RedisConnection, channel: str) -> None:
        self.on_moved(connection, channel)

    def _forget(self, connection: RedisConnection) -> bool:
        watch = self._watches.pop(connection, None)
        if watch is None:
            return False
        watch.cancel()
        del self.live[connection.place]
        return True

    async def _watch(self, connection: RedisConnection) -> None:
        """End the connection when the server does not answer: its kernel takes bytes for it."""
        with suppress(OSError, ReplyError):  # it has ended, or it answers
            while True:
                await asyncio.sleep(PING_EVERY)
                try:
                    async with asyncio.timeout(self._options.timeout):
                        await connection.command("PING")
                except TimeoutError:
                    text = f"{connection.place} did not answer for {self._options.timeout:g} s"
                    connection.fail(ConnectionError(text))

    # Slots.

    async def refresh(self) -> None:
        """Ask a server for the slots: one that is connected, or any that was ever named.

        Raises:
            DefinitionError: Every server refuses.
            OSError: No server answers.
        """
        problems: list[Exception] = []
        for place in dict.fromkeys([*self.live, *self.slots.places, *self._seeds]):
            try:
                connection = await self.open(place)
                async with asyncio.timeout(self._options.timeout):
                    self.slots.read(await connection.command("CLUSTER", "SLOTS"), place)
            except ReplyError as error:
                problems.append(refusal(place, self._options, "CLUSTER SLOTS", str(error)))
            except (OSError, DefinitionError) as error:  # with TimeoutError
                problems.append(error)
            else:
                self.lost &= self.slots.places
                return
        raise telling(problems)

    def note(self, connection: RedisConnection, command: str, error: str) -> bool:
        """Take an error. Return whether it names another server for a slot.

        An error that does not pass by itself breaks the whole.
        """
        moved = place_in(error, connection.place)
        if moved is not None:
            self.slots.move(*moved)
            return True
        if not is_passing(error):
            self.break_off(refusal(connection.place, self._options, command, error))
        return False

    def leave_replicas(self) -> None:
        """End the connections to servers that have no slots: a seed can be a replica, or have another name."""
        for place in self.live.keys() - self.slots.places:
            connection = self.live[place]
            self._forget(connection)
            connection.drop()

    # The end.

    def break_off(self, reason: Exception) -> None:
        """End all connections now, for a reason."""
        if self._is_open:
            self.drop()
            self._broken(reason)

    async def close(self) -> None:
        """End all connections, once the servers have answered what was sent."""
        await asyncio.gather(*(connection.close() for connection in self._release()))

    def drop(self) -> None:
        """End all connections now."""
        for connection in self._release():
            connection.drop()

    def _release(self) -> list[RedisConnection]:
        self._is_open = False
        live = [*self.live.values()]
        for connection in live:
            self._forget(connection)
        return live


def _nobody(*_: object) -> None:
    """Tell nobody."""
