"""An application with a table and an outbox, for the tests of outboxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, sessionmaker

from bennu.store import LogEntry, Retention
from bennu.store.sql import SQLOutbox, SQLStore
from bennu.testing.contract_store import KEEP, PLENTY

__all__ = ["Shop", "retention_of"]

T = TypeVar("T")


class CommittedEntry(NamedTuple):
    """An entry that an outbox has handed over."""

    topic: str
    epoch: str
    entry: LogEntry


def retention_of(topic: str, event: str) -> Retention | None:
    return None if topic.startswith("plain:") else KEEP


class Shop:
    """An application.

    Args:
        store: The store, whose tables are there.
        address: The address of the same database, for the sessions of the application.

    Attributes:
        announced: What the outboxes have handed over after commits.
    """

    def __init__(self, store: SQLStore, address: str) -> None:
        self.store = store
        self.announced: list[CommittedEntry] = []
        # An application has its own driver and its own engines.
        self.engine: AsyncEngine = create_async_engine(address)
        self.sessions: async_sessionmaker[AsyncSession] = async_sessionmaker(self.engine)
        plain = "sqlite://" + address.partition("sqlite+aiosqlite://")[2]  # nowhere, for PostgreSQL
        self.sync_engine: Engine = create_engine(plain)
        self.sync_sessions: sessionmaker[Session] = sessionmaker(self.sync_engine)

    async def create(self) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text("CREATE TABLE IF NOT EXISTS orders (id INTEGER UNIQUE)"))

    async def close(self) -> None:
        await self.engine.dispose()
        self.sync_engine.dispose()

    def outbox(self, session: object) -> SQLOutbox:
        return self.store.outbox(session, retention_of, self._committed)

    async def transaction(self, work: Callable[[Session, SQLOutbox], T]) -> T:
        return await self.store.transaction(work, retention_of, self._committed)

    def _committed(self, topic: str, epoch: str, entries: Sequence[LogEntry]) -> None:
        self.announced.extend(CommittedEntry(topic, epoch, entry) for entry in entries)

    async def order(self, session: AsyncSession, number: int) -> None:
        await session.execute(text("INSERT INTO orders VALUES (:number)"), {"number": number})

    async def count(self) -> int:
        async with self.sessions() as session:
            return int((await session.execute(text("SELECT count(*) FROM orders"))).scalar_one())

    async def entries(self, topic: str) -> list[LogEntry]:
        page = await self.store.read(topic, 0, 1000, PLENTY, KEEP)
        found = list(page.entries)
        assert [entry.offset for entry in found] == [*range(1, page.newest + 1)], "a hole"
        return found

    async def payloads(self, topic: str) -> list[bytes]:
        return [entry.payload for entry in await self.entries(topic)]
