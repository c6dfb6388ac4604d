"""The chat demo: an endpoint in this process, or its own process for real browser windows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from bennu import Endpoint
from bennu_demos.chat.app import make

from ..databases import new_database, on_both
from ..process import DemoProcess
from .guests import QUICK
from .serving import run_chat
from .windows import Company


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    modules = ("test_accounts", "test_moderation", "test_private", "test_server", "test_store")
    on_both(metafunc, *modules)


@pytest.fixture
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """A new database: the path of a file in a folder that does not exist yet, or the URL of a database of PostgreSQL."""
    return await new_database(request, tmp_path / "new" / "chat.db")


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
