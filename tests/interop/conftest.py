"""The running server, and clients in their own processes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.interop.client_log import ClientLog, ListenToLog
from tests.interop.program import Client, Clients, RunScript, Server
from tests.interop.scenario import Scenario
from tests.support.clients import client_python
from tests.support.node import JS, js_modules, node_path

HERE = Path(__file__).parent

UNEXPECTED = (
    "internal error",
    "Exception in",
    "was never retrieved",
    "was never awaited",
    "A task of the server's own failed",
)
"""Log lines that no client can cause."""


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    server = Server()
    yield server
    status = server.stop()
    log = "".join(server.lines)
    assert not [text for text in UNEXPECTED if text in log], log
    assert status in (0, -15), log


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    """A running server for many tests. A failing test shows the log lines of its time."""
    seen = len(shared_server.lines)
    yield shared_server
    print("".join(shared_server.lines[seen:]))  # noqa: T201 - pytest shows it if the test failed


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server of one test, which can be killed and started again."""
    server = Server()
    yield server
    server.kill()
    print("".join(server.lines))  # noqa: T201 - pytest shows it if the test failed


@pytest.fixture
def clients() -> Iterator[Clients]:
    clients = Clients()
    yield clients
    clients.close()


@pytest.fixture
def run_js(clients: Clients) -> RunScript:
    """Return a function that starts a script of tests/interop/js in Node, from its name and arguments."""
    js_modules()

    def run(script: str, *arguments: str) -> Client:
        return clients.start([node_path(), JS / f"{script}.mjs", *arguments])

    return run


@pytest.fixture(params=["phoenix", pytest.param("phoenix-1.7", marks=pytest.mark.long)])
def package(request: pytest.FixtureRequest) -> str:
    """The npm package of phoenix.js: 1.8, and the newest 1.7."""
    name: str = request.param
    return name


@pytest.fixture
def scenario(run_js: RunScript, server: Server, package: str) -> Scenario:
    """Return the runner of phoenix.js scenarios against the shared server."""
    return Scenario(run_js, server, package)


@pytest.fixture
def run_python(clients: Clients) -> RunScript:
    """Return a function that starts a script of tests/interop/clients in the environment of its client."""

    def run(client: str, *arguments: str) -> Client:
        script = HERE / "clients" / f"{client.replace('-', '_')}_client.py"
        return clients.start([client_python(client), script, *arguments])

    return run


@pytest.fixture
def listen_to_log() -> Iterator[ListenToLog]:
    """Return a function that records the log of a logger and its children."""
    with ExitStack() as stack:

        def listen(name: str) -> ClientLog:
            logger, handler = logging.getLogger(name), ClientLog()
            stack.callback(logger.setLevel, logger.level)
            stack.callback(logger.removeHandler, handler)
            logger.setLevel(logging.DEBUG)
            logger.addHandler(handler)
            return handler

        yield listen
