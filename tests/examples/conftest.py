"""The chat demo, served in this process, with a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from examples.chat.app import app, endpoint
from tests.support.servers import Server, serve


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the chat keeps its messages, in a folder that is not there yet."""
    path = tmp_path / "new" / "chat.db"
    monkeypatch.setenv("CHAT_DATABASE", str(path))
    return path


@pytest.fixture
async def chat(database: Path) -> AsyncIterator[Server]:
    del database
    async with serve("native", app) as server:
        yield server
    assert endpoint.connections == 0
