"""Announces new entries with NOTIFY of PostgreSQL: the parameter ``announce=notify`` of an address.

Theory of operation
-------------------
The transaction that appends an entry also sends a notification, so no entry is announced that is not in the log. All
notifications of a prefix have one channel, and one connection of each node LISTENs to it. A notification has the hash of the
topic, the epoch, the offset, and the entry in Base64. It has at most 7,999 bytes: a larger entry is announced without itself,
and nodes read it.

**Which to choose.** By default (``announce=bus``) the node that has committed an entry tells the others over the bus, so a commit
whose process then dies is found by the periodic check, within ten seconds. Choose ``notify`` if transactions of scripts and task
queues, which reach no bus, are to be heard at once. It costs:

- one more statement for each append, and one notification to each node for each entry, also to nodes whose clients don't
  hear the topic;
- one lock of the whole server for each commit that notifies, also of transactions of the application with an outbox. While
  one of them waits for the disk or for a standby, all others wait.

asyncpg listens, whatever driver the store has. The feed (:mod:`bennu.store.feed`) connects again, and asks then for a read of
all topics.
"""

from __future__ import annotations

import secrets
from binascii import a2b_base64, b2a_base64
from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL

from ...bus.broker.driver import Broken, Driver, Hear
from ...bus.broker.settings import BrokerSettings, Channels
from ...bus.postgresql.address import PostgreSQLAddress, parse_address
from ...bus.postgresql.connection import PostgreSQLConnection
from ...errors import DecodeError, DefinitionError
from ...logs.log import Log
from ..entry import Draft, LogEntry, pack_draft, unpack_draft
from ..feed import Feed
from ..store import Announce, Appended, Retention
from .statements import SQLStatements
from .tables import SQLTables, hashed

__all__ = ["NotifyDriver", "NotifyingStatements", "feed_of"]

MAX_PAYLOAD: Final = 7_999
"""Bytes of a notification of PostgreSQL."""

NOTIFY: Final = text(
    "SELECT count(pg_notify(CAST(:channel AS text), told.payload))"
    " FROM unnest(CAST(:payloads AS text[])) AS told(payload)"
)

OPTIONS: Final = {"host", "port", "passfile", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl"}  # fmt: skip
"""The parameters of an address that the connection that listens has too. Others are the driver's."""


class NotifyingStatements(SQLStatements):
    """The statements of a store that announces.

    Args:
        tables: The tables.
        prefix: What the names of the tables begin with.
        trusts: Whether the lineage of a record does not matter.
    """

    __slots__ = ("_channel",)

    def __init__(self, tables: SQLTables, prefix: str, *, trusts: bool) -> None:
        super().__init__(tables, "postgresql", trusts=trusts)
        self._channel = _channel_of(prefix)

    def append(
        self, connection: Connection, topic: str, drafts: Sequence[Draft], retention: Retention
    ) -> Appended:
        """Append drafts to a log, and announce them when the transaction commits."""
        appended = super().append(connection, topic, drafts, retention)
        key = _key_of(topic)
        payloads = [
            _payload_of(f"{key} {appended.epoch} {offset} ", draft)
            for draft, (offset, _) in zip(drafts, appended.places, strict=True)
        ]
        connection.execute(NOTIFY, {"channel": self._channel, "payloads": payloads})
        return appended


def _payload_of(place: str, draft: Draft) -> str:
    """Return the payload of a notification: without the entry if that is too large."""
    if 4 * len(draft.payload) // 3 > MAX_PAYLOAD:
        return place
    payload = place + b2a_base64(pack_draft(draft), newline=False).decode()
    return payload if len(payload) <= MAX_PAYLOAD else place


def _key_of(topic: str) -> str:
    """Return what a notification says of its topic. A topic itself can be too long."""
    return b2a_base64(hashed(topic), newline=False).decode()


class _Keys(Channels):
    """The names that topics have for the driver."""

    __slots__ = ()

    def of_topic(self, topic: str) -> str:
        """Return the key of a topic."""
        return _key_of(topic)


class NotifyDriver(Driver):
    """Hears the notifications of one channel of PostgreSQL.

    To the feed, the keys of topics are channels. Only its heartbeat has a channel of its own in PostgreSQL.

    Args:
        address: The servers.
        channel: The channel.
        log: Writes the log.
    """

    __slots__ = ("_address", "_channel", "_connection", "_hear", "_keys", "_log")

    def __init__(self, address: PostgreSQLAddress, channel: str, log: Log) -> None:
        self._address = address
        self._channel = channel
        self._log = log
        self._connection: PostgreSQLConnection | None = None
        self._keys: set[str] = set()

    @property
    def name(self) -> str:
        """The address for the log, without secrets."""
        return self._address.name

    @property
    def max_bytes(self) -> int:
        """The bytes of the largest notification. A feed sends nothing but its heartbeat."""
        return MAX_PAYLOAD

    @property
    def fds(self) -> list[int]:
        """The file descriptor of the connection."""
        return [] if self._connection is None else [self._connection.fd]

    async def connect(self, hear: Hear, broken: Broken) -> None:
        """Connect to the first server that can be reached and is no standby, and LISTEN."""
        self._keys = set()
        self._hear = hear
        failure: OSError = ConnectionError("the address has no server")
        for server in self._address.servers:
            try:
                self._connection = await PostgreSQLConnection.open(
                    server, self.name, self._heard, broken, self._log
                )
                await self._connection.listen(self._channel)
            except OSError as error:
                failure = error
            else:
                return
        raise failure

    async def close(self) -> None:
        """End the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Send a heartbeat."""
        names = [name for name, _ in messages]
        await self._connected().notify(names, [data.decode() for _, data in messages])

    async def subscribe(self, channels: Collection[str]) -> None:
        """Hear keys of topics, which needs no round trip, or LISTEN to a heartbeat."""
        connection = self._connected()
        for channel in channels:
            if _is_beat(channel):
                await connection.listen(channel)
        self._keys.update(channels)

    async def unsubscribe(self, channels: Collection[str]) -> None:
        """Hear keys of topics no more."""
        self._keys.difference_update(channels)

    def _connected(self) -> PostgreSQLConnection:
        if self._connection is None:
            raise ConnectionError("there is no connection to PostgreSQL")
        return self._connection

    def _heard(self, pid: int, channel: str, payload: str) -> None:
        if channel != self._channel:
            self._hear(channel, b"")
            return
        key, _, rest = payload.partition(" ")
        if key in self._keys:
            self._hear(key, rest.encode())


BEAT: Final = "beat_"
"""What stands before the random end of a heartbeat's channel. A key of a topic has no underscore."""


def _is_beat(channel: str) -> bool:
    return BEAT in channel


def _channel_of(prefix: str) -> str:
    """Return the channel of PostgreSQL for all nodes whose tables have a prefix."""
    return f"{prefix}entries"


def feed_of(
    url: URL,
    prefix: str,
    announce: Announce,
    log: Log,
    settings: BrokerSettings | None = None,
) -> Feed:
    """Return what hears the notifications for one store, not started.

    Args:
        url: The address of the store.
        prefix: What the names of the tables begin with.
        announce: Called with the new entries.
        log: Writes the log.
        settings: The times of the feed. Default: those of a node on a bus.

    Raises:
        DefinitionError: The address can't be used by asyncpg.
    """
    query = {name: str(value) for name, value in url.query.items() if name in OPTIONS}
    if "sslmode" not in query and "ssl" in url.query:  # asyncpg's name for it in SQLAlchemy
        query["sslmode"] = str(url.query["ssl"])
    plain = url.set(drivername="postgresql", query=query)
    try:
        address = parse_address(plain.render_as_string(hide_password=False), "store")
    except DefinitionError as error:
        raise DefinitionError(
            error.subject.replace("the bus ", "the store ", 1),
            expected=error.expected,
            got=error.got,
            write=error.write.replace("pubsub=", "store=", 1),
        ) from None

    def read_again(topic: str) -> None:
        announce(topic, "", None)

    def hear(topic: str, data: bytes) -> None:
        try:
            epoch, number, packed = data.decode().split(" ")
            offset = int(number)
            if packed:
                entry = LogEntry(offset, offset - 1, *unpack_draft(a2b_base64(packed)))
                announce(topic, epoch, entry)
            else:
                announce(topic, epoch, None)
        except (ValueError, DecodeError):  # everyone who can connect to the database can notify
            read_again(topic)

    return Feed(
        NotifyDriver(address, _channel_of(prefix), log),
        _Keys(prefix),
        hear,
        read_again,
        heartbeat=f"{prefix}{BEAT}{secrets.token_hex(8)}",
        settings=settings,
        log=log,
    )
