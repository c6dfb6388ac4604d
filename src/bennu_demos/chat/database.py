"""The database, through SQLAlchemy's async API: how to open it, and its migrations.

All processes of the chat use one database: SQLite for the processes of one host, PostgreSQL for several hosts. The same
database has the histories of the rooms, so a message and its broadcast are one transaction.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, event, func, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

__all__ = ["Database", "now", "open_database", "url_of"]

LOCK: Final = 7_364_121
"""The number of PostgreSQL's lock that one process at a time holds while it runs the migrations."""

MIGRATIONS: Final = Path(__file__).parent / "migrations"


@dataclass(frozen=True)
class Database:
    """The open database.

    Attributes:
        sessions: Opens sessions.
        insert: The INSERT of the database: only some databases have ``ON CONFLICT``.
    """

    sessions: async_sessionmaker[AsyncSession]
    insert: Any


def now() -> int:
    """Return the time in milliseconds since 1970, as in JavaScript."""
    return time.time_ns() // 1_000_000


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
async def open_database(database: Path | str) -> AsyncGenerator[Database, None]:
    """Open the database, and bring its tables up to date.

    Args:
        database: As for :func:`url_of`.
    """
    engine = create_async_engine(url_of(database))
    is_sqlite = engine.dialect.name == "sqlite"
    if is_sqlite:
        event.listen(engine.sync_engine, "connect", _configure)
    try:
        async with engine.begin() as connection:
            # Several processes start at the same moment: one of them runs the migrations, and the others wait.
            if is_sqlite:
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                await connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
            await connection.run_sync(_migrate)
        insert = sqlite.insert if is_sqlite else postgresql.insert
        yield Database(async_sessionmaker(engine, expire_on_commit=False), insert)
    finally:
        await engine.dispose()


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection  # for migrations/env.py
    command.upgrade(config, "head")


def _configure(connection: Any, _record: object) -> None:
    """Let readers continue during a write, and check that the room of each message exists.

    ``synchronous`` stays FULL, the default. With NORMAL the newest messages could be lost when the power fails. Their
    places in the history would be given to other messages, and a page could not tell.

    Writers that wait for one another have no queue: on a slow disk the unlucky one waits longer than the default of 5 s.
    """
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 30000")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
