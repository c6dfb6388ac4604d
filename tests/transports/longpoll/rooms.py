"""Channels for clients that poll, and what they record."""

from __future__ import annotations

from typing import Any

from bennu import Channel, EncodeError, Ok, on, on_out
from tests.support.clock import work

__all__ = ["CHANNELS", "ended", "handled", "refused"]

ended: list[tuple[str, Any]] = []
handled: list[Any] = []
refused: list[Exception] = []


class Room(Channel[Any]):
    """The channel of most tests."""

    async def join(self, payload: dict[str, Any]) -> Any:
        return bytes(3) if payload.get("binary") else None

    @on("echo")
    async def echo(self, payload: Any) -> Any:
        return Ok(payload)

    @on("note")
    async def note(self, payload: Any) -> None:
        handled.append(payload)

    @on("tell")
    async def tell(self, payload: Any) -> None:
        await self.push("told", payload)

    @on("shout")
    async def shout(self, payload: Any) -> None:
        await self.broadcast("shout", payload)

    @on("bytes")
    async def bytes(self) -> Any:
        return bytes(3)

    @on("push_bytes")
    async def push_bytes(self) -> Any:
        try:
            await self.push("drawn", bytes(3))
        except EncodeError as problem:
            refused.append(problem)
        return {"still": "here"}

    @on("work")
    async def work(self, payload: dict[str, float]) -> None:
        await work(payload["seconds"])

    @on("crash")
    async def crash(self) -> None:
        raise RuntimeError("by intent")

    async def terminate(self, reason: Any) -> None:
        ended.append((self.topic, reason))


class Narrow(Room):
    """A channel with a small mailbox."""

    max_inbox = 2


class Slow(Channel[Any]):
    """A channel whose join takes the given time."""

    async def join(self, payload: dict[str, float]) -> None:
        await work(payload["seconds"])


class Greeting(Channel[Any]):
    """A channel that broadcasts and pushes once it has joined."""

    async def after_join(self) -> None:
        await self.broadcast("entered", {"who": "ann"})
        await self.push("joined", {"status": "connected"})


class Watching(Channel[Any]):
    """A channel that intercepts broadcasts."""

    @on_out("shout")
    async def shout(self, payload: Any) -> None:
        await self.push("heard", {**payload, "transport": self.connection.transport})


CHANNELS: dict[str, type[Channel[Any, Any]]] = {
    "room:*": Room,
    "narrow:*": Narrow,
    "slow:*": Slow,
    "greeting:*": Greeting,
    "watching:*": Watching,
}
