"""The scoreboard, served in its own process for real browser windows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.demos.process import DemoProcess, run_demo
from tests.demos.windows import Windows


@pytest.fixture
def rate() -> float:
    """Seconds of a match in a second."""
    return 30.0


@pytest.fixture
async def server(tmp_path: Path, rate: float) -> AsyncIterator[DemoProcess]:
    """The scoreboard as its users run it."""
    environment = {"SCOREBOARD_RATE": str(rate)}
    app = "bennu_demos.scoreboard.app:app"
    async with run_demo(app, tmp_path, environment=environment) as server:
        yield server


@pytest.fixture
async def windows(browser: Browser, server: DemoProcess) -> AsyncIterator[Windows]:
    """Windows that show the scoreboard."""
    windows = Windows(browser, server.url)
    yield windows
    await windows.end()
