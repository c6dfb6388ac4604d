"""The tables of the boards, and the database that has them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, ForeignKey, String, UniqueConstraint, event, make_url, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateTable

__all__ = ["Board", "Card", "List", "open_database", "url_of"]

LOCK: Final = 7_364_122
"""The number of PostgreSQL's lock that one process at a time holds while it creates the tables."""

KEY: Final = String().with_variant(String(collation="C"), "postgresql")
"""Sort keys are compared by their bytes; other collations of PostgreSQL put "a" before "B"."""


class Base(DeclarativeBase):
    """The tables."""


class Board(Base):
    """A board. Its version rises with each change: the row is also the lock of the board."""

    __tablename__ = "boards"

    id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    version: Mapped[int] = mapped_column(default=0)


class List(Base):
    """A list of a board."""

    __tablename__ = "lists"
    __table_args__ = (UniqueConstraint("board", "key"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    board: Mapped[str] = mapped_column(ForeignKey("boards.id"))
    key: Mapped[str] = mapped_column(KEY)
    title: Mapped[str]


class Card(Base):
    """A card of a list."""

    __tablename__ = "cards"
    __table_args__ = (UniqueConstraint("list", "key"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    board: Mapped[str] = mapped_column(ForeignKey("boards.id"))
    list: Mapped[str] = mapped_column(ForeignKey("lists.id"))
    key: Mapped[str] = mapped_column(KEY)
    title: Mapped[str]
    text: Mapped[str] = mapped_column(default="")
    edited: Mapped[int] = mapped_column(default=0)


def url_of(database: Path | str) -> URL:
    """Return the URL of a database: of a file of SQLite, or of a PostgreSQL whose URL is given."""
    if isinstance(database, str) and "://" in database:
        return make_url(database)
    return URL.create("sqlite+aiosqlite", database=str(database))


@asynccontextmanager
async def open_database(
    database: Path | str,
) -> AsyncGenerator[async_sessionmaker[AsyncSession], None]:
    """Open the database, and create missing tables. Several processes can do it at the same time."""
    engine = create_async_engine(url_of(database))
    is_sqlite = engine.dialect.name == "sqlite"
    if is_sqlite:
        event.listen(engine.sync_engine, "connect", _configure)
    try:
        async with engine.begin() as connection:
            if not is_sqlite:  # there IF NOT EXISTS fails if another process is as far
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
            for table in Base.metadata.sorted_tables:
                await connection.execute(CreateTable(table, if_not_exists=True))
        yield async_sessionmaker(engine, expire_on_commit=False)
    finally:
        await engine.dispose()


def _configure(connection: Any, _record: object) -> None:
    """Let readers go on during a write, and let a writer wait for another one for 30 s."""
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
