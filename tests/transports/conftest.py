"""One native server for each module, on asyncio's event loop and on uvloop."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest

from bennu import Endpoint
from tests.support.servers import Server, serve
from tests.support.until import until
from tests.wire.app import make_endpoint
from tests.wire.conftest import journal

__all__ = ["endpoint", "journal", "running", "server", "server_name"]


@pytest.fixture(scope="module")
def server_name() -> str:
    return "native"


@pytest.fixture(scope="module")
def endpoint(anyio_backend: object) -> Endpoint:
    assert anyio_backend
    return make_endpoint()


@pytest.fixture(scope="module")
async def running(server_name: str, endpoint: Endpoint) -> AsyncIterator[Server]:
    async with serve(server_name, endpoint) as server:
        yield server
    assert endpoint.connections == 0


@pytest.fixture
async def server(
    running: Server, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Server]:
    """Return the server. After each test nothing can be left, and the log must have no error."""
    yield running
    await until(lambda: not endpoint.connections)
    await until(lambda: not running.connections)
    await until(lambda: not running.tasks)
    errors = [r.getMessage() for r in caplog.get_records("call") if r.levelno >= logging.ERROR]
    assert not errors
