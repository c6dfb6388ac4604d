"""The board demo, in this process or as its own process with browser windows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from bennu import Endpoint
from bennu_demos.board.app import make
from tests.demos.process import DemoProcess, run_demo
from tests.demos.windows import Windows

APP = "bennu_demos.board.app:app"


@pytest.fixture
def endpoint(tmp_path: Path, virtual_database: None) -> Endpoint:
    """The endpoint with a new database, for tests under virtual time."""
    del virtual_database
    return make(tmp_path / "board.db")


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
