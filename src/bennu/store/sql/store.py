"""The store in PostgreSQL or in a file of SQLite.

Theory of operation
-------------------
====================  ==========================================================================================
module                what it does
====================  ==========================================================================================
:mod:`.address`       reads the address
:mod:`.tables`        the tables
:mod:`.statements`    what each call asks of the database
:mod:`.runner`        runs that in transactions, one after another where they must be
:mod:`.postgresql`    the connections to PostgreSQL, over the event loop
:mod:`.sqlite`        the connections to SQLite, in threads
:mod:`.outbox`        appends in transactions of the user
====================  ==========================================================================================

The store does not announce: the node that appends tells the others over the bus. With ``announce=notify`` PostgreSQL tells
them: :mod:`.notify`, and :mod:`.announcing` for what the store needs of it.

In PostgreSQL a log begins a new epoch when the server was replaced by a promoted standby, or restored at a point in time,
because both begin a new timeline. A restart keeps the epochs: PostgreSQL loses no commit in a crash, unless
``synchronous_commit`` or ``fsync`` is off. A copy of an SQLite file that is put back can't be noticed.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from ...errors import DefinitionError, EncodeError, StoreUnavailable
from ...logs.log import Log
from ...loop.forks import give_up, watch
from ..entry import Draft, LogEntry
from ..feed import Feed
from ..store import Announce, Appended, Claim, Head, Page, Retention, Store
from .address import read_sql_address
from .announcing import feed_for, statements_for
from .outbox import MAX_BYTES, Committed, SQLOutbox, session_of
from .runner import SQLRunner
from .tables import SQLTables, hashed

__all__ = ["SQLStore"]

FIRST_ATTEMPT: Final = 5.0
"""Seconds for which the start waits for the database."""

SWEEP_EVERY: Final = 60.0
"""Seconds between two deletions of what is over."""

REFUSALS: Final = ("28", "3D", "42501")
"""What the SQLSTATE of a refusal begins with that a user must mend: wrong password, no such database, no permission."""

T = TypeVar("T")

RetentionOf = Callable[[str, str], Retention | None]
"""Returns how much of a topic's log is kept, by the topic and an event of it; None if the event is in no log."""

_Appended = tuple[str, str, Sequence[LogEntry]]
"""A topic, its epoch and the new entries."""

_abandoned: Final[list[Any]] = []
"""What a child of ``fork`` has of its parent's stores. Freed, it would disturb the parent's connections."""


class SQLStore(Store):
    """Keeps logs and keys in a SQL database.

    Args:
        address: A URL of SQLAlchemy. :mod:`.address` lists its parameters.

    Raises:
        DefinitionError: The address can't be used, or its driver is not installed.

    Example:
        >>> SQLStore("sqlite+aiosqlite:///chat.db").name
        'sqlite+aiosqlite:///chat.db'
    """

    __slots__ = (
        "__weakref__",
        "_address",
        "_feed",
        "_log",
        "_runner",
        "_sweeper",
        "statements",
        "tables",
    )

    def __init__(self, address: str) -> None:
        self._address = read_sql_address(address)
        self.tables = SQLTables(self._address.prefix)
        self.statements = statements_for(self._address, self.tables)
        self._log = Log("bennu.store")
        self._runner: SQLRunner | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._feed: Feed | None = None
        watch(self)

    @property
    def name(self) -> str:
        """The address, without secrets."""
        return self._address.name

    @property
    def announces(self) -> bool:
        """Whether the address says ``announce=notify``."""
        return self._address.notifies

    # Start and stop.

    async def start(self, announce: Announce) -> None:
        """Try to connect and to create the tables, and return after the first attempt."""
        loop = asyncio.get_running_loop()
        self._log.start(loop)
        self._runner = SQLRunner(self._address, self.tables)
        try:
            self._feed = feed_for(self._address, announce, self._log)
            async with asyncio.timeout(FIRST_ATTEMPT):
                for setting in await self._runner.read(self._settings):
                    self._log.warning(
                        "PostgreSQL at %s can lose the newest entries of histories in a crash, and nothing shows it:"
                        " clients miss messages in silence. Set %s = on",
                        self.name,
                        setting,
                    )
        except TimeoutError:
            self._log.warning("The store %s has not answered within %g s", self.name, FIRST_ATTEMPT)
        except StoreUnavailable as error:
            state = str(getattr(error.__cause__, "sqlstate", ""))
            if state.startswith(REFUSALS):
                await self.stop()
                raise DefinitionError(
                    f"the store {self.name}",
                    expected="a database that the user can log in to, and create or use the tables in",
                    got=str(error),
                    write='store="postgresql+asyncpg://user:password@localhost:5432/chat"',
                ) from None
            self._log.warning("At the start %s", error)
        except BaseException:
            await self.stop()
            raise
        self._sweeper = loop.create_task(self._sweep_for_ever(self._runner))
        if self._feed is not None:
            self._feed.start()

    def _settings(self, connection: Connection) -> list[str]:
        """Return the settings of the server that can lose entries."""
        if self._address.is_sqlite:
            return []
        statement = text(
            "SELECT name FROM pg_settings"
            " WHERE name IN ('fsync', 'synchronous_commit') AND setting = 'off'"
        )
        return list(connection.execute(statement).scalars())

    async def stop(self) -> None:
        """Close all connections."""
        sweeper, self._sweeper = self._sweeper, None
        runner, self._runner = self._runner, None
        feed, self._feed = self._feed, None
        if feed is not None:
            await feed.stop()
        if sweeper is not None:
            sweeper.cancel()
            await asyncio.wait([sweeper])
        if runner is not None:
            await runner.stop()
            self._log.stop()

    def leave_parent(self) -> None:
        """Give up the parent's connections: this process is a child of ``fork``."""
        if self._feed is not None:
            give_up(self._feed.driver.fds)
        if self._runner is not None:
            _abandoned.append((self._runner.abandon(), self._sweeper))
        self._runner = self._sweeper = self._feed = None

    async def _sweep_for_ever(self, runner: SQLRunner) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            try:
                while await runner.write(b"sweep", self.statements.sweep):
                    pass
            except StoreUnavailable as error:
                self._log.debug("What is over was not deleted: %s", error)

    @property
    def _run(self) -> SQLRunner:
        if self._runner is None:
            raise StoreUnavailable(f"the store {self.name} is not started")
        return self._runner

    # Announcements.

    async def subscribe(self, topics: Collection[str]) -> None:
        """Hear of the new entries of topics, if the store announces.

        A call that fails or is cancelled still subscribes, as soon as PostgreSQL is there, until :meth:`unsubscribe`.

        Raises:
            EncodeError: A topic is too long, or has no UTF-8 form.
            StoreUnavailable: PostgreSQL can't be reached.
        """
        if not self.announces:
            return
        if self._feed is None:
            raise StoreUnavailable(f"the store {self.name} is not started")
        await self._feed.subscribe(topics)

    def unsubscribe(self, topics: Collection[str]) -> None:
        """Hear nothing more of topics."""
        if self._feed is not None:
            self._feed.unsubscribe(topics)

    # Logs.

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        """Append drafts to the log of a topic."""
        for draft in drafts:
            size = len(draft.event.encode(errors="replace")) + len(draft.payload)
            if size > MAX_BYTES:
                raise EncodeError(
                    f"an entry has {size:,} bytes: the store {self.name} takes at most {MAX_BYTES:,}"
                )
        work = partial(self.statements.append, topic=topic, drafts=drafts, retention=retention)
        return await self._run.write(hashed(topic), work)

    async def read(
        self, topic: str, after: int, limit: int, max_bytes: int, retention: Retention
    ) -> Page:
        """Return the oldest entries above an offset."""
        read = partial(
            self.statements.read,
            topic=topic,
            after=after,
            limit=limit,
            max_bytes=max_bytes,
            retention=retention,
        )
        begin = partial(self.statements.begin, topic=topic, retention=retention)
        while True:
            page = await self._run.read(read)
            if page is not None:
                return page
            await self._run.write(hashed(topic), begin)

    async def heads(self, topics: Collection[str]) -> Mapping[str, Head]:
        """Return where the logs of many topics stand."""
        return await self._run.read(partial(self.statements.heads, topics=topics))

    async def reset(self, topic: str) -> None:
        """Delete the log of a topic."""
        await self._run.write(hashed(topic), partial(self.statements.reset, topic=topic))

    def outbox(
        self,
        session: object,
        retention_of: RetentionOf,
        committed: Committed,
    ) -> SQLOutbox:
        """Return what appends broadcasts in the transactions of a session. A second call for the session returns the first outbox.

        The tables must be there: the start creates them.

        Args:
            session: An ``AsyncSession`` or ``Session`` of SQLAlchemy, on the database of this store.
            retention_of: Returns how much of a topic's log is kept, by the topic and an event of it; None if the event is in
                no log.
            committed: Called after the commit, in the thread of the session, with a topic, its epoch and the new
                entries. It never waits or raises.

        Raises:
            DefinitionError: It is no session, or its database is of another kind.
        """
        own = session_of(session)
        outbox: SQLOutbox | None = own.info.get(self._key)
        if outbox is None:
            backend = own.get_bind().dialect.name
            if backend != self.statements.backend:
                raise DefinitionError(
                    "outbox(session)",
                    expected=f"a session on the database of the store {self.name}",
                    got=f"a session on {backend}",
                    write="the same database in create_async_engine(...) and Endpoint(store=...)",
                )
            outbox = self._outbox(own, retention_of, committed)
        return outbox

    async def transaction(
        self,
        work: Callable[[Session, SQLOutbox], T],
        retention_of: RetentionOf,
        committed: Committed,
    ) -> T:
        """Run a function in one transaction, with a session and its outbox.

        In SQLite it has its turn among the store's own writes, and can share their transaction: it has a savepoint.

        Args:
            work: The function. What it raises is raised here, and undoes what it did.
            retention_of: As for :meth:`outbox`.
            committed: As for :meth:`outbox`, but in the event loop.

        Raises:
            StoreUnavailable: The database can't be reached, or has not answered in time. The outcome is unknown.
        """

        def run(connection: Connection) -> _Ran[T]:
            entries: list[_Appended] = []

            def note(topic: str, epoch: str, some: Sequence[LogEntry]) -> None:
                entries.append((topic, epoch, some))

            with Session(
                connection, expire_on_commit=False, join_transaction_mode="create_savepoint"
            ) as session:
                outbox = self._outbox(session, retention_of, note)
                try:
                    result = work(session, outbox)
                    session.commit()
                except Exception as error:  # noqa: BLE001 - the caller gets it as it is
                    session.rollback()
                    return _Ran(None, error, ())
            return _Ran(result, None, entries)

        def announce(ran: _Ran[T]) -> None:
            for some in ran.entries:
                committed(*some)

        ran = await self._run.write(None, run, is_repeatable=False, then=announce)
        if ran.error is not None:
            raise ran.error
        return cast("T", ran.result)

    @property
    def _key(self) -> str:
        """Where a session has its outbox."""
        return f"bennu outbox {id(self)}"

    def _outbox(
        self, session: Session, retention_of: RetentionOf, committed: Committed
    ) -> SQLOutbox:
        outbox = SQLOutbox(session, self.statements, retention_of, committed, self._log)
        session.info[self._key] = outbox
        return outbox

    # Keys.

    async def claim(self, key: str, owner: str, seconds: float) -> Claim:
        """Claim a key for its first caller."""
        work = partial(self.statements.claim, key=key, owner=owner, seconds=seconds)
        return await self._run.write(_lock_of(key), work)

    async def settle(self, key: str, owner: str, value: bytes, seconds: float) -> bool:
        """Give a claimed key its value."""
        work = partial(self.statements.settle, key=key, owner=owner, value=value, seconds=seconds)
        return await self._run.write(_lock_of(key), work, is_repeatable=False)

    async def release(self, key: str, owner: str) -> None:
        """Free a key that this owner has claimed."""
        work = partial(self.statements.release, key=key, owner=owner)
        await self._run.write(_lock_of(key), work)


class _Ran(NamedTuple, Generic[T]):
    """What a function of the user did.

    Attributes:
        result: What it has returned.
        error: What it has raised.
        entries: What its outbox has appended.
    """

    result: T | None
    error: Exception | None
    entries: Sequence[_Appended]


def _lock_of(key: str) -> bytes:
    """Return the lock of a key, which no topic has."""
    return hashlib.sha256(b"key:" + hashed(key)).digest()
