"""Finds the primary of a key: the one primary, or the one of the key's slot in a cluster.

Theory of operation
-------------------
A route connects when it is needed. Callers that come while it connects wait for the same attempt. Each waits only as long as
it wants, and an attempt goes on if a caller is cancelled. An attempt ends within the time limit of the address for one server.

A server that refuses a command because it is not, or no longer, the primary of the key has done nothing. So the command
is sent again to the server that is (:meth:`RedisRoute.after`).
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from ...bus.redis.connection import RedisConnection
from ...bus.redis.driver import RedisDriver
from ...bus.redis.nodes import ClusterNodes
from ...bus.redis.options import RedisOptions, RedisPlace
from ...bus.redis.slots import place_in, slot_of
from .primary import RedisPrimary

__all__ = ["ClusterRoute", "PrimaryRoute", "RedisRoute"]

Meet = Callable[[RedisConnection], Awaitable[RedisPrimary]]
"""Asks a server who it is."""

T = TypeVar("T")

PAUSE: Final = 0.05
"""Seconds before a command is sent again that a server refused while it gives a slot away."""


class RedisRoute(ABC):
    """The way to the primaries.

    Args:
        options: How to log in.
        meet: Called with each new connection.
    """

    def __init__(self, options: RedisOptions, meet: Meet) -> None:
        self._options = options
        self._meet = meet
        self._attempts: dict[object, asyncio.Task[Any]] = {}
        self._watches: dict[RedisPrimary, asyncio.Task[None]] = {}

    @property
    @abstractmethod
    def fds(self) -> list[int]:
        """The file descriptors of the connections."""

    @abstractmethod
    async def primary(self, key: str) -> RedisPrimary:
        """Return the primary of a key. It does not suspend if the connection is there.

        Raises:
            DefinitionError: The server refuses the login.
            OSError: The server can't be reached.
        """

    @abstractmethod
    async def after(
        self, key: str, primary: RedisPrimary, error: str
    ) -> tuple[RedisPrimary, bool] | None:
        """Return where a refused command is sent again; None if that would not help.

        Args:
            key: The key.
            primary: The server that has refused.
            error: Its error.

        Returns:
            A server, and whether it must be told that it does not have the slot yet (ASKING).
        """

    async def close(self) -> None:
        """End all connections."""
        tasks = [*self._attempts.values(), *self._watches.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _shared(self, subject: object, attempt: Callable[[], Awaitable[T]]) -> T:
        """Wait for an attempt that all callers share."""
        task = self._attempts.get(subject)
        if task is None:
            task = asyncio.ensure_future(_awaited(attempt))
            self._attempts[subject] = task
            task.add_done_callback(lambda done: self._attempted(subject, done))
        return await asyncio.shield(task)

    def _attempted(self, subject: object, task: asyncio.Task[Any]) -> None:
        del self._attempts[subject]
        if not task.cancelled():
            task.exception()  # perhaps no caller waits any more

    async def _watched(self, connection: RedisConnection) -> RedisPrimary:
        """Ask a server who it is, and watch it."""
        primary = await self._meet(connection)
        task = asyncio.ensure_future(primary.watch(self._options))
        self._watches[primary] = task
        task.add_done_callback(lambda _: self._watches.pop(primary, None))
        return primary


class PrimaryRoute(RedisRoute):
    """The way to one primary.

    Args:
        driver: Finds the primary, and connects.
        options: How to log in.
        meet: Called with each new connection.
    """

    def __init__(self, driver: RedisDriver, options: RedisOptions, meet: Meet) -> None:
        super().__init__(options, meet)
        self._driver = driver
        self._primary: RedisPrimary | None = None

    @property
    def fds(self) -> list[int]:
        """The file descriptors of the connections."""
        return self._driver.fds

    async def primary(self, key: str) -> RedisPrimary:
        """Return the primary."""
        if self._primary is not None and self._primary.is_open:
            return self._primary
        return await self._shared(None, self._connect)

    async def _connect(self) -> RedisPrimary:
        await self._driver.close()
        await self._driver.connect(_ignore, _ignore)
        try:
            self._primary = await self._watched(self._driver.connection)
        except BaseException:
            self._driver.connection.drop()
            raise
        return self._primary

    async def after(
        self, key: str, primary: RedisPrimary, error: str
    ) -> tuple[RedisPrimary, bool] | None:
        """Look for the new primary, if this one is a replica now."""
        if not error.startswith("READONLY"):
            return None
        primary.connection.fail(ConnectionError(f"{primary.connection.place} is a replica now"))
        return await self.primary(key), False

    async def close(self) -> None:
        """End the connection."""
        await super().close()
        await self._driver.close()


class ClusterRoute(RedisRoute):
    """The way to the primaries of a cluster.

    Args:
        seeds: Some servers.
        options: How to log in.
        meet: Called with each new connection.
    """

    def __init__(self, seeds: tuple[RedisPlace, ...], options: RedisOptions, meet: Meet) -> None:
        super().__init__(options, meet)
        order = random.sample(seeds, len(seeds))  # not all nodes ask one server
        self._nodes = ClusterNodes(options, order, _ignore, _ignore)
        self._nodes.on_lost = self._lost
        self._primaries: dict[RedisPlace, RedisPrimary] = {}
        self._stale: set[RedisPlace] = set()

    @property
    def fds(self) -> list[int]:
        """The file descriptors of the connections."""
        return [fd for connection in self._nodes.live.values() for fd in connection.fds]

    async def primary(self, key: str) -> RedisPrimary:
        """Return the primary of the key's slot."""
        place = self._nodes.slots.place_of(key)
        if place is None or place in self._stale:
            await self._shared(None, self._refresh)
            place = self._nodes.slots.place_of(key)
            if place is None:
                raise ConnectionError(f"no server has slot {slot_of(key)}")
        return await self._at(place)

    async def _at(self, place: RedisPlace) -> RedisPrimary:
        known = self._primaries.get(place)
        if known is not None and known.is_open:
            return known
        return await self._shared(place, lambda: self._connect(place))

    async def _connect(self, place: RedisPlace) -> RedisPrimary:
        try:
            connection = await self._nodes.open(place)
            self._primaries[place] = await self._watched(connection)
        except OSError:
            self._stale.add(place)
            raise
        return self._primaries[place]

    async def _refresh(self) -> None:
        """Ask a server for the slots."""
        self._stale.clear()
        await self._nodes.refresh()
        self._nodes.leave_replicas()

    def _lost(self, connection: RedisConnection, _: Exception) -> None:
        self._primaries.pop(connection.place, None)
        self._stale.add(connection.place)

    async def after(
        self, key: str, primary: RedisPrimary, error: str
    ) -> tuple[RedisPrimary, bool] | None:
        """Follow a slot to another server."""
        kind, _, rest = error.partition(" ")
        if kind in ("MOVED", "ASK"):
            found = place_in(f"MOVED {rest}", primary.connection.place)
            if found is not None:
                if kind == "MOVED":
                    self._nodes.slots.move(*found)
                return await self._at(found[1]), kind == "ASK"
        if kind == "TRYAGAIN":  # a part of the keys is on its way to another server
            await asyncio.sleep(PAUSE)
            return await self.primary(key), False
        return None

    async def close(self) -> None:
        """End all connections."""
        await super().close()
        await self._nodes.close()


async def _awaited(attempt: Callable[[], Awaitable[T]]) -> T:
    return await attempt()


def _ignore(*_: object) -> None:
    """Do nothing."""
