"""The ticker, served in its own process for real browser windows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.demos.process import DemoProcess, run_demo
from tests.demos.windows import Windows


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[DemoProcess]:
    """The ticker as its users run it."""
    async with run_demo("bennu_demos.ticker.app:app", tmp_path) as server:
        yield server


@pytest.fixture
async def windows(browser: Browser, server: DemoProcess) -> AsyncIterator[Windows]:
    """Windows that show the ticker."""
    windows = Windows(browser, server.url)
    yield windows
    await windows.end()
