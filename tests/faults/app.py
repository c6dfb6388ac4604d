"""The node under load: it publishes numbered messages, and says what it has published, and what it has missed."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

from msgspec import Struct

from bennu import Channel, Endpoint, RawHandler, RawSocket, Socket, on
from bennu.telemetry import BusMessagesLost, Event

__all__ = ["endpoint"]

published: Counter[str] = Counter()
missed: list[list[Any]] = []


class Request(Struct):
    """How many broadcasts, and the bytes of each."""

    count: int
    size: int


class Load(Channel[None]):
    """A client asks for a number of broadcasts to its topic."""

    @on("publish")
    async def publish(self, request: Request) -> None:
        for _ in range(request.count):
            published[self.topic] += 1
            payload = {
                "node": endpoint.node,
                "n": published[self.topic],
                "body": "x" * request.size,
            }
            await self.broadcast("message", payload)


class Control(RawHandler[None]):
    """Answers the script."""

    async def receive(self, message: str | bytes) -> str | bytes:
        if message == "hang":
            time.sleep(10)  # noqa: ASYNC251 - the fault: the event loop hangs
        answer = {
            "node": endpoint.node,
            "nodes": sorted(endpoint.nodes()),
            "ready": endpoint.is_ready,
            "published": dict(published),
            "missed": missed,
        }
        return json.dumps(answer)


async def connect() -> None:
    """Accept every client."""


def lost(event: Event) -> None:
    """Note a loss."""
    assert isinstance(event, BusMessagesLost)
    missed.append([event.node, event.topic, event.count, event.reason.text])


endpoint = Endpoint(
    sockets={
        # A node that has hung for ten seconds sends what it has missed at once: more than a client may leave unread.
        "/socket": Socket(connect=connect, channels={"load:*": Load}, max_unsent=16_000_000),
        "/control": RawSocket(connect=connect, handler=Control),
    },
    hosts=["*"],
    check_origin=False,
)
endpoint.telemetry.attach(lost, BusMessagesLost)
