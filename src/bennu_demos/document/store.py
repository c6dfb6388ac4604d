"""The documents in a file of SQLite: for each a snapshot, and the updates that came after it.

SQLite has one writer at a time, so the numbers of updates rise in the order of their commits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import (
    URL,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as insert_or_ignore
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from .merging import merge

__all__ = ["Store", "Stored", "open_store"]

metadata: Final = MetaData()

documents: Final = Table(
    "documents",
    metadata,
    Column("id", String, primary_key=True),
    Column("snapshot", LargeBinary, nullable=False, default=b""),
    Column("last", Integer, nullable=False, default=0),  # the snapshot has the updates up to this
)
updates: Final = Table(
    "updates",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("document", String, ForeignKey("documents.id"), nullable=False, index=True),
    Column("data", LargeBinary, nullable=False),
    sqlite_autoincrement=True,  # the number of a deleted update is not given to another
)


class Stored(Struct):
    """What the database has of a document.

    Attributes:
        updates: All of it, in any order: Yjs merges them.
        last: The number of the last update.
        waiting: The number of updates that are not in the snapshot.
    """

    updates: list[bytes]
    last: int
    waiting: int


class Store:
    """The database. Its work is done in the threads of aiosqlite, and not on the event loop.

    Args:
        engine: The database.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: list[tuple[dict[str, Any], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def count(self) -> int:
        """Return the number of documents."""
        async with self._engine.connect() as connection:
            return await connection.scalar(select(func.count()).select_from(documents)) or 0

    async def create(self, document: str) -> bool:
        """Add an empty document, and return whether it is new."""
        added = insert_or_ignore(documents).values(id=document).on_conflict_do_nothing()
        async with self._engine.begin() as connection:
            return (await connection.execute(added)).rowcount > 0

    async def exists(self, document: str) -> bool:
        """Return whether there is the document."""
        async with self._engine.connect() as connection:
            found = select(documents.c.id).where(documents.c.id == document)
            return await connection.scalar(found) is not None

    async def append(self, document: str, data: bytes) -> None:
        """Add an update, and return when it is stored.

        Updates that come while others are written wait, and are written together: the next transaction has all of them.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(({"document": document, "data": data}, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            error: Exception | None = None
            try:
                async with self._engine.begin() as connection:
                    await connection.execute(insert(updates), [row for row, _ in batch])
            except Exception as failure:  # noqa: BLE001 - each waiting caller gets it
                error = failure
            for _, done in batch:
                if done.done():
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)

    async def read(self, document: str, since: int = 0) -> Stored:
        """Return a document, or its updates after a number, and perhaps more.

        The updates are read first. If they become a snapshot between the two reads, they are read twice. Read in the
        other order, they would be missing.
        """
        later = (
            select(updates.c.number, updates.c.data)
            .where(updates.c.document == document, updates.c.number > since)
            .order_by(updates.c.number)
        )
        snapshot = select(documents.c.snapshot, documents.c.last).where(documents.c.id == document)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(later)).all()
            found, last = (await connection.execute(snapshot)).one()
        data = [row.data for row in rows]
        if last > since and found:
            data.insert(0, found)
        return Stored(data, max(last, since, *(row.number for row in rows), 0), len(rows))

    async def compact(self, document: str) -> bool:
        """Replace the snapshot and the updates by one snapshot. Return False if another process was faster."""
        snapshot = select(documents.c.last).where(documents.c.id == document)
        async with self._engine.connect() as connection:
            before = await connection.scalar(snapshot)
        stored = await self.read(document)
        merged = await asyncio.to_thread(merge, stored.updates)
        replaced = (
            update(documents)
            .where(documents.c.id == document, documents.c.last == before)
            .values(snapshot=merged, last=stored.last)
        )
        old = delete(updates).where(updates.c.document == document, updates.c.number <= stored.last)
        async with self._engine.begin() as connection:
            if (await connection.execute(replaced)).rowcount == 0:
                return False
            await connection.execute(old)
        return True


@asynccontextmanager
async def open_store(database: Path) -> AsyncGenerator[Store, None]:
    """Open the database, and create what is missing. Several processes can do it at the same time."""
    database.parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(URL.create("sqlite+aiosqlite", database=str(database)))
    event.listen(engine.sync_engine, "connect", _configure)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_create_tables)
        yield Store(engine)
    finally:
        await engine.dispose()


def _create_tables(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")  # the next process waits, and finds the tables
    metadata.create_all(connection)


def _configure(connection: Any, _record: object) -> None:
    """Let readers continue during a write.

    With ``synchronous = NORMAL`` a commit does not wait for the disk. If the power fails, the last updates are lost in the
    file, but the pages still have them: they send what the server lacks when they connect again.
    """
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA busy_timeout = 30000")
    cursor.close()
