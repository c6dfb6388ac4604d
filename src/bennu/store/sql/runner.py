"""Runs functions in transactions: a bounded pool, time limits, and callers that can be cancelled at any time.

Theory of operation
-------------------
A transaction that is cut off in the middle of a statement costs a connection. So each one runs in a task of its own, and a
caller that is cancelled only stops waiting: the transaction ends by itself, within :data:`LIMIT` seconds. A caller that waits for a
connection starts nothing.

Writes with the same lock run one after another, in the order of the calls, also those whose callers have gone. So a
repeated call never overtakes its first attempt, and the writers of one topic need one connection. In SQLite
all writes run one after another, several in one transaction, because the file has one writer.

There is no test of a connection before each use, which would cost a round trip. If a connection turns out to be dead, SQLAlchemy
gives up all connections that are as old, and the function runs once more. So the function must be safe to repeat, or say that
it is not.
"""

from __future__ import annotations

import asyncio
import importlib
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from ...errors import DecodeError, StoreUnavailable
from .address import SQLAddress
from .connections import Connections, Work
from .postgresql import PostgreSQLConnections
from .sqlite import SQLiteConnections
from .tables import SQLTables

__all__ = ["SQLRunner"]

T = TypeVar("T")

LIMIT: Final = 6.0
"""Seconds for a transaction."""

CLOSE_LIMIT: Final = 2.0
"""Seconds for the transactions that run at a stop, and again for closing the connections."""

CREATING: Final = 0x62656E6E75  # "bennu"
"""The advisory lock of PostgreSQL under which tables are created."""


class SQLRunner:
    """Runs functions in transactions, on one event loop.

    Args:
        address: The database.
        tables: The tables, which are created before the first function runs if the address says so.
    """

    def __init__(self, address: SQLAddress, tables: SQLTables) -> None:
        self._address = address
        self._tables = tables
        kind = SQLiteConnections if address.is_sqlite else PostgreSQLConnections
        self._connections: Connections = kind(address)
        self._free = asyncio.Semaphore(address.pool_size)
        self._locks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self._creating = asyncio.Lock()
        self._is_created = not address.creates
        self._is_stopped = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._errors: tuple[type[Exception], ...] = (
            SQLAlchemyError,
            OSError,
            DecodeError,
            *_errors_of(address),
        )

    # Start and stop.

    async def stop(self) -> None:
        """Wait for the transactions that run, but not for long, and close all connections."""
        self._is_stopped = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_LIMIT)
        rest = tuple(self._tasks)
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest)
        try:
            async with asyncio.timeout(CLOSE_LIMIT):
                await self._connections.close()
        except self._errors:  # with TimeoutError: the server hangs
            pass

    def abandon(self) -> Connections:
        """Return the connections, for a child of ``fork``, which must keep them and never use them."""
        self._is_stopped = True
        return self._connections

    # Transactions.

    async def read(self, work: Work[T]) -> T:
        """Run one statement that reads.

        Raises:
            StoreUnavailable: The database can't be reached, or refuses.
        """
        await self._free.acquire()
        return await self._spawn(self._repeat(work, 2, reads=True), self._free.release)

    async def write(
        self,
        lock: bytes | None,
        work: Work[T],
        *,
        is_repeatable: bool = True,
        then: Callable[[T], object] | None = None,
    ) -> T:
        """Run statements in one transaction, after all earlier writes with the same lock.

        Args:
            lock: The lock; None if no other write matters.
            work: The function.
            is_repeatable: Whether it may run twice, if the connection turns out to be dead.
            then: Called with the result after the commit, also if the caller has gone.

        Raises:
            StoreUnavailable: The database can't be reached, or refuses. The outcome is unknown.
        """
        release = await self._turn(lock)
        attempts = 2 if is_repeatable else 1
        return await self._spawn(self._repeat(work, attempts, reads=False), release, then)

    async def _turn(self, lock: bytes | None) -> Callable[[], object]:
        """Wait for the turn of a write. Return what ends it."""
        if self._connections.orders_writes:
            return _nothing
        if lock is None:
            await self._free.acquire()
            return self._free.release
        own = self._locks.get(lock)
        if own is None:
            own = self._locks[lock] = asyncio.Lock()
        await own.acquire()
        try:
            await self._free.acquire()
        except BaseException:
            own.release()
            raise

        def release() -> None:
            self._free.release()
            own.release()

        return release

    async def _spawn(
        self,
        work: Coroutine[Any, Any, T],
        release: Callable[[], object],
        then: Callable[[T], object] | None = None,
    ) -> T:
        """Run a coroutine in a task, which goes on if the caller is cancelled."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)

        def done(_: object) -> None:
            self._tasks.discard(task)
            release()
            # Its caller may have gone.
            if not task.cancelled() and task.exception() is None and then is not None:
                then(task.result())

        task.add_done_callback(done)
        return await asyncio.shield(task)

    async def _repeat(self, work: Work[T], attempts: int, *, reads: bool) -> T:
        name = self._address.name
        try:
            async with asyncio.timeout(LIMIT):
                while True:
                    attempts -= 1
                    try:
                        return await self._run(work, reads=reads)
                    except DBAPIError as error:
                        if not (error.connection_invalidated and attempts):
                            raise
        except TimeoutError:
            raise StoreUnavailable(
                f"the store {name} has not answered within {LIMIT:g} s"
            ) from None
        except asyncio.CancelledError:
            if not self._is_stopped:
                raise
            raise StoreUnavailable(f"the store {name} was stopped") from None
        except IntegrityError:  # a constraint of the user's tables, which is checked at the commit
            raise
        except self._errors as error:
            raise self._unavailable(error) from _cause_of(error)

    async def _run(self, work: Work[T], *, reads: bool) -> T:
        if self._is_stopped:
            raise StoreUnavailable(f"the store {self._address.name} was stopped")
        if not self._is_created:
            async with self._creating:
                if not self._is_created:
                    await self._connections.run(self._create, reads=False)
                    self._is_created = True
        return await self._connections.run(work, reads=reads)

    def _create(self, connection: Connection) -> None:
        """Create the tables that are missing. Only one node does it at a time."""
        if not self._address.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CREATING})
        self._tables.metadata.create_all(connection)

    def _unavailable(self, error: BaseException) -> StoreUnavailable:
        """Return the error of a driver as one of ours, without the password."""
        if not isinstance(error, (OSError, DecodeError)):
            self._is_created = not self._address.creates  # somebody may have dropped the tables
        cause = _cause_of(error)
        lines = str(cause).strip().splitlines()
        said = lines[0] if lines else type(cause).__name__
        password = self._address.url.password
        if password:
            said = said.replace(password, "***")
        return StoreUnavailable(f"the store {self._address.name} can't be used: {said}")


def _nothing() -> None:
    """Release nothing."""


def _cause_of(error: BaseException) -> BaseException:
    """Return what the driver has raised. SQLAlchemy's own error shows statements and their values."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def _errors_of(address: SQLAddress) -> tuple[type[Exception], ...]:
    """Return what a driver raises while it connects: SQLAlchemy lets some of it pass."""
    if address.is_sqlite:
        return (sqlite3.Error,)
    driver = importlib.import_module(address.url.get_driver_name())
    if hasattr(driver, "PostgresError"):
        return (driver.PostgresError, driver.InterfaceError)
    return (driver.Error,)
