"""The suite runs under every server, each started once a module, and with both serializers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from bennu import Endpoint
from tests.support.servers import SERVERS, Server, serve
from tests.support.until import until
from tests.support.wire import V1, V2

from .app import Journal, make_endpoint
from .divergence import servers_for


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        names = servers_for(metafunc.function, list(SERVERS))
        metafunc.parametrize("server", names, indirect=True, scope="module")
    if "vsn" in metafunc.fixturenames:
        metafunc.parametrize("vsn", [V1, V2], ids=["v1", "v2"])


@pytest.fixture(scope="module")
def endpoint() -> Endpoint:
    return make_endpoint()


@pytest.fixture(scope="module")
async def server(request: pytest.FixtureRequest, endpoint: Endpoint) -> AsyncIterator[Server]:
    async with serve(request.param, endpoint) as server:
        yield server
    assert endpoint.connections == 0


@pytest.fixture
def journal(endpoint: Endpoint, server: Server) -> Journal:
    assert endpoint.is_started, server
    journal: Journal = endpoint.state
    return journal


UNFOUNDED = "ASGI callable returned without completing handshake."
"""What uvicorn logs after every HTTP answer to a WebSocket request but an empty 403."""


@pytest.fixture(autouse=True)
def _no_surprises(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """See that no server and no event loop found anything to complain about."""
    yield
    complaints = [
        record.getMessage()
        for record in caplog.get_records("call")
        if record.levelno >= logging.ERROR and not record.name.startswith("bennu")
    ]
    assert not [complaint for complaint in complaints if complaint != UNFOUNDED]


@pytest.fixture(autouse=True)
async def _no_connection_left(endpoint: Endpoint) -> AsyncIterator[None]:
    """See that the endpoint lets go of a connection that is over."""
    yield
    await until(lambda: not endpoint.connections)
