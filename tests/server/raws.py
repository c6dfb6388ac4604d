"""Raw handlers that record their calls, and clients that talk to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final

from bennu import Endpoint, RawHandler, RawSocket
from bennu.testing.clock import settle
from bennu.testing.wires import Wire

from ..support.memory import Over, Server, serve

__all__ = ["PATH", "Echo", "Recording", "endpoint_of", "said", "talking"]

PATH: Final = "/raw/websocket"


class Recording(RawHandler[Any, Any]):
    """A handler that records its calls, for the one test that defines its subclass."""

    reasons: ClassVar[list[Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.reasons = []

    async def receive(self, message: Any) -> Any:
        return message

    async def closed(self, reason: Any) -> None:
        self.reasons.append(reason)


class Echo(Recording):
    """The handler of most tests."""


def endpoint_of(handler: Any, **options: Any) -> Endpoint:
    options = {"connect": lambda params: params.get("name"), "id": lambda name: name, **options}
    return Endpoint(sockets={"/raw": RawSocket(handler=handler, **options)})


@asynccontextmanager
async def talking(
    handler: Any, *, over: Over = "native", query: str = "", **options: Any
) -> AsyncIterator[tuple[Server, Any]]:
    """Serve a handler, with one connected client."""
    async with serve(endpoint_of(handler, **options)) as server:
        yield server, await server.open(f"{PATH}?{query}", over=over)


async def said(wire: Wire) -> list[str | bytes]:
    """Return the messages that the server has sent, once the loop is idle."""
    await settle()
    messages = list(wire.received)
    wire.received.clear()
    return messages
