"""The node: rooms with history, in which clients say things."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any

from bennu import Channel, DropOldest, Endpoint, History, RawHandler, RawSocket, Socket, on

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


said = Counter[str]()
"""How often somebody has said something in each topic without history, on this node."""


class PlainRoom(Channel[None]):
    """The same without history. There is no reply."""

    @on("say")
    async def say(self, payload: dict[str, Any]) -> None:
        said[self.topic] += 1
        await self.broadcast("said", payload)

    @on("say_to_others")
    async def say_to_others(self, payload: dict[str, Any]) -> None:
        said[self.topic] += 1
        await self.broadcast_from("said", payload)


class SlowRoom(PlainRoom):
    """The same for clients that read slowly: they get the newest messages."""

    when_slow = DropOldest(max=5)


class Control(RawHandler[None]):
    """Answers the script."""

    async def receive(self, message: str | bytes) -> str | bytes:
        return json.dumps(
            {
                "node": endpoint.node,
                "nodes": sorted(endpoint.nodes()),
                "ready": endpoint.is_ready,
                "said": said,
                "accounts": endpoint.accounts(),
            }
        )


async def connect() -> None:
    """Accept every client."""


channels = {"room:*": Room, "plain:*": PlainRoom, "slow:*": PlainRoom}

endpoint = Endpoint(
    sockets={
        "/socket": Socket(
            connect=connect,
            channels=channels,
            max_channels=200,
            max_unsent=16_000_000,
        ),
        "/slow": Socket(
            connect=connect,
            channels={"slow:*": SlowRoom},
            max_unsent=500_000,
            max_frame_size=200_000,
        ),
        "/control": RawSocket(connect=connect, handler=Control, timeout=3_600),
    },
    hosts=["*"],
    check_origin=False,
)
