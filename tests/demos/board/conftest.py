"""The board demo, in this process or as its own process with browser windows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from bennu import Endpoint
from bennu_demos.board.app import make
from tests.demos.databases import new_database, on_both
from tests.demos.process import DemoProcess, run_demo
from tests.demos.windows import Windows

APP = "bennu_demos.board.app:app"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    on_both(metafunc, "test_board", "test_workers")


@pytest.fixture
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """A new database: the path of a file, or the URL of a database of PostgreSQL."""
    return await new_database(request, tmp_path / "board.db")


@pytest.fixture
def endpoint(database: Path | str) -> Endpoint:
    """The endpoint with a new database."""
    return make(database)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[DemoProcess]:
    """The demo as its users run it."""
    async with run_demo(APP, tmp_path) as server:
        yield server


@pytest.fixture
async def windows(browser: Browser, server: DemoProcess) -> AsyncIterator[Windows]:
    """Browser windows."""
    windows = Windows(browser, server.url)
    yield windows
    await windows.end()
