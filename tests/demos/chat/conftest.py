"""The chat demo: an endpoint in this process, or its own process for real browser windows."""

from __future__ import annotations

from asyncio import Future
from collections.abc import AsyncIterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from playwright.async_api import Browser

from bennu import Endpoint
from bennu.testing.clock import running_loop
from bennu_demos.chat.app import make

from ..process import DemoProcess
from .serving import run_chat
from .windows import Company


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The path of the chat's database, in a folder that does not exist yet."""
    return tmp_path / "new" / "chat.db"


@pytest.fixture
def endpoint(database: Path) -> Endpoint:
    """The endpoint of a chat with this database."""
    return make(database)


class _SeenByTheClock(SimpleQueue[Any]):
    """The calls for a database's thread; virtual time stands still until they are done."""

    def put_nowait(self, item: tuple[Future[Any] | None, Any]) -> None:
        if item[0] is not None:
            running_loop().clock.wait_for_thread(item[0])
        super().put_nowait(item)


@pytest.fixture
def virtual_endpoint(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """The same endpoint, for tests under virtual time on a machine of any speed."""
    monkeypatch.setattr("aiosqlite.core.SimpleQueue", _SeenByTheClock)
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
async def server(database: Path, grace: float, kept: int | None) -> AsyncIterator[DemoProcess]:
    """The chat as its users run it."""
    async with run_chat(database, grace=grace, kept=kept) as server:
        yield server


@pytest.fixture
async def company(browser: Browser, server: DemoProcess) -> AsyncIterator[Company]:
    """People with browser windows."""
    company = Company(browser, server.url)
    yield company
    await company.end()
