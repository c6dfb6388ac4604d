"""What the tests of all demos share: a browser, a folder for screenshots, and virtual time for databases."""

from __future__ import annotations

import os
from asyncio import Future
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright, expect

from bennu.testing.clock import running_loop
from tests.support.brokers.postgresql import PostgreSQL, postgresql
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


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgreSQL]:
    """A PostgreSQL for the tests of a module."""
    with postgresql() as server:
        yield server


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder with a short path: pytest's own can be too long for the sockets of ``ipc://``."""
    with TemporaryDirectory(prefix="bennu-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def screenshots(request: pytest.FixtureRequest) -> Path:
    """The folder for the screenshots of a demo, which are kept: ``test-results/NAME``, or below $BENNU_SCREENSHOTS."""
    root = Path(os.environ.get("BENNU_SCREENSHOTS") or Path(__file__).parents[2] / "test-results")
    folder = root / request.path.parent.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class _SeenByTheClock(SimpleQueue[Any]):
    """The calls for a database's thread; virtual time stands still until they are done."""

    def put_nowait(self, item: tuple[Future[Any] | None, Any]) -> None:
        if item[0] is not None:
            running_loop().clock.wait_for_thread(item[0])
        super().put_nowait(item)


@pytest.fixture
def virtual_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let virtual time stand still until SQLite has answered, and for no other reason."""
    monkeypatch.setattr("aiosqlite.core.SimpleQueue", _SeenByTheClock)
    # The clock gives threads that it does not know some real time at each step; those with this name need none.
    monkeypatch.setattr("aiosqlite.core.Thread", partial(Thread, name="bennu-sqlite"))
