"""Devices, their latest readings, and commands, in a file of SQLite that all workers share.

Each method is one transaction in a thread. ``version`` counts the changes: it is how a snapshot and the changes after
it fit together, and how each worker finds what other workers have written.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final, TypeVar

from msgspec import convert

from bennu import Refused

from .wire import CommandOut, DeviceOut, NewCommand, Point, Reading, Result

__all__ = ["POINTS", "Store", "open_store"]

T = TypeVar("T")

POINTS: Final = 60
"""The temperatures that are kept of each device."""

COMMANDS: Final = 100
"""The commands of a snapshot."""

SCHEMA: Final = """
pragma journal_mode = wal;
pragma synchronous = normal;
create table if not exists versions (version integer not null);
insert into versions select 0 where not exists (select 1 from versions);
create table if not exists devices (
    id text primary key, name text not null, at integer not null default 0, temperature real not null default 0,
    battery real not null default 0, x real not null default 0, y real not null default 0, interval real, will text,
    version integer not null) without rowid;
create index if not exists devices_by_version on devices (version);
create table if not exists readings (
    device text not null, at integer not null, temperature real not null, version integer not null,
    primary key (device, at)) without rowid;
create index if not exists readings_by_version on readings (version);
create table if not exists commands (
    id text primary key, device text not null, name text not null, value real not null, by text not null,
    sent_at integer not null, deadline integer not null, state text not null, answer text, answered_at integer,
    version integer not null) without rowid;
create index if not exists commands_by_version on commands (version);
create index if not exists commands_by_state on commands (state, deadline);
"""


class Store:
    """The database.

    Args:
        connection: Its connection.
        thread: The one thread that uses the connection.
    """

    def __init__(self, connection: sqlite3.Connection, thread: Executor) -> None:
        self._connection = connection
        self._thread = thread

    async def meet(self, device: str, name: str) -> tuple[int, float | None]:
        """Add or rename a device. Return the time of its newest reading, and its interval."""

        def write(version: int) -> tuple[int, float | None]:
            at, interval = self._row(
                "insert into devices (id, name, version) values (?, ?, ?) on conflict (id) do update set"
                " name = excluded.name, will = null, version = excluded.version returning at, interval",
                (device, name, version),
            )
            return at, interval

        return await self._write(write)

    async def lose(self, device: str, will: str) -> None:
        """Note why a device is away."""
        await self._write(
            lambda version: self._run(
                "update devices set will = ?, version = ? where id = ?", (will, version, device)
            )
        )

    async def add(self, device: str, readings: list[Reading]) -> int:
        """Add the readings that are newer than the newest one. Return the time of the newest one.

        A device sends its readings in order, so all that are older have come before: this is a repeat.
        """

        def write(version: int) -> int:
            (last_at,) = self._row("select at from devices where id = ?", (device,))
            new = [reading for reading in readings if reading.at > last_at]
            if not new:
                return int(last_at)
            for one in new:
                self._run(
                    "insert or ignore into readings values (?, ?, ?, ?)",
                    (device, one.at, one.temperature, version),
                )
            last = new[-1]
            self._run(
                "update devices set at = ?, temperature = ?, battery = ?, x = ?, y = ?, version = ? where id = ?",
                (
                    last.at,
                    last.temperature,
                    last.battery,
                    last.x,
                    last.y,
                    version,
                    device,
                ),
            )
            self._run(
                "delete from readings where device = ? and at not in"
                " (select at from readings where device = ? order by at desc limit ?)",
                (device, device, POINTS),
            )
            return last.at

        return await self._write(write)

    async def order(self, new: NewCommand, by: str, now: int, most: int) -> CommandOut:
        """Add a command, unless it is a repeat, and return it.

        Raises:
            Refused: The device is unknown, or ``most`` commands wait for it.
        """

        def write(version: int) -> CommandOut:
            (waiting,) = self._row(
                "select count(*) from commands where device = ? and state = 'pending' and id != ?",
                (new.device, new.id),
            )
            (known,) = self._row("select count(*) from devices where id = ?", (new.device,))
            if not known:
                raise Refused("unknown_device")
            if waiting >= most:
                raise Refused("too_many_commands")
            deadline = now + round(new.limit * 1000)
            self._run(
                "insert or ignore into commands values (?, ?, ?, ?, ?, ?, ?, 'pending', null, null, ?)",
                (new.id, new.device, new.name, new.value, by, now, deadline, version),
            )
            return self._commands("where id = ?", new.id)[0]

        return await self._write(write)

    async def waiting(self, device: str) -> list[CommandOut]:
        """Return the commands that wait for the answer of a device, the oldest first."""
        return await self._read(
            lambda: self._commands(
                "where device = ? and state = 'pending' order by sent_at, id", device
            )
        )

    async def answer(self, device: str, result: Result, now: int) -> None:
        """Note the first answer to a command. If it is late, the state stays "timed out"."""
        state = "done" if result.is_ok else "failed"

        def write(version: int) -> None:
            noted = self._run(
                "update commands set state = iif(state = 'pending', ?, state), answer = ?, answered_at = ?, version = ?"
                " where id = ? and device = ? and answer is null",
                (state, result.text, now, version, result.id, device),
            )
            if noted.rowcount and result.is_ok:
                self._run(
                    "update devices set interval = command.value, version = ? from commands command"
                    " where devices.id = ? and command.id = ? and command.name = 'set_interval'",
                    (version, device, result.id),
                )

        await self._write(write)

    async def expire(self, now: int) -> None:
        """Give up the commands whose deadline has passed."""
        late = "state = 'pending' and deadline <= ?"
        if await self._read(lambda: self._commands(f"where {late}", now)):
            await self._write(
                lambda version: self._run(
                    f"update commands set state = 'timed out', version = ? where {late}",  # noqa: S608 - a constant
                    (version, now),
                )
            )

    async def since(self, version: int) -> tuple[int, list[DeviceOut], list[CommandOut]]:
        """Return the present version, and what has changed since another one. Since 0 it is all that is kept."""

        def read() -> tuple[int, list[DeviceOut], list[CommandOut]]:
            (now,) = self._row("select version from versions", ())
            points: dict[str, list[Point]] = defaultdict(list)
            for device, at, temperature in self._run(
                "select device, at, temperature from readings where version > ? order by device, at",
                (version,),
            ):
                points[device].append((at, temperature))
            devices = [
                convert({**row, "points": points[row["id"]]}, DeviceOut)
                for row in self._dicts(
                    "select * from devices where version > ? order by id", version
                )
            ]
            commands = self._commands(
                "where version > ? order by sent_at desc, id limit ?", version, COMMANDS
            )
            return now, devices, commands

        return await self._read(read)

    def _commands(self, where: str, *values: Any) -> list[CommandOut]:
        return convert(self._dicts(f"select * from commands {where}", *values), list[CommandOut])  # noqa: S608 - where is ours

    def _dicts(self, query: str, *values: Any) -> list[dict[str, Any]]:
        cursor = self._run(query, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def _row(self, query: str, values: tuple[Any, ...]) -> Any:
        return self._run(query, values).fetchone()

    def _run(self, query: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        return self._connection.execute(query, values)

    async def _write(self, write: Callable[[int], T]) -> T:
        def begin_and_write() -> T:
            (version,) = self._row(
                "update versions set version = version + 1 returning version", ()
            )
            return write(version)

        return await self._transact("begin immediate", begin_and_write)

    async def _read(self, read: Callable[[], T]) -> T:
        return await self._transact("begin", read)

    async def _transact(self, begin: str, work: Callable[[], T]) -> T:
        def transact() -> T:
            self._run(begin)
            try:
                result = work()
            except BaseException:
                self._run("rollback")
                raise
            self._run("commit")
            return result

        return await asyncio.get_running_loop().run_in_executor(self._thread, transact)


@asynccontextmanager
async def open_store(path: Path) -> AsyncGenerator[Store, None]:
    """Open the database, and close it at the end of the block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    with closing(connection), ThreadPoolExecutor(1, "store") as thread:
        connection.executescript(SCHEMA)
        yield Store(connection, thread)
