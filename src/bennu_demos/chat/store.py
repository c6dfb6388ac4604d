"""Rooms, messages and visits in a database, through SQLAlchemy's async API.

All processes of the chat use one database: SQLite for the processes of one host, PostgreSQL for several hosts. The same
database has the histories of the rooms, so a message and its broadcast are one transaction.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
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

from bennu import Endpoint

from .wire import MessageOut, RoomOut, Seen

__all__ = ["PAGE", "RECENT", "RECENTLY", "Store", "open_store", "url_of"]

PAGE: Final = 50
"""A page loads at most this number of messages at once."""

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
    """A message. Its fields are those of :class:`~bennu_demos.chat.wire.MessageOut`.

    The constraint on author and key is a second net. The channel handles a repeat by ``idempotent_by``, which keeps the
    reply to the first push. But if the server crashes after the commit and before it has kept the reply, a repeat is
    handled anew. Without the constraint the message would be stored and sent twice.
    """

    __tablename__ = "messages"
    __table_args__ = (Index("messages_of_room", "room", "id"), UniqueConstraint("author", "key"))

    id: Mapped[int] = mapped_column(primary_key=True)
    room: Mapped[str] = mapped_column(ForeignKey("rooms.name"))
    author: Mapped[str]
    body: Mapped[str]
    sent_at: Mapped[int] = mapped_column(BigInteger)
    key: Mapped[str]


class Visit(Base):
    """The last visit of a person to a room. Its fields are those of :class:`~bennu_demos.chat.wire.Seen`."""

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
            rows: list[tuple[Room, Message | None]] = [
                (room, message) for room, message in await session.execute(query)
            ]
        return [
            RoomOut(room.name, last=None if message is None else _out(message))
            for room, message in rows
        ]

    async def add_message(
        self, endpoint: Endpoint, room: str, author: str, body: str, key: str
    ) -> tuple[MessageOut, bool]:
        """Add a message and its broadcast, unless its author already sent its key.

        Both are one transaction: if the server crashes, there are both or neither. In a room, ids rise in the order of
        the commits, so they also rise in the history.

        Args:
            endpoint: The endpoint, whose store is this database.
            room: The name of the room.
            author: The name of the author.
            body: The text.
            key: The key that the page chose.

        Returns:
            The message, and whether it is new.
        """
        values = {
            "room": room,
            "author": author,
            "body": body,
            "key": key,
            "sent_at": time.time_ns() // 1_000_000,
        }
        async with self._sessions.begin() as session:
            # PostgreSQL: the next message of the room waits here for the commit, and then gets its id.
            # SQLite has no such locks. It needs none, because it has one writer at a time.
            await session.execute(select(Room.name).where(Room.name == room).with_for_update())
            added = self._insert(Message).values(values).on_conflict_do_nothing().returning(Message)
            stored = await session.scalar(added)
            if stored is None:
                same = select(Message).where(Message.author == author, Message.key == key)
                return _out((await session.scalars(same)).one()), False
            message = _out(stored)
            endpoint.outbox(session).broadcast(f"room:{room}", "message", message)
        return message, True

    async def messages(self, room: str, before: int | None = None) -> list[MessageOut]:
        """Return the newest messages of a room, or the newest before an id. The oldest comes first."""
        newest = select(Message).where(Message.room == room).order_by(Message.id.desc()).limit(PAGE)
        if before is not None:
            newest = newest.where(Message.id < before)
        async with self._sessions() as session:
            return [_out(message) for message in await session.scalars(newest)][::-1]

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


def url_of(database: Path | str) -> URL:
    """Return the URL of a database. The folder of a new file is created.

    Args:
        database: The path of a file of SQLite, or a URL: ``postgresql+asyncpg://user:password@host/chat``.
    """
    if isinstance(database, str) and "://" in database:
        return make_url(database)
    Path(database).parent.mkdir(parents=True, exist_ok=True)
    return URL.create("sqlite+aiosqlite", database=str(database))


@asynccontextmanager
async def open_store(database: Path | str) -> AsyncGenerator[Store, None]:
    """Open the database, and create what is missing.

    Args:
        database: As for :func:`url_of`.
    """
    engine = create_async_engine(url_of(database))
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
    """Let readers continue during a write, and check that the room of each message exists.

    ``synchronous`` stays FULL, the default. With NORMAL the newest messages could be lost when the power fails. Their
    places in the history would be given to other messages, and a page could not tell.

    Writers that wait for one another have no queue: on a slow disk the unlucky one waits longer than the default of 5 s.
    """
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA busy_timeout = 30000")
    cursor.close()


def _out(message: Message) -> MessageOut:
    return convert(message, MessageOut, from_attributes=True)
