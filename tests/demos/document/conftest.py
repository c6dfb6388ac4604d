"""The document demo, served in this process, or by its own process for real browser windows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from bennu import Endpoint
from bennu.testing import running
from bennu_demos.document.app import make
from bennu_demos.document.keys import id_of
from tests.demos.process import DemoProcess, run_demo
from tests.demos.windows import Windows

from .seat import KEY


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The path of the database, in a folder that does not exist yet."""
    return tmp_path / "new" / "documents.db"


@pytest.fixture
async def endpoint(database: Path) -> AsyncIterator[Endpoint]:
    """An endpoint with one empty document."""
    endpoint = make(database)
    async with running(endpoint):
        await endpoint.state.store.create(id_of(KEY))
        yield endpoint


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[DemoProcess]:
    """The demo as its users run it."""
    async with run_demo("bennu_demos.document.app:app", tmp_path) as server:
        yield server


@pytest.fixture
async def windows(browser: Browser, server: DemoProcess) -> AsyncIterator[Windows]:
    """Browser windows that show the demo."""
    windows = Windows(browser, server.url)
    yield windows
    await windows.end()
