"""The driver for NATS.

Theory of operation
-------------------
Channels are subjects (:mod:`.subjects`). One connection to one server carries everything, so the order of the messages is
the order of their publishing. Messages that are too large for the server travel in parts (:mod:`.parts`). ``subscribe``
returns when all servers of a cluster know of the subscription (:mod:`.fence`).

Why Bennu speaks NATS's protocol itself, and does not use nats-py (2.16, measured with 200 bytes, a burst of 100,000
messages, median of three runs, CPU of the client for each message; asyncio, uvloop; the driver publishes 100 at once, as the
adapter does under load):

===========================  ================  ==============
                             nats-py           this driver
===========================  ================  ==============
receive                      5.1 µs, 4.5 µs    1.5 µs, 1.1 µs
publish                      1.8 µs, 2.0 µs    0.5 µs, 0.4 µs
10,000 subscriptions, each   20 µs, 24 µs      1.8 µs, 1.2 µs
memory of a subscription     4.4 kB            0.3 kB
===========================  ================  ==============

- nats-py has a task and a queue for each subscription: a message waits for a turn of the event loop.
- Its queues drop messages when they are full, or grow without a bound.
- After a refused subscription or message (permissions, the number of subscriptions) it goes on: the message is lost.
- An unexpected exception in its reader is logged, and ends the reader, but not the connection.
- It leaves out TLS if a server does not offer TLS, whatever the address says.
- It can't wait for the other servers of a cluster.

The protocol has nine commands. So NATS needs no package, except for NKeys, whose signatures are PyNaCl's.

Which server: those of the address in random order, then those that the cluster has announced. Those that were tried last
come last. So a node leaves a server that is killed, hangs, or is in lame duck mode. In lame duck mode a server
closes its clients one by one, over two minutes by default. The driver waits for this: it spreads the reconnects.

Any error that the server reports ends the connection: the server goes on after some of them, but it has dropped something.
A server closes a client that reads too slowly without a word.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import secrets
from collections.abc import Collection, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from ...errors import DefinitionError
from ..broker.driver import Broken, Driver, Hear
from .address import NATSAddress, NATSPlace, read_place
from .connection import NATSConnection
from .fence import Fence
from .parts import MAX_BYTES, Joiner, cut
from .subjects import subject

__all__ = ["NATSDriver"]

PATIENCE: Final = 2.0
"""Seconds in which a server must have accepted this client, if another one is left. The last one has as long as the caller."""

CHUNK: Final = 256 * 1024
"""Bytes after which a large write waits until there is room for more."""

FIRST_SID: Final = 10
"""The number of the first channel's subscription. The numbers below are the fence's."""


class NATSDriver(Driver):
    """Carries channels over NATS.

    Args:
        address: The address.
        client: The name of this client in the server's monitoring.
        headers: Whether the bytes of a message begin with its headers, if it has headers.
    """

    __slots__ = (
        "_address",
        "_channels",
        "_client",
        "_connection",
        "_ends",
        "_fence",
        "_headers",
        "_hear",
        "_joiner",
        "_latest",
        "_numbers",
        "_sids",
        "_token",
    )

    def __init__(self, address: NATSAddress, client: str, *, headers: bool = False) -> None:
        self._address = address
        self._headers = headers
        self._client = client
        self._connection: NATSConnection | None = None
        self._latest: tuple[NATSConnection, NATSPlace] | None = None
        self._ends: dict[NATSPlace, int] = {}
        self._token = b""
        self._channels: dict[bytes, str] = {}
        self._sids: dict[str, bytes] = {}
        self._numbers = itertools.count(FIRST_SID)
        self._joiner = Joiner()
        self._fence: Fence | None = None

    @property
    def name(self) -> str:
        return self._address.shown

    @property
    def max_bytes(self) -> int:
        return MAX_BYTES

    @property
    def fds(self) -> list[int]:
        return self._connection.fds if self._connection is not None else []

    async def connect(self, hear: Hear, broken: Broken) -> None:
        failures: list[Exception] = []
        *servers, last = self._servers()
        for place in [*servers, last]:
            self._ends[place] = max(self._ends.values(), default=0) + 1
            try:
                async with asyncio.timeout(None if place is last else PATIENCE):
                    await self._connect(place, hear, broken)
            except (OSError, DefinitionError) as error:
                failures.append(error)
            else:
                self._ends = {place: 1}
                return
        # Another server can have other users while the configuration is changed. If none accepts this client, the
        # mistake is worth more than the failure.
        failures.sort(key=lambda failure: not isinstance(failure, DefinitionError))
        raise failures[0]

    def _servers(self) -> list[NATSPlace]:
        """Return the servers in the order in which they are tried: last those that were tried last."""
        given, announced = list(self._address.servers), self._announced()
        random.shuffle(given)
        random.shuffle(announced)
        servers = list(dict.fromkeys([*given, *announced]))
        return sorted(servers, key=lambda one: self._ends.get(one, 0))

    def _announced(self) -> list[NATSPlace]:
        """Return the servers that the cluster has announced on the latest connection."""
        places: list[NATSPlace] = []
        if self._latest is not None:
            connection, known = self._latest
            for url in connection.info.connect_urls or []:
                with suppress(DefinitionError):
                    place = read_place(url, self.name)
                    with suppress(
                        ValueError
                    ):  # a name stands in the certificate, an IP address does not
                        ip_address(place.host)
                        place = NATSPlace(place.host, place.port, known.certified or known.host)
                    places.append(place)
        return places

    async def _connect(self, place: NATSPlace, hear: Hear, broken: Broken) -> None:
        connection = NATSConnection(
            self._address, self._client, self._take, broken, headers=self._headers
        )
        try:
            await connection.open(place)
            self._hear = hear
            self._token = secrets.token_hex(8).encode()
            self._channels, self._sids = {}, {}
            self._numbers = itertools.count(FIRST_SID)
            self._joiner = Joiner()
            self._fence = Fence(connection, self._address.prefix, self._token)
            await self._fence.start()
        except BaseException:
            connection.abort(ConnectionAbortedError("the connect failed"))
            raise
        self._connection, self._latest = connection, (connection, place)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        connection, prefix = self._connected(), self._address.prefix
        limit = min(connection.info.max_payload, MAX_BYTES)
        frames: list[bytes] = []
        size = 0
        for channel, data in messages:
            name = subject(prefix, channel)
            if len(data) <= limit:
                frames.append(b"PUB %b %d\r\n%b\r\n" % (name, len(data), data))
            else:
                frames += [
                    b"PUB %b %b %d\r\n%b\r\n" % (name, reply, len(part), part)
                    for reply, part in cut(data, limit, self._token, next(self._numbers))
                ]
            size += len(data) + 100
            if size >= CHUNK:
                connection.write(b"".join(frames))
                frames, size = [], 0
                await connection.drain()
        connection.write(b"".join(frames))
        await connection.drain()

    async def subscribe(self, channels: Collection[str]) -> None:
        connection, prefix = self._connected(), self._address.prefix
        frames: list[bytes] = []
        for channel in channels:
            if channel not in self._sids:
                sid = b"%d" % next(self._numbers)
                self._sids[channel], self._channels[sid] = sid, channel
                frames.append(b"SUB %b %b\r\n" % (subject(prefix, channel), sid))
        connection.write(b"".join(frames))
        if self._fence is not None:
            await self._fence.confirm()

    async def unsubscribe(self, channels: Collection[str]) -> None:
        connection = self._connected()
        frames: list[bytes] = []
        for channel in channels:
            sid = self._sids.pop(channel, None)
            if sid is not None:
                del self._channels[sid]
                frames.append(b"UNSUB %b\r\n" % sid)
        connection.write(b"".join(frames))
        await connection.drain()

    def _take(self, sid: bytes, reply: bytes, data: bytes) -> None:
        """Take a message from the server."""
        channel = self._channels.get(sid)
        if channel is None:
            if self._fence is not None:
                self._fence.hear(sid, data)
        elif not reply:
            self._hear(channel, data)
        elif (whole := self._joiner.add(channel, reply, data)) is not None:
            self._hear(channel, whole)

    def _connected(self) -> NATSConnection:
        if self._connection is None:
            raise ConnectionAbortedError("the driver is not connected")
        self._connection.check()
        return self._connection
