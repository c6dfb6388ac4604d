"""New databases for tests that run on SQLite and on PostgreSQL."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.brokers.postgresql import PostgreSQL

__all__ = ["new_database", "on_both"]

NUMBERS: Final = count(1)


def on_both(metafunc: pytest.Metafunc, *modules: str) -> None:
    """Run the tests of these modules on both, if they use the fixture ``database``: on PostgreSQL they are long."""
    name = metafunc.module.__name__.rpartition(".")[2]
    if "database" in metafunc.fixturenames and name in modules:
        databases = ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)]
        metafunc.parametrize("database", databases, indirect=True)


async def new_database(request: pytest.FixtureRequest, file: Path) -> Path | str:
    """Return the path of a file of SQLite, or the URL of a new database of PostgreSQL."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return file
    server: PostgreSQL = request.getfixturevalue("postgres")
    url = make_url(server.address).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    name = f"demo{next(NUMBERS)}"
    async with engine.connect() as connection:
        await connection.execute(text(f"create database {name}"))
    await engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)
