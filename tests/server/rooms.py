"""Channels for the tests of connections."""

from __future__ import annotations

from typing import Any

from bennu import Channel, Ok, on
from tests.support.clock import work

__all__ = ["CHANNELS", "Room", "Slow", "Told", "ended"]

ended: list[tuple[str, Any]] = []
"""Topic and reason of each terminate that ran in this test."""


class Room(Channel[Any]):
    """A channel for most tests."""

    @on("echo")
    async def echo(self, payload: Any) -> Any:
        return Ok(payload)

    @on("shout")
    async def shout(self, payload: Any) -> None:
        await self.broadcast("shout", payload)

    @on("tell")
    async def tell(self, payload: Any) -> None:
        await self.push("tell", payload)

    async def terminate(self, reason: Any) -> None:
        ended.append((self.topic, reason))


class Slow(Channel[Any]):
    """A channel whose join takes 3 s."""

    async def join(self) -> None:
        await work(3)


CHANNELS = {"room:*": Room, "slow:*": Slow}


class Told(Channel[Any]):
    """A channel that records the reasons for terminate, and pushes "bye" there."""

    reasons: tuple[Any, ...] = ()

    async def terminate(self, reason: Any) -> None:
        type(self).reasons = (*type(self).reasons, reason)
        await self.push("bye", {})
