"""The node: rooms with history, in which clients say things."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from bennu import Channel, Endpoint, History, RawHandler, RawSocket, Socket, on

__all__ = ["endpoint"]


class Room(Channel[None]):
    """What a client says reaches all, or all others. The reply says that it is in the log."""

    history = History(size=20_000, ttl=timedelta(hours=1), max_recovered=20_000)

    @on("say")
    async def say(self, payload: dict[str, Any]) -> dict[str, Any]:
        await self.broadcast("said", payload)
        return {}

    @on("say_to_others")
    async def say_to_others(self, payload: dict[str, Any]) -> dict[str, Any]:
        await self.broadcast_from("said", payload)
        return {}


class PlainRoom(Channel[None]):
    """The same without history."""

    @on("say")
    async def say(self, payload: dict[str, Any]) -> dict[str, Any]:
        await self.broadcast("said", payload)
        return {}

    @on("say_to_others")
    async def say_to_others(self, payload: dict[str, Any]) -> dict[str, Any]:
        await self.broadcast_from("said", payload)
        return {}


class Control(RawHandler[None]):
    """Answers the script."""

    async def receive(self, message: str | bytes) -> str | bytes:
        return json.dumps(
            {
                "node": endpoint.node,
                "nodes": sorted(endpoint.nodes()),
                "ready": endpoint.is_ready,
            }
        )


async def connect() -> None:
    """Accept every client."""


endpoint = Endpoint(
    sockets={
        "/socket": Socket(
            connect=connect,
            channels={"room:*": Room, "plain:*": PlainRoom},
            max_channels=200,
            max_unsent=16_000_000,
        ),
        "/control": RawSocket(connect=connect, handler=Control, timeout=3_600),
    },
    hosts=["*"],
    check_origin=False,
)
