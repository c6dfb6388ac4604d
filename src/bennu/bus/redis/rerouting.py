"""Publishes to the primaries of a cluster, and sends again what a server has refused because it lost the slot.

Theory of operation
-------------------
A message that is refused with MOVED was delivered to nobody, so it is sent to the server that the error names. Later messages
of its channel must not overtake it. They were refused too, or are not sent yet. So publishing waits until the server has
answered everything that was sent to it. Then the refused messages are sent in their order, and publishing goes on.

A message for a primary that is lost is dropped: to keep it would hold up the topics of all other primaries. So is a message
that no server takes. The driver notes each drop (:mod:`.dropped`), so that the receivers count it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Final

from hiredis import ReplyError

from ...errors import DefinitionError
from .connection import RedisConnection
from .nodes import ClusterNodes

__all__ = ["ShardPublisher"]

ROUNDS: Final = 5
PAUSE: Final = 0.05
"""How often a message is sent again, and the seconds of the first pause between. Then it is dropped."""

Message = tuple[str, bytes]


class ShardPublisher:
    """Publishes to the primaries.

    Args:
        nodes: The servers.
        dropped: Called when messages were dropped.
    """

    __slots__ = ("_dropped", "_lock", "_nodes", "_refused", "_rerouting", "_sources")

    def __init__(self, nodes: ClusterNodes, dropped: Callable[[], object]) -> None:
        self._nodes = nodes
        self._dropped = dropped
        self._lock = asyncio.Lock()
        self._refused: list[Message] = []
        self._sources: set[RedisConnection] = set()
        self._rerouting: asyncio.Task[None] | None = None

    async def publish(self, messages: Sequence[Message]) -> None:
        """Send messages, and wait until there is room for more."""
        async with self._lock:  # in the order of the calls
            while True:
                await self._connect_for(messages)
                if self._rerouting is None:
                    break
                await asyncio.wait([self._rerouting])
            for connection in self._send(messages):
                with suppress(OSError):  # one that is lost does not stop the others
                    await connection.room()

    def refuse(self, connection: RedisConnection, message: Message) -> None:
        """Send a message again, which a server has refused."""
        self._refused.append(message)
        self._sources.add(connection)
        if self._rerouting is None:
            self._rerouting = asyncio.create_task(self._reroute())

    async def settle(self) -> None:
        """Return when nothing waits to be sent again."""
        while self._rerouting is not None:
            await asyncio.wait([self._rerouting])

    def stop(self) -> None:
        """Send nothing again."""
        if self._rerouting is not None:
            self._rerouting.cancel()

    async def _reroute(self) -> None:
        try:
            for number in range(ROUNDS):
                while self._sources:
                    with suppress(OSError, ReplyError):
                        await self._sources.pop().command("PING")
                messages, self._refused = self._refused, []
                if not messages:
                    return
                await asyncio.sleep(number * PAUSE)
                await self._connect_for(messages)
                self._sources.update(self._send(messages))
        except DefinitionError as error:
            self._nodes.break_off(error)
        finally:
            if self._refused:
                self._refused.clear()
                self._dropped()
            self._rerouting = None

    async def _connect_for(self, messages: Sequence[Message]) -> None:
        """Connect to the primaries of messages."""
        nodes = self._nodes
        places = {nodes.slots.place_of(channel) for channel, _ in messages}
        new = places - nodes.live.keys() - nodes.lost
        if new:
            await nodes.reach([place for place in new if place is not None])

    def _send(self, messages: Sequence[Message]) -> Collection[RedisConnection]:
        """Send messages to the primaries that are connected. Return their connections."""
        live, place_of = self._nodes.live, self._nodes.slots.place_of
        own: defaultdict[RedisConnection, list[Message]] = defaultdict(list)
        for message in messages:
            place = place_of(message[0])
            if place in live:
                own[live[place]].append(message)
            else:
                self._dropped()
        for connection, group in own.items():
            connection.publish(b"SPUBLISH", group, group)
        return own.keys()
