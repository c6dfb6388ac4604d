"""Runs functions in transactions: a bounded pool, time limits, and callers that can be cancelled at any time.

Theory of operation
-------------------
A transaction that is cut off in the middle of a statement costs a connection. So each one runs in a task of its own, and a
caller that is cancelled only stops waiting: the transaction ends by itself, within :data:`LIMIT` seconds. A caller that waits for a
connection starts nothing.

Writes with the same lock run one after another, in the order of the calls, also those whose callers have gone. So a
repeated call never overtakes its first attempt, and the writers of one topic need one connection. In SQLite
all writes have the same lock, because the file has one writer.

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

from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ...errors import DecodeError, StoreUnavailable
from .address import SQLAddress
from .tables import SQLTables

__all__ = ["SQLRunner"]

T = TypeVar("T")

Work = Callable[[Connection], T]
"""Runs statements in a transaction."""

LIMIT: Final = 6.0
"""Seconds for a transaction."""

CONNECT_LIMIT: Final = 5.0
"""Seconds for a connection to PostgreSQL, or for the lock of a SQLite file."""

CLOSE_LIMIT: Final = 2.0
"""Seconds for the transactions that run at a stop, and again for closing the connections."""

CREATING: Final = 0x62656E6E75  # "bennu"
"""The advisory lock of PostgreSQL under which tables are created."""

READS: Final = "bennu_reads"
"""The execution option of a connection that runs one statement that reads."""


class SQLRunner:
    """Runs functions in transactions, on one event loop.

    Args:
        address: The database.
        tables: The tables, which are created before the first function runs if the address says so.
    """

    def __init__(self, address: SQLAddress, tables: SQLTables) -> None:
        self._address = address
        self._tables = tables
        self._engine = _engine_for(address)
        options: dict[str, Any] = {READS: True}
        if not address.is_sqlite:
            options["isolation_level"] = "AUTOCOMMIT"
        self._reading = self._engine.execution_options(**options)
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
                await self._engine.dispose()
        except self._errors:  # with TimeoutError: the server hangs
            pass

    def abandon(self) -> AsyncEngine:
        """Return the engine, for a child of ``fork``, which must keep its connections and never use them."""
        self._is_stopped = True
        return self._engine

    # Transactions.

    async def read(self, work: Work[T]) -> T:
        """Run one statement that reads.

        Raises:
            StoreUnavailable: The database can't be reached, or refuses.
        """
        await self._free.acquire()
        return await self._spawn(self._repeat(self._reading, work, 2), self._free.release)

    async def write(self, lock: bytes, work: Work[T], *, is_repeatable: bool = True) -> T:
        """Run statements in one transaction, after all earlier writes with the same lock.

        Raises:
            StoreUnavailable: The database can't be reached, or refuses. The outcome is unknown.
        """
        if self._address.is_sqlite:
            lock = b""
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

        attempts = 2 if is_repeatable else 1
        return await self._spawn(self._repeat(self._engine, work, attempts), release)

    async def _spawn(self, work: Coroutine[Any, Any, T], release: Callable[[], object]) -> T:
        """Run a coroutine in a task, which goes on if the caller is cancelled."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)

        def done(_: object) -> None:
            self._tasks.discard(task)
            release()
            if not task.cancelled():
                task.exception()  # its caller may have gone

        task.add_done_callback(done)
        return await asyncio.shield(task)

    async def _repeat(self, engine: AsyncEngine, work: Work[T], attempts: int) -> T:
        name = self._address.name
        try:
            async with asyncio.timeout(LIMIT):
                while True:
                    attempts -= 1
                    try:
                        return await self._run(engine, work)
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
        except self._errors as error:
            raise self._unavailable(error) from _cause_of(error)

    async def _run(self, engine: AsyncEngine, work: Work[T]) -> T:
        if self._is_stopped:
            raise StoreUnavailable(f"the store {self._address.name} was stopped")
        if not self._is_created:
            async with self._creating:
                if not self._is_created:
                    async with self._engine.begin() as connection:
                        await connection.run_sync(self._create)
                    self._is_created = True
        if engine is self._reading:
            async with engine.connect() as connection:
                return await connection.run_sync(work)
        async with engine.begin() as connection:
            return await connection.run_sync(work)

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


def _engine_for(address: SQLAddress) -> AsyncEngine:
    """Return the engine of a database. It does not connect."""
    driver = address.url.get_driver_name()
    limit = "connect_timeout" if driver == "psycopg" else "timeout"
    engine = create_async_engine(
        address.url,
        pool_size=address.pool_size,
        max_overflow=0,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args={limit: int(CONNECT_LIMIT)},
    )
    if address.is_sqlite:
        event.listen(engine.sync_engine, "connect", _set_up_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # no BEGIN but ours
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute(
        "PRAGMA synchronous=FULL"
    )  # NORMAL can lose the newest entries when the power fails
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    if not connection.get_execution_options().get(READS):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
