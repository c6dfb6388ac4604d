"""Rooms, messages and visits in a database, through SQLAlchemy's async API.

All processes of the chat use one database: SQLite for the processes of one host, PostgreSQL for several hosts.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from msgspec import convert
from sqlalchemy import (
    URL,
    BigInteger,
    ForeignKey,
    Index,
    UniqueConstraint,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateIndex, CreateTable

from .wire import MessageOut, RoomOut, Seen

__all__ = ["HISTORY", "RECENT", "RECENTLY", "Store", "open_store"]

HISTORY: Final = 50
"""The reply to a join has at most this number of messages."""

RECENT: Final = 20
"""The reply to a join has at most this number of recent visitors."""

RECENTLY: Final = 7 * 24 * 60 * 60 * 1000
"""A visit counts as recent for this number of milliseconds: a week."""

LOCK: Final = 7_364_121
"""The number of PostgreSQL's lock that one process at a time holds while it creates the tables."""

ROOMS: Final = ("lobby", "python", "coffee")
"""The rooms of a new chat."""


class Base(DeclarativeBase):
    """The tables."""


class Room(Base):
    """A room."""

    __tablename__ = "rooms"

    name: Mapped[str] = mapped_column(primary_key=True)


class Message(Base):
    """A message. Its fields are those of :class:`~examples.chat.wire.MessageOut`."""

    __tablename__ = "messages"
    __table_args__ = (Index("messages_of_room", "room", "id"), UniqueConstraint("author", "key"))

    id: Mapped[int] = mapped_column(primary_key=True)
    room: Mapped[str] = mapped_column(ForeignKey("rooms.name"))
    author: Mapped[str]
    body: Mapped[str]
    sent_at: Mapped[int] = mapped_column(BigInteger)
    key: Mapped[str]


class Visit(Base):
    """The last visit of a person to a room. Its fields are those of :class:`~examples.chat.wire.Seen`."""

    __tablename__ = "visits"
    __table_args__ = (Index("visits_of_room", "room", "seen_at"),)

    room: Mapped[str] = mapped_column(ForeignKey("rooms.name"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[int] = mapped_column(BigInteger)


class Store:
    """The database of the chat. Each method opens its own session.

    Args:
        sessions: Opens sessions.
        insert: The INSERT of the database: only some databases have ``ON CONFLICT``.
    """

    def __init__(self, sessions: async_sessionmaker[AsyncSession], insert: Any) -> None:
        self._sessions = sessions
        self._insert = insert

    async def add_room(self, name: str) -> bool:
        """Add a room, and return whether it is new."""
        async with self._sessions.begin() as session:
            added = (
                self._insert(Room).values(name=name).on_conflict_do_nothing().returning(Room.name)
            )
            return await session.scalar(added) is not None

    async def has_room(self, name: str) -> bool:
        """Return whether the room exists."""
        async with self._sessions() as session:
            return await session.get(Room, name) is not None

    async def rooms(self) -> list[RoomOut]:
        """Return all rooms, each with its latest message."""
        latest = select(func.max(Message.id)).where(Message.room == Room.name).correlate(Room)
        query = (
            select(Room, Message)
            .outerjoin(Message, Message.id == latest.scalar_subquery())
            .order_by(Room.name)
        )
        async with self._sessions() as session:
            return [
                RoomOut(room.name, last=None if message is None else _out(message))
                for room, message in await session.execute(query)
            ]

    async def add_message(
        self, room: str, author: str, body: str, key: str
    ) -> tuple[MessageOut, bool]:
        """Add a message unless its author already sent its key. Return the message, and whether it is new."""
        values = {
            "room": room,
            "author": author,
            "body": body,
            "key": key,
            "sent_at": time.time_ns() // 1_000_000,
        }
        async with self._sessions.begin() as session:
            added = self._insert(Message).values(values).on_conflict_do_nothing().returning(Message)
            message = await session.scalar(added)
            if message is not None:
                return _out(message), True
            same = select(Message).where(Message.author == author, Message.key == key)
            return _out((await session.scalars(same)).one()), False

    async def history(self, room: str, last_id: int) -> tuple[list[MessageOut], bool]:
        """Return the messages after the given one, and True.

        If the room has no such message, or too many after it, return the latest messages, and False.
        """
        latest = (
            select(Message)
            .where(Message.room == room)
            .order_by(Message.id.desc())
            .limit(HISTORY + 1)  # one more: the given message can be the oldest of them
        )
        async with self._sessions() as session:
            messages = [_out(message) for message in await session.scalars(latest)]
        messages.reverse()
        for index, message in enumerate(messages):
            if message.id == last_id:
                return messages[index + 1 :], True
        return messages[-HISTORY:], False

    async def add_visit(self, room: str, name: str, seen_at: int) -> None:
        """Store when a person was last in a room."""
        visit = self._insert(Visit).values(room=room, name=name, seen_at=seen_at)
        latest = visit.on_conflict_do_update(
            index_elements=[Visit.room, Visit.name], set_={"seen_at": visit.excluded.seen_at}
        )
        async with self._sessions.begin() as session:
            await session.execute(latest)

    async def recent(self, room: str) -> list[Seen]:
        """Return the recent visitors of a room, the latest first."""
        lately = (
            select(Visit)
            .where(Visit.room == room, Visit.seen_at > time.time_ns() // 1_000_000 - RECENTLY)
            .order_by(Visit.seen_at.desc())
            .limit(RECENT)
        )
        async with self._sessions() as session:
            return [Seen(visit.name, visit.seen_at) for visit in await session.scalars(lately)]


@asynccontextmanager
async def open_store(database: Path | str) -> AsyncIterator[Store]:
    """Open the database, and create it if it does not exist.

    Args:
        database: The path of a file of SQLite, or a URL: ``postgresql+asyncpg://user:password@host/chat``.
    """
    if isinstance(database, str) and "://" in database:
        url = make_url(database)
    else:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
        url = URL.create("sqlite+aiosqlite", database=str(database))
    engine = create_async_engine(url)
    is_sqlite = engine.dialect.name == "sqlite"
    if is_sqlite:
        event.listen(engine.sync_engine, "connect", _configure)
    try:
        async with engine.begin() as connection:
            await _create_tables(connection)
        insert = sqlite.insert if is_sqlite else postgresql.insert
        store = Store(async_sessionmaker(engine, expire_on_commit=False), insert)
        for name in ROOMS:
            await store.add_room(name)
        yield store
    finally:
        await engine.dispose()


async def _create_tables(connection: AsyncConnection) -> None:
    """Create what is missing. Several processes can do it at the same time."""
    if (
        connection.dialect.name == "postgresql"
    ):  # there IF NOT EXISTS fails if another process is as far
        await connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
    for table in Base.metadata.sorted_tables:
        await connection.execute(CreateTable(table, if_not_exists=True))
        for index in table.indexes:
            await connection.execute(CreateIndex(index, if_not_exists=True))


def _configure(connection: Any, _record: object) -> None:
    """Let readers continue during a write, and check that the room of each message exists."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _out(message: Message) -> MessageOut:
    return convert(message, MessageOut, from_attributes=True)
