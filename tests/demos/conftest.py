"""What the tests of all demos share: a browser, and a folder for screenshots."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright, expect

from tests.support.browser import LAUNCH_ARGS, chromium_path

from .windows import PATIENCE


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium for all tests of a module."""
    executable = chromium_path()
    expect.set_options(timeout=PATIENCE)
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=executable, args=list(LAUNCH_ARGS), timeout=PATIENCE
        )
        yield browser
        await browser.close()


@pytest.fixture
def screenshots(request: pytest.FixtureRequest) -> Path:
    """The folder for the screenshots of a demo, which are kept: ``test-results/NAME``, or below $BENNU_SCREENSHOTS."""
    root = Path(os.environ.get("BENNU_SCREENSHOTS") or Path(__file__).parents[2] / "test-results")
    folder = root / request.path.parent.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
