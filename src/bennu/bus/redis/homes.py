"""Which primary of a cluster carries which channel of ours.

Theory of operation
-------------------
A channel's *home* is the connection on which it is subscribed. A channel is *homeless* until its primary has confirmed the
subscription, and again when its primary was lost or has lost the slot. A server that loses a slot unsubscribes its clients
from the slot's channels, and tells them (``sunsubscribe``).

:meth:`ChannelHomes._repair` asks for the slots again, and subscribes at the new primaries, until there are no homeless
channels and no lost primaries. It gives up after its patience, and breaks the whole connection: a part of the topics that
stays deaf must not look healthy.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Any, Final

from hiredis import ReplyError

from ...errors import DefinitionError
from .connection import RedisConnection
from .nodes import ClusterNodes
from .options import RedisPlace
from .slots import slot_of

__all__ = ["ChannelHomes"]

FIRST_DELAY: Final = 0.05
LAST_DELAY: Final = 1.0
"""Seconds between two attempts to find homes, at first and at last."""


class ChannelHomes:
    """Subscribes to channels at their primaries, and follows them.

    Args:
        nodes: The servers.
        patience: Seconds for which a channel can be homeless.

        repaired: Called when channels that were at home are at home again.

    Attributes:
        homeless: The channels that nobody carries for us.
        lost_since: The time since which a primary is lost, or a channel is homeless that was at home; None if all is well.
    """

    __slots__ = (
        "_homes",
        "_is_over",
        "_nodes",
        "_patience",
        "_repaired",
        "_repairing",
        "homeless",
        "lost_since",
    )

    def __init__(
        self, nodes: ClusterNodes, patience: float, repaired: Callable[[], object]
    ) -> None:
        self.homeless: set[str] = set()
        self.lost_since: float | None = None
        self._repaired = repaired
        self._homes: dict[str, RedisConnection] = {}
        self._nodes = nodes
        self._patience = patience
        self._is_over = False
        self._repairing: asyncio.Task[None] | None = None

    async def add(self, channels: Collection[str]) -> None:
        """Subscribe. Return when the primary of each channel has confirmed it, or after the end."""
        new = {one for one in channels if one not in self._homes or one in self.homeless}
        self._nodes.names.update((channel.encode(), channel) for channel in new)
        self.homeless |= new
        await self._settle(new)
        while self.homeless & new and not self._is_over:
            await self._wait_for_repair()

    async def remove(self, channels: Collection[str]) -> None:
        """Unsubscribe."""
        homes: defaultdict[RedisConnection, list[str]] = defaultdict(list)
        for channel in channels:
            self._nodes.names.pop(channel.encode(), None)
            self.homeless.discard(channel)
            home = self._homes.pop(channel, None)
            if home is not None:
                homes[home].append(channel)
        for home, own in homes.items():
            with suppress(OSError):  # it has ended, and so have its subscriptions
                changes = home.change(b"SUNSUBSCRIBE", _by_slot(own).values())
                await asyncio.gather(*changes, return_exceptions=True)

    def evict(self, connection: RedisConnection, channel: str | None = None) -> None:
        """Find new homes: the connection has ended, or its server has lost the slot of a channel."""
        gone = [
            one
            for one in (self._homes if channel is None else (channel,))
            if self._homes.get(one) is connection
        ]
        for one in gone:
            del self._homes[one]
        self.homeless.update(gone)
        if self.lost_since is None:
            self.lost_since = asyncio.get_running_loop().time()
        self.repair()

    async def settle(self) -> None:
        """Return when every primary is there and every channel is at home, or after the end."""
        while (self.homeless or self._nodes.lost) and not self._is_over:
            await self._wait_for_repair()

    async def _wait_for_repair(self) -> None:
        self.repair()
        if self._repairing is not None:
            await asyncio.wait([self._repairing])

    def repair(self) -> None:
        """Look for lost primaries, and for the homes of homeless channels."""
        if not self._is_over and (self._repairing is None or self._repairing.done()):
            self._repairing = asyncio.create_task(self._repair())

    def stop(self) -> None:
        """Look no more."""
        self._is_over = True
        if self._repairing is not None:
            self._repairing.cancel()

    async def _repair(self) -> None:
        nodes, loop = self._nodes, asyncio.get_running_loop()
        began, delay = loop.time(), FIRST_DELAY
        try:
            while True:
                await nodes.refresh()
                await nodes.reach(tuple(nodes.lost))
                for _ in range(2):  # the second time at the servers that the first ones have named
                    await self._settle(tuple(self.homeless))
                if not self.homeless and not nodes.lost:
                    if self.lost_since is not None:
                        self._repaired()
                        self.lost_since = None
                    return
                if loop.time() - began > self._patience:
                    count, seconds = len(self.homeless), self._patience
                    raise ConnectionError(f"{count} channels have no primary for {seconds:g} s")
                await asyncio.sleep(delay)
                delay = min(2 * delay, LAST_DELAY)
        except (OSError, DefinitionError) as error:
            nodes.break_off(error)

    async def _settle(self, channels: Iterable[str]) -> None:
        """Subscribe to channels whose primaries can be reached."""
        nodes = self._nodes
        places: defaultdict[RedisPlace, list[str]] = defaultdict(list)
        for channel in channels:
            place = nodes.slots.place_of(channel)
            if place is not None and place not in nodes.lost:
                places[place].append(channel)
        await nodes.reach(places.keys() - nodes.live.keys())
        await asyncio.gather(
            *(
                self._settle_at(nodes.live[place], own)
                for place, own in places.items()
                if place in nodes.live
            )
        )

    async def _settle_at(self, connection: RedisConnection, channels: list[str]) -> None:
        slots = _by_slot(channels)
        # Entered before the answer: the server can send a channel away right after it.
        self._homes.update(dict.fromkeys(channels, connection))
        try:
            changes = connection.change(b"SSUBSCRIBE", slots.values())
            answers: list[Any] = await asyncio.gather(*changes, return_exceptions=True)
        except OSError as error:
            answers = [error] * len(slots)
        for keys, answer in zip(slots.values(), answers, strict=True):
            for channel in (key.decode() for key in keys):
                if self._homes.get(channel) is not connection:
                    continue  # evicted, or removed, or at home elsewhere
                if isinstance(answer, BaseException):
                    del self._homes[channel]
                else:
                    self.homeless.discard(channel)
            if isinstance(answer, ReplyError):
                self._nodes.note(connection, "SSUBSCRIBE", str(answer))


def _by_slot(channels: Iterable[str]) -> dict[int, list[bytes]]:
    """Return the bytes of channels, by their slots: a cluster refuses one command for two slots."""
    slots: defaultdict[int, list[bytes]] = defaultdict(list)
    for channel in channels:
        slots[slot_of(channel)].append(channel.encode())
    return slots
