"""The chat demo: an endpoint in this process, or its own process for real browser windows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from bennu import Endpoint
from bennu_demos.chat.app import make
from tests.support.brokers.postgresql import PostgreSQL, postgresql

from ..process import DemoProcess
from .guests import QUICK
from .serving import run_chat
from .windows import Company

ON_BOTH: Final = {"test_accounts", "test_moderation", "test_private", "test_server", "test_store"}
"""Modules whose tests run on SQLite and on PostgreSQL."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database" in metafunc.fixturenames and metafunc.module.__name__.split(".")[-1] in ON_BOTH:
        databases = ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)]
        metafunc.parametrize("database", databases, indirect=True)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgreSQL]:
    """A PostgreSQL for the tests of a module."""
    with postgresql() as server:
        yield server


NUMBERS: Final = count(1)


@pytest.fixture
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """A new database: the path of a file in a folder that does not exist yet, or the URL of a database of PostgreSQL."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return tmp_path / "new" / "chat.db"
    server: PostgreSQL = request.getfixturevalue("postgres")
    url = make_url(server.address).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    name = f"chat{next(NUMBERS)}"
    async with engine.connect() as connection:
        await connection.execute(text(f"create database {name}"))
    await engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def endpoint(database: Path | str) -> Endpoint:
    """The endpoint of a chat with this database. Its passwords are hashed fast, and badly."""
    return make(database, hasher=QUICK)


@pytest.fixture
def virtual_endpoint(endpoint: Endpoint, virtual_database: None) -> Endpoint:
    """The same endpoint, for tests under virtual time on a machine of any speed."""
    del virtual_database
    return endpoint


@pytest.fixture
def grace() -> float:
    """Seconds until a person whose connection is lost counts as gone."""
    return 0.5


@pytest.fixture
def kept() -> int | None:
    """The number of messages that the history of a room keeps; None for the default."""
    return None


@pytest.fixture
def token_lasts() -> int | None:
    """The seconds for which the token of a socket is valid; None for the default."""
    return None


@pytest.fixture
async def server(
    database: Path, grace: float, kept: int | None, token_lasts: int | None
) -> AsyncIterator[DemoProcess]:
    """The chat as its users run it."""
    async with run_chat(database, grace=grace, kept=kept, token_lasts=token_lasts) as server:
        yield server


@pytest.fixture
async def company(browser: Browser, server: DemoProcess) -> AsyncIterator[Company]:
    """People with browser windows."""
    company = Company(browser, server.url)
    yield company
    await company.end()
