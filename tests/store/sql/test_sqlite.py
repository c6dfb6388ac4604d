"""Writes of a SQLite file: those that wait share a transaction, and a fault of one is no fault of the others."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from bennu.errors import StoreUnavailable
from bennu.store.sql.address import read_sql_address
from bennu.store.sql.sqlite import SQLiteConnections
from tests.support.until import until

pytestmark = pytest.mark.clock("real")

TABLES = (
    "CREATE TABLE parents (id INTEGER PRIMARY KEY)",
    "CREATE TABLE numbers (n INTEGER, parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)",
)


class File:
    """A file with a table of numbers.

    Attributes:
        connections: Its connections.
        ran: The numbers that were inserted, and on which connection, in their order.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections = SQLiteConnections(read_sql_address(f"sqlite+aiosqlite:///{path}"))
        self.ran: list[tuple[int, Connection]] = []

    async def write(self, work: Callable[[Connection], Any]) -> Any:
        return await self.connections.run(work, reads=False)

    async def add(
        self, number: int, *, parent: int | None = None, fails: BaseException | None = None
    ) -> int:
        """Insert a number."""

        def work(connection: Connection) -> int:
            self.ran.append((number, connection))
            connection.exec_driver_sql("INSERT INTO numbers VALUES (?, ?)", (number, parent))
            if fails is not None:
                raise fails
            return number

        done: int = await self.write(work)
        return done

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None]:
        """Hold the thread that writes, so that what comes now waits."""
        began, over = threading.Event(), threading.Event()

        def hold(_: Connection) -> None:
            began.set()
            over.wait()

        holding = asyncio.ensure_future(self.write(hold))
        await asyncio.to_thread(began.wait)
        yield
        over.set()
        await holding

    async def numbers(self) -> list[int]:
        def read(connection: Connection) -> list[int]:
            return [row[0] for row in connection.exec_driver_sql("SELECT n FROM numbers")]

        return await self.connections.run(read, reads=True)


@asynccontextmanager
async def file_in(path: Path) -> AsyncGenerator[File]:
    file = File(path / "log.db")

    def create(connection: Connection) -> None:
        for table in TABLES:
            connection.exec_driver_sql(table)

    await file.write(create)
    yield file
    await file.connections.close()


async def test_writes_that_wait_share_the_next_transaction(tmp_path: Path) -> None:
    async with file_in(tmp_path) as file:
        await file.add(0)
        async with file.held():
            waiting = [asyncio.ensure_future(file.add(number)) for number in range(1, 6)]
            await asyncio.sleep(0)
        assert await asyncio.gather(*waiting) == [1, 2, 3, 4, 5]
        assert [number for number, _ in file.ran] == [0, 1, 2, 3, 4, 5]
        assert len({id(connection) for _, connection in file.ran[1:]}) == 1
        assert await file.numbers() == [0, 1, 2, 3, 4, 5]


class Leaving(BaseException):
    """Ends a program."""


@pytest.mark.parametrize("fault", [ValueError(2), Leaving()])
async def test_a_write_that_fails_undoes_itself_only(tmp_path: Path, fault: BaseException) -> None:
    async with file_in(tmp_path) as file:
        async with file.held():
            waiting = asyncio.gather(
                file.add(1), file.add(2, fails=fault), file.add(3), return_exceptions=True
            )
            await asyncio.sleep(0)
        one, two, three = await waiting
        assert (one, three) == (1, 3)
        assert two is fault
        assert await file.numbers() == [1, 3]


async def test_a_constraint_that_is_checked_at_the_commit_fails_its_own_write_only(
    tmp_path: Path,
) -> None:
    async with file_in(tmp_path) as file:
        async with file.held():
            waiting = asyncio.gather(
                file.add(1), file.add(2, parent=9), file.add(3), return_exceptions=True
            )
            await asyncio.sleep(0)
        one, two, three = await waiting
        assert (one, three) == (1, 3)
        assert isinstance(two, IntegrityError)
        assert await file.numbers() == [1, 3]


async def test_a_write_alone_raises_what_it_raised(tmp_path: Path) -> None:
    async with file_in(tmp_path) as file:
        for fault in (ValueError("7"), Leaving()):
            with pytest.raises(type(fault)) as caught:
                await file.add(7, fails=fault)
            assert caught.value is fault
        with pytest.raises(IntegrityError):
            await file.add(7, parent=9)
        assert await file.numbers() == []


async def test_a_write_whose_caller_has_gone_does_not_begin(tmp_path: Path) -> None:
    async with file_in(tmp_path) as file:
        async with file.held():
            gone = [asyncio.ensure_future(file.add(number)) for number in (1, 2)]
            await asyncio.sleep(0)
            for one in gone:
                one.cancel()
        assert await file.add(3) == 3
        assert [number for number, _ in file.ran] == [3]


async def test_a_write_that_has_begun_goes_on_without_its_caller(tmp_path: Path) -> None:
    async with file_in(tmp_path) as file:
        began, over = threading.Event(), threading.Event()

        def work(connection: Connection) -> None:
            began.set()
            over.wait()
            connection.exec_driver_sql("INSERT INTO numbers VALUES (1, NULL)")

        gone = asyncio.ensure_future(file.write(work))
        await asyncio.to_thread(began.wait)
        gone.cancel()
        over.set()
        await file.add(2)
        assert await file.numbers() == [1, 2]


async def test_a_write_waits_for_other_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with file_in(tmp_path) as file:
        with closing(sqlite3.connect(file.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            adding = asyncio.ensure_future(file.add(1))
            await asyncio.sleep(0)
            other.execute("INSERT INTO numbers VALUES (0, NULL)")
            other.execute("COMMIT")
            assert await adding == 1
            assert await file.numbers() == [0, 1]
            monkeypatch.setattr("bennu.store.sql.sqlite.CONNECT_LIMIT", 0.0)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                await file.add(2)
            other.execute("ROLLBACK")


async def test_a_close_cancels_what_waits(tmp_path: Path) -> None:
    file = File(tmp_path / "log.db")
    began, over = threading.Event(), threading.Event()

    def hold(_: Connection) -> None:
        began.set()
        over.wait()

    holding = asyncio.ensure_future(file.write(hold))
    await asyncio.to_thread(began.wait)
    waiting = asyncio.ensure_future(file.add(1))
    await asyncio.sleep(0)
    await file.connections.close()
    over.set()
    for one in (holding, waiting):
        with pytest.raises(asyncio.CancelledError):
            await one
    assert file.ran == []


async def test_a_function_that_still_runs_closes_what_it_used(tmp_path: Path) -> None:
    """A close does not wait for it. No connection is left to the garbage collector."""
    used: list[sqlite3.Connection] = []
    began, over = threading.Event(), threading.Event()

    def work(connection: Connection) -> None:
        raw: Any = connection.connection.dbapi_connection
        used.append(raw)
        began.set()
        over.wait()

    def is_closed() -> bool:
        try:
            used[0].execute("SELECT 1")
        except sqlite3.ProgrammingError:
            return True
        return False

    async with file_in(tmp_path) as file:
        reading = asyncio.ensure_future(file.connections.run(work, reads=True))
        await asyncio.to_thread(began.wait)
        await file.connections.close()
        assert not is_closed()
        with pytest.raises(StoreUnavailable, match="the store was stopped"):
            await file.numbers()
        over.set()
        await reading
        await until(is_closed)


LATE = """
import asyncio, atexit, sys
from bennu.errors import StoreUnavailable
from bennu.store.sql.address import read_sql_address
from bennu.store.sql.sqlite import SQLiteConnections

loop = asyncio.new_event_loop()
connections = SQLiteConnections(read_sql_address("sqlite:///" + sys.argv[1]))

def one(connection):
    return connection.exec_driver_sql("SELECT 1").scalar()

@atexit.register
def late():
    for reads in (True, False):
        try:
            loop.run_until_complete(connections.run(one, reads=reads))
        except StoreUnavailable as error:
            print(error)
    loop.run_until_complete(connections.close())
    loop.close()
    print("closed")

print(loop.run_until_complete(connections.run(one, reads=True)))
"""


def test_at_the_end_of_the_interpreter_it_says_so(tmp_path: Path) -> None:
    """Then no executor takes anything. The file can still be closed."""
    ended = subprocess.run(
        [sys.executable, "-c", LATE, tmp_path / "late.db"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    refused = "the store can't be used: the interpreter ends"
    assert ended.stdout.splitlines() == ["1", refused, refused, "closed"]
    assert ended.stderr == ""
