"""The driver for a cluster of Redis 7 or Valkey: ``redis+cluster://``.

Theory of operation
-------------------
Sharded pub/sub: the name of a channel has a slot, and the primary of that slot carries the channel. So each primary
carries its share, where PUBLISH would send every message to every server. The driver has one connection to each primary
that it needs.

===================  ================================================================================================
module               what it does
===================  ================================================================================================
:mod:`.slots`        knows which primary has which slot
:mod:`.nodes`        connects to the servers; notices one that hangs
:mod:`.homes`        subscribes at the primaries; follows channels whose slots move, or whose primary was lost
:mod:`.rerouting`    publishes; sends again what was refused because a slot has moved
:mod:`.dropped`      says when messages were dropped, once the cluster takes messages again
===================  ================================================================================================

A primary that is lost takes its own channels along, and the other primaries go on: a driver that ended as a whole would
make all topics deaf for as long as the cluster needs to replace one server. What is published to the lost primary is
dropped, and the receivers count it.

The connection as a whole ends when no server answers, when a server refuses the login or a command, or when channels
are without a primary for :data:`PATIENCE` seconds. That is more than the 15 seconds and an election in which a cluster
with its default settings replaces a primary.

The connection goes on while topics are deaf or messages are dropped, so the driver says afterwards for how long
(``on_gap``), and the adapter asks for marks of what it has missed, and sends marks of what others have missed. Messages to two primaries can overtake each other, so :meth:`ClusterDriver.settle` asks all.

The channel of all nodes has one primary, too. If that primary is lost, no heartbeat comes back, and the adapter ends the
connection. It is back once the cluster has replaced the primary.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, Final

from ...logs.log import Log
from ..broker.driver import Broken, Driver, Gap, Hear
from .connection import RedisConnection
from .driver import MAX_BYTES
from .dropped import DroppedMessages
from .homes import ChannelHomes
from .nodes import ClusterNodes
from .options import RedisOptions, RedisPlace
from .rerouting import ShardPublisher

__all__ = ["ClusterDriver"]

PATIENCE: Final = 20.0
UNNOTICED: Final = 1.0
"""Seconds for which a primary can be lost before the driver notices, besides its timeout."""


class ClusterDriver(Driver):
    """Publishes and subscribes at the primaries of a cluster.

    Args:
        seeds: Some servers of the cluster.
        options: How to log in.
        patience: Seconds for which a channel can be without a primary. Default: 20.
    """

    __slots__ = ("_gap", "_life", "_log", "_options", "_patience", "_seeds")

    def __init__(
        self, seeds: Sequence[RedisPlace], options: RedisOptions, *, patience: float = PATIENCE
    ) -> None:
        self._seeds = seeds
        self._options = options
        self._patience = patience
        self._log = Log("bennu.bus")
        self._life: _ClusterLife | None = None
        self._gap: Gap = _nobody

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
        """The sockets."""
        if self._life is None:
            return []
        return [fd for connection in self._life.nodes.live.values() for fd in connection.fds]

    def on_gap(self, gap: Gap) -> None:
        """Call a function when a primary that was lost, or a slot that has moved, is found again."""
        self._gap = gap

    async def connect(self, hear: Hear, broken: Broken) -> None:
        """Connect to one server, and learn which primary has which slot."""

        def broken_off(reason: Exception) -> None:
            life, self._life = self._life, None
            if life is not None:
                life.stop()
                broken(reason)

        seeds = random.sample(self._seeds, len(self._seeds))  # not all nodes ask one server
        nodes = ClusterNodes(self._options, seeds, hear, broken_off)
        try:
            await nodes.refresh()
            nodes.leave_replicas()
        except BaseException:
            nodes.drop()
            raise
        self._life = _ClusterLife(nodes, self._patience, self._options, self._gap, self._log)

    async def close(self) -> None:
        """End all connections. What was published is still sent, if the servers take it within a second."""
        life, self._life = self._life, None
        if life is not None:
            life.stop()
            await life.nodes.close()

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Send messages to the primaries of their channels, and wait until there is room for more."""
        life = self._connected()
        await life.publisher.publish(messages)
        self._expect(life)

    async def subscribe(self, channels: Collection[str]) -> None:
        """Subscribe, and wait until the primary of each channel has confirmed it."""
        life = self._connected()
        await life.homes.add(channels)
        self._expect(life)

    async def settle(self) -> None:
        """Return when all primaries are there, and have taken what was published."""
        life = self._connected()
        has_taken = False
        while not has_taken:
            await life.publisher.settle()
            await life.homes.settle()
            self._expect(life)
            with suppress(OSError):  # one of them was lost just now
                await asyncio.gather(*(one.command("PING") for one in life.nodes.live.values()))
                has_taken = True
        self._expect(life)

    async def unsubscribe(self, channels: Collection[str]) -> None:
        """Unsubscribe, and wait for the answers."""
        await self._connected().homes.remove(channels)

    def _connected(self) -> _ClusterLife:
        if self._life is None:
            raise ConnectionError(f"{self.name} is not connected")
        return self._life

    def _expect(self, life: _ClusterLife) -> None:
        if self._life is not life:
            raise ConnectionError(f"the connection to {self.name} has ended")


class _ClusterLife:
    """What a driver has from one ``connect`` to its end."""

    __slots__ = ("_gap", "_log", "_options", "dropped", "homes", "nodes", "publisher")

    def __init__(
        self, nodes: ClusterNodes, patience: float, options: RedisOptions, gap: Gap, log: Log
    ) -> None:
        self.nodes = nodes
        self.homes = ChannelHomes(nodes, patience, self._repaired)
        self.dropped = DroppedMessages(gap, self._is_well)
        self.publisher = ShardPublisher(nodes, self._drop)
        self._options = options
        self._gap = gap
        self._log = log
        nodes.on_lost = self._lost
        nodes.on_moved = self.homes.evict
        nodes.on_refused = self._refused

    def stop(self) -> None:
        """Stop all tasks."""
        if self.homes.lost_since is not None:
            self._repaired()  # by the next connection
        self.homes.stop()
        self.publisher.stop()
        self.dropped.stop()

    def _is_well(self) -> bool:
        return self.homes.lost_since is None and not self.nodes.lost

    def _lost(self, connection: RedisConnection, reason: Exception) -> None:
        self._log.warning(
            "A server of the bus %s was lost, and its topics are deaf until it is replaced: %s",
            self._options.name,
            reason,
        )
        self.homes.evict(connection)

    def _repaired(self) -> None:
        since = self.homes.lost_since
        if since is not None:
            seconds = asyncio.get_running_loop().time() - since
            self._gap(seconds + UNNOTICED + self._options.timeout)

    def _refused(self, connection: RedisConnection, message: Any, error: str) -> None:
        if self.nodes.note(connection, "SPUBLISH", error):
            self.publisher.refuse(connection, message)
        else:
            self._drop()

    def _drop(self) -> None:
        self.dropped.note()
        if self.nodes.lost:
            self.homes.repair()  # nobody else looks for a primary at which this node hears nothing


def _nobody(_: float) -> None:
    """Tell nobody."""
