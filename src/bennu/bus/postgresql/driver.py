"""The driver of PostgreSQL: channels over LISTEN and NOTIFY."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from itertools import count

from ...logs.log import Log
from ..broker.driver import Broken, Driver, Hear
from ..broker.settings import Channels
from .address import PostgreSQLAddress
from .connection import PostgreSQLConnection
from .packets import MAX_DATA, SLOTS, PacketJoiner, parts_of, slot_of, transactions

__all__ = ["PostgreSQLDriver"]


class PostgreSQLDriver(Driver):
    """Carries channels over the notifications of a PostgreSQL server.

    Args:
        address: The servers. The first one that is a primary is used.
    """

    __slots__ = (
        "_address",
        "_connection",
        "_counts",
        "_hear",
        "_interest",
        "_joiner",
        "_log",
        "_numbers",
        "_servers",
        "_topics",
        "_wanted",
    )

    def __init__(self, address: PostgreSQLAddress) -> None:
        self._address = address
        self._servers = list(address.servers)
        self._topics = Channels(address.prefix).of_topic("").encode()
        self._log = Log("bennu.bus")
        self._connection: PostgreSQLConnection | None = None
        self._begin()

    @property
    def name(self) -> str:
        """The address for the log, without secrets."""
        return self._address.name

    @property
    def max_bytes(self) -> int:
        """The bytes of the largest message."""
        return MAX_DATA

    @property
    def fds(self) -> list[int]:
        """The file descriptor of the connection."""
        return [] if self._connection is None else [self._connection.fd]

    async def connect(self, hear: Hear, broken: Broken) -> None:
        """Connect to the first server that can be reached and is no standby.

        The next attempt begins with the server that was used last, or with the one after the server that has failed.
        """
        self._begin()
        self._hear = hear
        failure: OSError = ConnectionError("the address has no server")
        for _ in range(len(self._servers)):
            server = self._servers[0]
            try:
                self._connection = await PostgreSQLConnection.open(
                    server, self.name, self._heard, broken, self._log
                )
            except OSError as error:
                self._servers.append(self._servers.pop(0))
                failure = error
            except BaseException:  # the caller's patience can end here
                self._servers.append(self._servers.pop(0))
                raise
            else:
                return
        raise failure

    async def close(self) -> None:
        """End the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Send messages, and return when the server has taken all of them."""
        connection = self._connected()
        for packets in transactions(messages, self._topics):
            channels: list[str] = []
            payloads: list[str] = []
            for slot, packet in packets.items():
                parts = parts_of(packet, next(self._numbers))
                channels += [SLOTS[slot]] * len(parts)
                payloads += parts
            await connection.notify(channels, payloads)

    async def subscribe(self, channels: Collection[str]) -> None:
        """LISTEN to the slots of channels."""
        connection = self._connected()
        async with self._interest:
            for channel in channels:
                name = channel.encode()
                if name not in self._wanted:
                    slot = slot_of(name, self._topics)
                    if not self._counts[slot]:
                        await connection.listen(SLOTS[slot])
                    self._counts[slot] += 1
                    self._wanted[name] = channel

    async def unsubscribe(self, channels: Collection[str]) -> None:
        """UNLISTEN the slots that have no channel left."""
        connection = self._connected()
        async with self._interest:
            for channel in channels:
                name = channel.encode()
                if self._wanted.pop(name, None) is not None:
                    slot = slot_of(name, self._topics)
                    self._counts[slot] -= 1
                    if not self._counts[slot]:
                        await connection.unlisten(SLOTS[slot])

    def _begin(self) -> None:
        """Forget the last connection."""
        self._interest = asyncio.Lock()
        self._joiner = PacketJoiner()
        self._numbers = count()
        self._counts = [0] * len(SLOTS)
        self._wanted: dict[bytes, str] = {}

    def _connected(self) -> PostgreSQLConnection:
        if self._connection is None:
            raise ConnectionError("there is no connection to PostgreSQL")
        return self._connection

    def _heard(self, sender: int, slot: str, payload: str) -> None:
        dropped = self._joiner.dropped
        for name, data in self._joiner.receive(sender, slot, payload):
            channel = self._wanted.get(name)
            if channel is not None:
                self._hear(channel, data)
        if self._joiner.dropped != dropped:
            self._log.warning(
                "%s delivered a notification on %s that Bennu did not send, or only a part of a message: it was dropped."
                " Its sender was the backend %d. Everyone who can connect to the database can send notifications",
                self.name,
                slot,
                sender,
            )
