"""The chat demo, served in this process, with a database of its own."""

from __future__ import annotations

from asyncio import Future
from collections.abc import AsyncIterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from examples.chat.app import app, endpoint
from tests.support.clock import running_loop
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


class _SeenByTheClock(SimpleQueue[Any]):
    """What a database's thread is to do; virtual time stands still until it is done."""

    def put_nowait(self, item: tuple[Future[Any] | None, Any]) -> None:
        if item[0] is not None:
            running_loop().wait_for_thread(item[0])
        super().put_nowait(item)


@pytest.fixture
def virtual_database(database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same for tests under virtual time."""
    monkeypatch.setattr("aiosqlite.core.SimpleQueue", _SeenByTheClock)
    return database
