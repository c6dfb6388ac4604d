"""The store in Redis 7 or Valkey: one server, a primary that Sentinels watch, or a cluster.

Theory of operation
-------------------
=================  ==============================================================================================
module             what it does
=================  ==============================================================================================
:mod:`.names`      reads the address; names the keys and channels
:mod:`.scripts`    the scripts, each of which is one atomic step
:mod:`.primary`    runs scripts at a server, and knows the lineage of its data
:mod:`.routes`     finds the server of a key, and connects to it
=================  ==============================================================================================

The script that appends also publishes each new entry with its offset and epoch, so no entry is announced that is not in the
log, and none stays unannounced. In a cluster the channel of a topic has the slot of its log, so one server does both
(``SPUBLISH``). A node hears the channels through a feed (:mod:`bennu.store.feed`) with the drivers of the bus
(:mod:`bennu.bus.redis`), on a connection of its own: a large answer to a read does not delay announcements, and a process
that only publishes hears nothing.

A user of Redis with an ACL needs all keys and channels of the prefix, and the commands ``HELLO``, ``INFO``, ``PING``,
``EVAL``, ``EVALSHA``, ``PUBLISH`` and ``SUBSCRIBE``, those of hashes, streams and strings, and in a cluster ``CLUSTER``,
``ASKING``, ``SPUBLISH`` and ``SSUBSCRIBE``.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from hiredis import ReplyError

from ...bus.broker.settings import BrokerSettings
from ...bus.redis.connection import RedisConnection
from ...bus.redis.driver import MAX_BYTES, RedisDriver
from ...bus.redis.drivers import drivers_for
from ...bus.redis.slots import slot_of
from ...errors import DecodeError, DefinitionError, EncodeError, StoreUnavailable
from ...logs.log import Log
from ...loop.forks import give_up, watch
from ..entry import Draft, LogEntry, pack_draft, unpack_draft
from ..epoch import new_epoch
from ..feed import Feed
from ..store import Announce, Appended, Claim, ClaimState, Head, Page, Retention, Store
from .names import StoreNames, of_store, read_store_address
from .primary import RedisPrimary, meet, warn
from .routes import ClusterRoute, PrimaryRoute, RedisRoute
from .scripts import APPEND, CLAIM, HEADS, READ, RELEASE, RESET, SETTLE, RedisScript

__all__ = ["RedisStore"]

FIRST_ATTEMPT: Final = 5.0
"""Seconds for which the start waits for a connection."""

ROUNDS: Final = 8
"""How often a command is sent again that a server refused because of a slot or of its role."""

HEADS_AT_ONCE: Final = 200
"""Topics in one call of a script. Redis serves nobody else meanwhile."""

SLACK: Final = 60.0
"""Seconds for which a log outlives its last entry: the clocks of publishers and of Redis differ."""


class RedisStore(Store):
    """Keeps logs and keys in Redis.

    Args:
        address: The address. :mod:`.names` lists its parameters.
        settings: The times of the feed. Default: those of a node on a bus.
        clock: Returns seconds since 1970. Default: the clock of the system.

    Raises:
        DefinitionError: The address can't be used.

    Example:
        >>> RedisStore("redis://:secret@cache:6379?prefix=chat").name
        'redis://cache:6379'
    """

    __slots__ = (
        "__weakref__",
        "_announce",
        "_clock",
        "_feed",
        "_is_cluster",
        "_log",
        "_names",
        "_read",
        "_route",
        "_settings",
        "_trusts",
    )

    def __init__(
        self,
        address: str,
        *,
        settings: BrokerSettings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._read, self._trusts = read_store_address(address)
        self._is_cluster = self._read.kind == "cluster"
        self._names = StoreNames(self._read.prefix, self._read.options.db)
        self._settings = settings
        self._clock = clock
        self._log = Log("bennu.store")
        self._announce: Announce = _nobody
        self._route: RedisRoute | None = None
        self._feed: Feed | None = None
        watch(self)

    @property
    def name(self) -> str:
        """The address, without secrets."""
        return self._read.options.name

    @property
    def announces(self) -> bool:
        """The script that appends announces the entries."""
        return True

    # Start and stop.

    async def start(self, announce: Announce) -> None:
        """Try to connect, and return after the first attempt."""
        self._announce = announce
        self._log.start(asyncio.get_running_loop())
        options = self._read.options
        if self._is_cluster:
            self._route = ClusterRoute(self._read.places, options, self._met)
        else:
            self._route = PrimaryRoute(self._driver(), options, self._met)
        heartbeat = None if self._is_cluster else self._names.beat
        [driver] = drivers_for(self._read)
        self._feed = Feed(
            driver,
            self._names,
            self._heard,
            self._read_again,
            heartbeat=heartbeat,
            settings=self._settings,
            log=self._log,
        )
        try:
            async with asyncio.timeout(FIRST_ATTEMPT):
                await self._route.primary("")
        except OSError:  # with TimeoutError. The feed logs why
            pass
        except DefinitionError as error:
            await self.stop()
            raise of_store(error) from None
        except BaseException:
            await self.stop()
            raise
        self._feed.start()

    def _driver(self) -> RedisDriver:
        [driver] = drivers_for(self._read)
        assert isinstance(driver, RedisDriver)  # noqa: S101 - for the type checkers: it is no cluster
        return driver

    async def stop(self) -> None:
        """Close all connections."""
        feed, self._feed = self._feed, None
        route, self._route = self._route, None
        if feed is not None:
            await feed.stop()
        if route is not None:
            await route.close()
            self._log.stop()

    def leave_parent(self) -> None:
        """Give up the parent's connections: this process is a child of ``fork``."""
        if self._route is not None and self._feed is not None:
            give_up([*self._route.fds, *self._feed.driver.fds])
        self._route = self._feed = None

    async def _met(self, connection: RedisConnection) -> RedisPrimary:
        primary = await meet(connection, self._read.options, trusts=self._trusts)
        warn(primary, self._log, trusts=self._trusts)
        return primary

    # Announcements.

    async def subscribe(self, topics: Collection[str]) -> None:
        """Hear of the new entries of topics.

        A call that fails or is cancelled still subscribes, as soon as Redis is there, until :meth:`unsubscribe`.

        Raises:
            EncodeError: A topic is too long, or has no UTF-8 form.
            StoreUnavailable: Redis can't be reached.
        """
        if self._feed is None:
            raise StoreUnavailable(f"the store {self.name} is not started")
        await self._feed.subscribe(topics)

    def unsubscribe(self, topics: Collection[str]) -> None:
        """Hear nothing more of topics."""
        if self._feed is not None:
            self._feed.unsubscribe(topics)

    def _heard(self, topic: str, data: bytes) -> None:
        try:
            epoch, number, packed = data.split(b" ", 2)
            offset = int(number)
            entry = LogEntry(offset, offset - 1, *unpack_draft(packed))
        except (ValueError, DecodeError):  # of another version of Bennu, or of another program
            self._read_again(topic)
        else:
            self._announce(topic, epoch.decode(errors="replace"), entry)

    def _read_again(self, topic: str) -> None:
        self._announce(topic, "", None)

    # Logs.

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        """Append drafts to the log of a topic, and announce them."""
        keys = self._names.keys(topic)
        kept = retention.record
        if retention.ttl is not None:
            kept = min(kept, retention.ttl + SLACK)
        arguments: list[str | bytes] = [
            new_epoch(),
            _milliseconds(retention.record),
            self._oldest(retention),
            str(retention.size),
            _milliseconds(kept),
            "SPUBLISH" if self._is_cluster else "PUBLISH",
            self._names.of_topic(topic),
        ]
        for draft in drafts:
            data = pack_draft(draft)
            if len(data) > MAX_BYTES:
                raise EncodeError(
                    f"an entry has {len(data):,} bytes: the store {self.name} takes at most {MAX_BYTES:,}"
                )
            arguments += (draft.id, data)
        epoch, *found = await self._run(APPEND, keys, arguments)
        offsets = [int(one) for one in found]
        return Appended(epoch.decode(), [(offset, offset - 1) for offset in offsets])

    async def read(
        self, topic: str, after: int, limit: int, max_bytes: int, retention: Retention
    ) -> Page:
        """Return the oldest entries above an offset."""
        arguments = [
            new_epoch(),
            _milliseconds(retention.record),
            self._oldest(retention),
            str(after),
            str(limit),
            str(max_bytes),
        ]
        answer: Any = await self._run(READ, self._names.keys(topic), arguments)
        epoch, newest, is_cut, *found = answer
        try:
            entries = [
                LogEntry(offset := int(name[:-2]), offset - 1, *unpack_draft(data))
                for name, data in zip(found[::2], found[1::2], strict=True)
            ]
        except DecodeError as error:
            text = f"the store {self.name} has an entry that this version of Bennu can't read"
            raise StoreUnavailable(text) from error
        return Page(epoch.decode(), int(newest), entries, is_cut=is_cut == 1)

    async def heads(self, topics: Collection[str]) -> Mapping[str, Head]:
        """Return where the logs of many topics stand."""
        groups: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
        for topic in topics:
            record = self._names.keys(topic)[0]
            groups[slot_of(record) if self._is_cluster else 0].append((topic, record))
        heads: dict[str, Head] = {}

        async def ask(some: list[tuple[str, str]]) -> None:
            answer: Any = await self._run(HEADS, [record for _, record in some], ())
            for number, epoch, newest in zip(answer[::3], answer[1::3], answer[2::3], strict=True):
                heads[some[number - 1][0]] = Head(epoch.decode(), int(newest))

        await asyncio.gather(
            *(
                ask(group[start : start + HEADS_AT_ONCE])
                for group in groups.values()
                for start in range(0, len(group), HEADS_AT_ONCE)
            )
        )
        return heads

    async def reset(self, topic: str) -> None:
        """Delete the log of a topic."""
        await self._run(RESET, self._names.keys(topic), ())

    def _oldest(self, retention: Retention) -> str:
        """Return the time of the oldest entry that is kept, in milliseconds; empty text for any time."""
        if retention.ttl is None:
            return ""
        return str(round((self._clock() - retention.ttl) * 1000))

    # Keys.

    async def claim(self, key: str, owner: str, seconds: float) -> Claim:
        """Claim a key for its first caller."""
        name = self._names.of_key(key)
        value = await self._run(CLAIM, [name], [owner, _milliseconds(seconds)])
        if value is None:
            return Claim(ClaimState.NEW)
        if value[:1] == b"c":
            return Claim(ClaimState.RUNNING)
        return Claim(ClaimState.SETTLED, value[1:])

    async def settle(self, key: str, owner: str, value: bytes, seconds: float) -> bool:
        """Give a claimed key its value."""
        name = self._names.of_key(key)
        done: int = await self._run(SETTLE, [name], [owner, _milliseconds(seconds), value])
        return done == 1

    async def release(self, key: str, owner: str) -> None:
        """Free a key that this owner has claimed."""
        await self._run(RELEASE, [self._names.of_key(key)], [owner])

    # Commands.

    async def _run(
        self, script: RedisScript, keys: Sequence[str], arguments: Sequence[str | bytes]
    ) -> Any:
        """Run a script at the primary of its first key."""
        route = self._route
        if route is None:
            raise StoreUnavailable(f"the store {self.name} is not started")
        refused = ""
        try:
            primary, is_asking = await route.primary(keys[0]), False
            for _ in range(ROUNDS):
                try:
                    return await primary.run(script, keys, arguments, is_asking=is_asking)
                except ReplyError as error:
                    refused = str(error)
                    other = await route.after(keys[0], primary, refused)
                if other is None:
                    break
                primary, is_asking = other
            place = primary.connection.place
        except OSError as error:
            raise StoreUnavailable(f"the store {self.name} can't be reached: {error}") from None
        except DefinitionError as error:
            raise StoreUnavailable(str(of_store(error))) from None
        raise StoreUnavailable(f"the store {self.name} has refused: {place}: {refused}")


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))


def _nobody(*_: object) -> None:
    """Tell nobody."""
