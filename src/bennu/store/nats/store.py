"""The store in NATS JetStream (nats-server 2.12 or newer): one server, or a cluster with three or five replicas.

Theory of operation
-------------------
==================  =============================================================================================
module              what it does
==================  =============================================================================================
:mod:`.names`       reads the address; names the streams and subjects
:mod:`.requests`    asks JetStream on one connection
:mod:`.access`      keeps a connection, and makes the streams
:mod:`.logs`        appends and reads; says what makes a page and an epoch consistent
:mod:`.keys`        the keys of idempotent pushes
==================  =============================================================================================

The stream publishes each entry again after it was stored (``republish``), under another subject and with its number and the
number of the entry before. Nodes hear that subject through a feed (:mod:`bennu.store.feed`). They never hear the subject of
the entries: a publish that the stream rejects comes there too.

Bennu uses its own client of NATS (:mod:`bennu.bus.nats`), not nats-py: a call must not move to another connection, and the
same credentials and certificates must work for the bus and the store.

A user of NATS with permissions needs ``PREFIX.>``, ``$JS.API.>`` and ``_INBOX.>``.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final, TypeVar

from ...bus.broker.settings import BrokerSettings
from ...bus.bus import unique_name
from ...bus.nats.driver import NATSDriver
from ...errors import DecodeError, DefinitionError, StoreUnavailable
from ...logs.log import Log
from ...loop.forks import give_up, watch
from ..entry import UNKNOWN, Draft, LogEntry
from ..feed import Feed
from ..store import Announce, Appended, Claim, Head, Page, Retention, Store
from . import keys
from .access import JetStreamAccess, JetStreamLink
from .logs import JetStreamLogs, unpack_entry
from .names import JetStreamNames, of_store, read_options
from .requests import RefusedRequest, split

__all__ = ["JetStreamStore"]

T = TypeVar("T")

FIRST_ATTEMPT: Final = 5.0
"""Seconds for which the start waits for a connection."""

HEADS_AT_ONCE: Final = 200
"""Topics whose heads are asked for at once."""


class JetStreamStore(Store):
    """Keeps logs and keys in NATS JetStream.

    Args:
        address: The address. :mod:`.names` lists its parameters.
        settings: The times of the feed. Default: those of a node on a bus.
        clock: Returns seconds since 1970. Default: the clock of the system.

    Raises:
        DefinitionError: The address can't be used.

    Example:
        >>> JetStreamStore("nats://user:secret@one:4222?size=100").name
        'nats://one:4222'
    """

    __slots__ = (
        "__weakref__",
        "_announce",
        "_clock",
        "_feed",
        "_link",
        "_log",
        "_names",
        "_options",
        "_settings",
    )

    def __init__(
        self,
        address: str,
        *,
        settings: BrokerSettings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._options = read_options(address)
        self._names = JetStreamNames(self._options.address.prefix)
        self._settings = settings
        self._clock = clock
        self._log = Log("bennu.store")
        self._announce: Announce = _nobody
        self._link: JetStreamLink | None = None
        self._feed: Feed | None = None
        watch(self)

    @property
    def name(self) -> str:
        """The address, without secrets."""
        return self._options.address.shown

    @property
    def announces(self) -> bool:
        """The stream announces the entries."""
        return True

    # Start and stop.

    async def start(self, announce: Announce) -> None:
        """Try to connect, and return after the first attempt."""
        self._announce = announce
        self._log.start(asyncio.get_running_loop())
        client = unique_name()
        self._link = JetStreamLink(self._options, self._names, client)
        heard = dataclasses.replace(self._options.address, prefix=self._names.announced)
        self._feed = Feed(
            NATSDriver(heard, client, headers=True),
            self._names,
            self._heard,
            self._read_again,
            heartbeat=self._names.beat,
            settings=self._settings,
            log=self._log,
        )
        try:
            async with asyncio.timeout(FIRST_ATTEMPT):
                await self._link.access()
        except (OSError, StoreUnavailable):  # with TimeoutError. A call says why
            pass
        except DefinitionError as error:
            await self.stop()
            raise of_store(error) from None
        except BaseException:
            await self.stop()
            raise
        self._feed.start()

    async def stop(self) -> None:
        """Close all connections."""
        feed, self._feed = self._feed, None
        link, self._link = self._link, None
        if feed is not None:
            await feed.stop()
        if link is not None:
            await link.close()
            self._log.stop()

    def leave_parent(self) -> None:
        """Give up the parent's connections: this process is a child of ``fork``."""
        if self._link is not None and self._feed is not None:
            give_up([*self._link.fds, *self._feed.driver.fds])
        self._link = self._feed = None

    # Announcements.

    async def subscribe(self, topics: Collection[str]) -> None:
        """Hear of the new entries of topics.

        A call that fails or is cancelled still subscribes, as soon as NATS is there, until :meth:`unsubscribe`.

        Raises:
            EncodeError: A topic is too long, or has no UTF-8 form.
            StoreUnavailable: NATS can't be reached.
        """
        if self._feed is None:
            raise StoreUnavailable(f"the store {self.name} is not started")
        await self._feed.subscribe(topics)

    def unsubscribe(self, topics: Collection[str]) -> None:
        """Hear nothing more of topics."""
        if self._feed is not None:
            self._feed.unsubscribe(topics)

    def _heard(self, topic: str, data: bytes) -> None:
        headers, body = split(data)
        try:
            epoch, marker, draft = unpack_entry(body)
            offset, last = int(headers[b"Nats-Sequence"]), int(headers[b"Nats-Last-Sequence"])
        except (KeyError, ValueError, DecodeError):  # of another version of Bennu or program
            self._read_again(topic)
        else:
            # Purging and trimming can make the server answer 0 for an entry that it no longer has.
            prev = last if last > marker else UNKNOWN
            self._announce(topic, epoch, LogEntry(offset, prev, *draft))

    def _read_again(self, topic: str) -> None:
        self._announce(topic, "", None)

    # Logs.

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        """Append drafts to the log of a topic. The stream announces them."""
        return await self._call(lambda access: self._logs(access).append(topic, drafts))

    async def read(
        self, topic: str, after: int, limit: int, max_bytes: int, retention: Retention
    ) -> Page:
        """Return the oldest entries above an offset."""
        ttl = retention.ttl
        oldest = 0.0 if ttl is None else (self._clock() - ttl) * 1000
        return await self._call(
            lambda access: self._logs(access).read(
                topic, after, limit, max_bytes, retention.size, oldest
            )
        )

    async def heads(self, topics: Collection[str]) -> Mapping[str, Head]:
        """Return where the logs of many topics stand."""

        async def ask(access: JetStreamAccess) -> dict[str, Head]:
            logs, asked, heads = self._logs(access), list(topics), dict[str, Head]()
            for start in range(0, len(asked), HEADS_AT_ONCE):
                some = asked[start : start + HEADS_AT_ONCE]
                found = await asyncio.gather(*(logs.head(topic) for topic in some))
                heads |= {
                    topic: head for topic, head in zip(some, found, strict=True) if head is not None
                }
            return heads

        return await self._call(ask)

    async def reset(self, topic: str) -> None:
        """Delete the log of a topic."""
        await self._call(lambda access: self._logs(access).reset(topic))

    def _logs(self, access: JetStreamAccess) -> JetStreamLogs:
        return JetStreamLogs(access, self._names)

    # Keys.

    async def claim(self, key: str, owner: str, seconds: float) -> Claim:
        """Claim a key for its first caller."""
        return await self._call(
            lambda access: keys.claim(access.driver, self._names, key, owner, seconds)
        )

    async def settle(self, key: str, owner: str, value: bytes, seconds: float) -> bool:
        """Give a claimed key its value."""
        return await self._call(
            lambda access: keys.settle(access.driver, self._names, key, owner, value, seconds)
        )

    async def release(self, key: str, owner: str) -> None:
        """Free a key that this owner has claimed."""
        await self._call(lambda access: keys.release(access.driver, self._names, key, owner))

    async def _call(self, call: Callable[[JetStreamAccess], Awaitable[T]]) -> T:
        """Make a call over a connection, and say what went wrong."""
        link = self._link
        if link is None:
            raise StoreUnavailable(f"the store {self.name} is not started")
        try:
            return await call(await link.access())
        except RefusedRequest as error:
            raise StoreUnavailable(f"the store {self.name}: {error}") from None
        except OSError as error:  # with TimeoutError
            reason = str(error) or type(error).__name__
            raise StoreUnavailable(f"the store {self.name} can't be reached: {reason}") from None
        except DefinitionError as error:
            raise StoreUnavailable(str(of_store(error))) from None


def _nobody(*_: object) -> None:
    """Tell nobody."""
