"""The game, run by its own process for browser windows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.demos.process import DemoProcess, run_demo
from tests.demos.windows import Windows


@pytest.fixture
def crowd() -> int:
    """The number of snakes up to which bots fill the arena."""
    return 14


@pytest.fixture
async def server(tmp_path: Path, crowd: int) -> AsyncIterator[DemoProcess]:
    """The game as its users run it."""
    environment = {"GAME_CROWD": str(crowd), "GAME_SEED": "7"}
    async with run_demo("bennu_demos.game.app:app", tmp_path, environment=environment) as server:
        yield server


@pytest.fixture
async def windows(browser: Browser, server: DemoProcess) -> AsyncIterator[Windows]:
    """Windows that show the game."""
    windows = Windows(browser, server.url)
    yield windows
    await windows.end()
