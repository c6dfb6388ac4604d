"""The lifespan of an endpoint, and the lifespan of an application that it wraps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette

from bennu import Endpoint, Socket
from tests.support.steps import Steps

pytestmark = pytest.mark.clock("real")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def make_endpoint(steps: Steps) -> Endpoint:
    """Return an endpoint whose lifespan records its calls."""
    return Endpoint(
        sockets={"/socket": Socket(connect=lambda: None, channels={})},
        lifespan=lambda: steps.of("endpoint", "its state"),
    )


class Played:
    """The server's side of a lifespan, played by a test."""

    def __init__(self, *events: str) -> None:
        self.events = [f"lifespan.{event}" for event in events]
        self.sent: list[MutableMapping[str, Any]] = []

    async def receive(self) -> MutableMapping[str, Any]:
        return {"type": self.events.pop(0)}

    async def send(self, event: MutableMapping[str, Any]) -> None:
        self.sent.append(event)

    async def play(self, app: Any) -> list[str]:
        """Run a lifespan; return the application's messages."""
        await app({"type": "lifespan"}, self.receive, self.send)
        return [event["type"].removeprefix("lifespan.") for event in self.sent]


async def fail() -> None:
    """Raise an error at once."""
    raise OSError("no database")


async def ignorant(scope: Scope, receive: Receive, send: Send) -> None:
    """Return at once."""


async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
    """Raise an error for a lifespan scope."""
    raise ValueError(scope["type"])


async def listening(scope: Scope, receive: Receive, send: Send) -> None:
    """Receive the startup, and raise an error then."""
    event = await receive()
    raise ValueError(event["type"])


@pytest.mark.parametrize("app", [ignorant, refusing, listening])
async def test_around_applications_that_know_no_lifespan(app: Any) -> None:
    """The endpoint's lifespan lasts until the server stops, for each kind of application without a lifespan."""
    steps = Steps()
    endpoint = make_endpoint(steps)
    server = Played("startup", "shutdown")

    async def receive() -> MutableMapping[str, Any]:
        if len(server.events) == 1:  # the server is going to stop
            assert steps == ["endpoint begins"]
            assert [event["type"] for event in server.sent] == ["lifespan.startup.complete"]
        return {"type": server.events.pop(0)}

    await endpoint.wrap(app)({"type": "lifespan"}, receive, server.send)
    assert [event["type"] for event in server.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert steps == ["endpoint begins", "endpoint ends"]


async def test_around_an_application_that_fails_to_start() -> None:
    """If the application's start fails, the endpoint's lifespan ends."""

    @asynccontextmanager
    async def failing(app: Any) -> AsyncIterator[None]:
        await fail()
        yield

    steps = Steps()
    endpoint = make_endpoint(steps)
    server = Played("startup")
    with pytest.raises(OSError, match="no database"):
        await server.play(endpoint.wrap(Starlette(lifespan=failing)))
    assert [event["type"] for event in server.sent] == ["lifespan.startup.failed"]
    assert steps == ["endpoint begins", "endpoint ends"]


@pytest.mark.parametrize("wrapped", [False, True])
async def test_an_endpoint_that_fails_to_start_says_where(wrapped: bool) -> None:
    """The server gets the traceback, because it logs only what it is told."""

    @asynccontextmanager
    async def failing() -> AsyncIterator[None]:
        await fail()
        yield

    steps = Steps()
    endpoint = Endpoint(sockets={}, lifespan=failing)
    inner = Starlette(lifespan=lambda app: steps.of("application"))
    server = Played("startup")
    with pytest.raises(OSError, match="no database"):
        await server.play(endpoint.wrap(inner) if wrapped else endpoint)
    (failed,) = server.sent
    assert failed["type"] == "lifespan.startup.failed"
    assert "OSError: no database" in failed["message"]
    assert "in failing" in failed["message"]
    assert not steps
    assert not endpoint.is_started
