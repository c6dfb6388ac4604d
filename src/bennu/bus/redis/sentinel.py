"""The driver for a primary that Sentinels watch: ``redis+sentinel://``.

Theory of operation
-------------------
Sentinels name the primary of a service. The driver asks them in turn, until one names a server that can be reached and
*is* a primary: a Sentinel that was cut off can name the old one. The next attempt begins with the next Sentinel. The
driver keeps nothing of an attempt, so it never stops asking; the adapter decides when.

While it is connected, the driver asks one Sentinel every second. If that names another server, which is a primary, the
connection ends. This finds a failover though the old primary lives on, is cut off, or hangs. A Sentinel that is lost or
hangs is replaced by the next one. The role of the connected server is checked too, as for ``redis://``. Sentinels also
publish ``+switch-master``. The driver does without: a question every second finds the same, and a Sentinel that has
nothing to say is not mistaken for one that hangs.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Final

from hiredis import ReplyError

from ...errors import DefinitionError
from .connection import RedisConnection
from .driver import RedisDriver, Watch
from .login import connect_to
from .options import RedisOptions, RedisPlace
from .refusals import refusal, telling

__all__ = ["SentinelDriver"]

ASK_EVERY: Final = 1.0
"""Seconds between two questions while the driver is connected."""


class SentinelDriver(RedisDriver):
    """Publishes and subscribes at the primary of a service.

    Args:
        sentinels: The Sentinels.
        service: The name of the primary.
        options: How to log in to the primary.
        guards: How to log in to the Sentinels.
    """

    __slots__ = ("_guard", "_guard_options", "_sentinels", "_service")

    def __init__(
        self,
        sentinels: Sequence[RedisPlace],
        service: str,
        options: RedisOptions,
        guards: RedisOptions,
    ) -> None:
        super().__init__(sentinels[0], options)
        self._sentinels = random.sample(sentinels, len(sentinels))  # not all nodes ask one Sentinel
        self._service = service
        self._guard_options = guards
        self._guard: RedisConnection | None = None

    @property
    def fds(self) -> list[int]:
        """The sockets to the primary and to a Sentinel."""
        return [*super().fds, *([] if self._guard is None else self._guard.fds)]

    async def open_primary(self) -> RedisConnection:
        """Ask the Sentinels in turn, and return a connection to the primary."""
        problems: list[Exception] = []
        for _ in self._sentinels:
            sentinel = self._next()
            try:
                guard = await self._open_guard(sentinel)
                try:
                    async with asyncio.timeout(self._guard_options.timeout):
                        place = await self._ask(guard)
                finally:
                    guard.drop()
                return await self.open(place)
            except (OSError, DefinitionError) as error:
                problems.append(error)
        raise telling(problems)

    def watches(self) -> list[Watch]:
        """Return what ends the connection when it is no longer to the primary."""
        return [*super().watches(), self._follow]

    async def _follow(self, connection: RedisConnection) -> None:
        """Ask one Sentinel after the other, for as long as each answers."""
        while True:
            await asyncio.sleep(ASK_EVERY)
            try:
                await self._follow_by(self._next(), connection)
            except (OSError, DefinitionError):  # with TimeoutError
                continue

    async def _follow_by(self, sentinel: RedisPlace, connection: RedisConnection) -> None:
        """Ask one Sentinel again and again, and end the connection when another server is the primary."""
        guard = self._guard = await self._open_guard(sentinel)
        try:
            while True:
                async with asyncio.timeout(self._guard_options.timeout):
                    place = await self._ask(guard)
                if place != connection.place:
                    (await self.open(place)).drop()  # else it is no primary: the Sentinel is behind
                    connection.fail(ConnectionError(f"Sentinel has made {place} the primary"))
                    return
                await asyncio.sleep(ASK_EVERY)
        finally:
            self._guard = None
            guard.drop()

    def _next(self) -> RedisPlace:
        """Return the next Sentinel."""
        self._sentinels.append(self._sentinels.pop(0))
        return self._sentinels[-1]

    async def _open_guard(self, sentinel: RedisPlace) -> RedisConnection:
        return await connect_to(sentinel, self._guard_options, {}, _ignore, _ignore)

    async def _ask(self, guard: RedisConnection) -> RedisPlace:
        """Ask a Sentinel for the primary."""
        options = self._guard_options
        try:
            answer = await guard.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
        except ReplyError as error:
            raise refusal(guard.place, options, "SENTINEL", str(error)) from None
        if answer is None:
            raise DefinitionError(
                f"the bus {self.name}",
                expected="the name of a primary that the Sentinels watch",
                got=f"{guard.place} knows no {self._service!r}",
                write="redis+sentinel://sentinel:26379/mymaster",
            )
        host, port = answer
        return RedisPlace(host.decode(), int(port))


def _ignore(*_: object) -> None:
    """Do nothing."""
