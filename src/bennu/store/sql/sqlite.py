"""Connections to a file of SQLite, in threads.

Theory of operation
-------------------
**Threads.** SQLite is a library that waits for the disk. So each function runs as a whole in a thread of the store, with the driver
of Python. aiosqlite would go to a thread and back five times for each statement, which costs more than the statement. A
caller that is cancelled does not wait for its function. If that has begun, it goes on: SQLite can't be interrupted safely.

**The queue.** A file has one writer at a time, and processes that wait for it have no queue. So the writers of a process have one:
the functions that come while others write are the next transaction, all together. That is one lock and one wait for the
disk for all of them. Each has a savepoint, so one that fails undoes only itself.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import IntegrityError

from ...errors import StoreUnavailable
from .address import SQLAddress
from .connections import CONNECT_LIMIT, Work, options_for

__all__ = ["SQLiteConnections"]

T = TypeVar("T")

TOGETHER: Final = 100
"""The most writes of one transaction."""

READS: Final = "bennu_reads"
"""The execution option of a connection that runs one statement that reads."""


class SQLiteConnections:
    """Connections to a file of SQLite, and their threads.

    Args:
        address: The database.
    """

    orders_writes: ClassVar[bool] = True

    def __init__(self, address: SQLAddress) -> None:
        self._engine = create_engine(
            address.url.set(drivername="sqlite"),
            **options_for(address),
            connect_args={"timeout": CONNECT_LIMIT},
        )
        event.listen(self._engine, "connect", _set_up_sqlite)
        event.listen(self._engine, "begin", _begin_sqlite)
        self._reading = self._engine.execution_options(**{READS: True})
        self._threads = ThreadPoolExecutor(address.pool_size, "bennu-sqlite")
        self._lock = threading.Lock()
        self._running = 0
        self._is_closed = False
        self._waiting = deque[_Write]()
        self._writing: asyncio.Task[None] | None = None

    async def run(self, work: Work[T], *, reads: bool) -> T:
        """Run a function in a transaction.

        Raises:
            StoreUnavailable: The interpreter ends.
        """
        found: T
        if reads:
            found = await self._in_thread(self._read, work)
            return found
        loop = asyncio.get_running_loop()
        write = _Write(work, loop.create_future())
        self._waiting.append(write)
        if self._writing is None:
            self._writing = loop.create_task(self._write_all())
        found = await write.done
        return found

    def _in_thread(self, function: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        loop = asyncio.get_running_loop()
        try:
            return loop.run_in_executor(self._threads, self._run_counted, function, *args)
        except RuntimeError:  # the executor takes nothing more
            why = "was stopped" if self._is_closed else "can't be used: the interpreter ends"
            raise StoreUnavailable(f"the store {why}") from None

    def _run_counted(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function. The last one of a closed store closes the connections."""
        self._count()
        try:
            return function(*args)
        finally:
            if self._is_last():
                self._engine.dispose()

    def _count(self) -> None:
        with self._lock:
            if self._is_closed:
                raise StoreUnavailable("the store was stopped")
            self._running += 1

    def _is_last(self) -> bool:
        with self._lock:
            self._running -= 1
            return self._is_closed and not self._running

    def _read(self, work: Work[T]) -> T:
        with self._reading.connect() as connection:
            return work(connection)

    async def _write_all(self) -> None:
        """Write until nothing waits."""
        some: list[_Write] = []
        try:
            while self._waiting:
                some = [self._waiting.popleft() for _ in range(min(len(self._waiting), TOGETHER))]
                # The callers of the others have gone.
                some = [write for write in some if not write.done.done()]
                try:
                    if some:
                        await self._in_thread(self._write, some)
                except Exception as error:  # noqa: BLE001 - the callers get it
                    for write in some:
                        write.error = error
                for write in some:
                    write.tell()
        finally:
            self._writing = None
            for write in (*some, *self._waiting):  # if the connections were closed
                write.done.cancel()

    def _write(self, writes: Sequence[_Write]) -> None:
        """Run some functions in one transaction.

        A constraint that is checked at the commit undoes all of them. Then each runs once more, alone.
        """
        try:
            if len(writes) > 1:
                with self._engine.begin() as connection:
                    for write in writes:
                        write.try_to(partial(self._run_within, connection, write))
                return
        except IntegrityError:
            pass
        for write in writes:
            write.try_to(partial(self._run_alone, write))

    def _run_alone(self, write: _Write) -> None:
        with self._engine.begin() as connection:
            write.run(connection)

    @staticmethod
    def _run_within(connection: Connection, write: _Write) -> None:
        with connection.begin_nested():
            write.run(connection)

    async def close(self) -> None:
        """Close all connections, or let the functions that run do so at their end."""
        if self._writing is not None:
            self._writing.cancel()
        with self._lock:
            self._is_closed = True
            is_idle = not self._running
        try:
            if is_idle:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._threads, self._engine.dispose)
        except RuntimeError:  # the interpreter ends
            self._engine.dispose()
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)


class _Write:
    """A function that waits for its transaction.

    Attributes:
        work: The function.
        done: Gets what it returns or raises, after the commit.
        result: What it has returned.
        error: What it has raised, or the commit.
    """

    __slots__ = ("done", "error", "result", "work")

    def __init__(self, work: Work[Any], done: asyncio.Future[Any]) -> None:
        self.work = work
        self.done = done
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self, connection: Connection) -> None:
        """Run the function."""
        self.result = self.work(connection)

    def try_to(self, run: Callable[[], object]) -> None:
        """Run the function in a way, and keep what it raises."""
        self.error = None
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - its caller gets it
            self.error = error

    def tell(self) -> None:
        """Tell the caller, unless it has gone."""
        if self.done.done():
            return
        if self.error is None:
            self.done.set_result(self.result)
        else:
            self.done.set_exception(self.error)


def _set_up_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # no BEGIN but ours
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    # NORMAL can lose the newest entries when the power fails.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")  # for tables of the user
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Begin a transaction that writes, when no other process writes.

    SQLite's own wait sleeps longer and longer, up to 0.1 s, also while the lock is free. So it waits for a few milliseconds only,
    again and again.
    """
    if connection.get_execution_options().get(READS):
        return
    raw: Any = connection.connection.dbapi_connection
    deadline = time.monotonic() + CONNECT_LIMIT
    raw.execute("PRAGMA busy_timeout = 5")
    try:
        while True:
            try:
                raw.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not is_busy or time.monotonic() >= deadline:
                    raise
            else:
                return
    finally:
        raw.execute(f"PRAGMA busy_timeout = {int(CONNECT_LIMIT * 1000)}")
