"""The suite runs under every server, which is started once for each module, and with both serializers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Final

import pytest

from bennu import Endpoint
from tests.support.servers import SERVERS, Server, serve
from tests.support.until import until
from tests.support.wire import V1, V2

from .app import Journal, make_endpoint
from .divergence import servers_for

UNFOUNDED: Final = "ASGI callable returned without completing handshake."
"""uvicorn logs this after each HTTP answer to a WebSocket request, except an empty 403."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "running" in metafunc.fixturenames:
        names = servers_for(metafunc.function, list(SERVERS))
        metafunc.parametrize("running", names, indirect=True, scope="module")
    if "vsn" in metafunc.fixturenames:
        metafunc.parametrize("vsn", [V1, V2], ids=["v1", "v2"])


@pytest.fixture(scope="module")
def endpoint() -> Endpoint:
    return make_endpoint()


@pytest.fixture(scope="module")
async def running(request: pytest.FixtureRequest, endpoint: Endpoint) -> AsyncIterator[Server]:
    async with serve(request.param, endpoint) as server:
        yield server
    assert endpoint.connections == 0


@pytest.fixture
async def server(
    running: Server, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Server]:
    """The server. After each test no connection is left in the endpoint.

    The server and the event loop must not have logged errors.
    """
    endpoint.telemetry.log.stop()  # lines that the test before has logged often are not counted here
    yield running
    await until(lambda: not endpoint.connections)
    complaints = [
        record.getMessage()
        for record in caplog.get_records("call")
        if record.levelno >= logging.ERROR and not record.name.startswith("bennu")
    ]
    assert not [complaint for complaint in complaints if complaint != UNFOUNDED]


@pytest.fixture
def journal(endpoint: Endpoint, server: Server) -> Journal:
    assert endpoint.is_started, server
    journal: Journal = endpoint.state
    return journal
