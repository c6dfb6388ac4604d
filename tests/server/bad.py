"""Channels that misbehave in every place and in every way, and a second client that must not be disturbed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Literal

import pytest

from bennu import Channel, on, on_info, on_out
from bennu.testing.clock import running_loop, settle

from ..support.memory import Client, Over, Server, endpoint_of, ok, serve

__all__ = [
    "LOST",
    "REASONS",
    "Bad",
    "End",
    "How",
    "Scene",
    "assert_all_is_over",
    "killed_coroutines",
    "misbehave",
    "scene",
]

How = Literal["raises", "hangs", "ignores", "catches_all"]
End = Literal["leave", "vanish", "close", "disconnect", "rejoin", "stop"]


async def misbehave(how: How) -> None:
    """Raise, wait for ever, ignore a cancellation, or misbehave in another way."""
    if how == "raises":
        raise ZeroDivisionError("a bad handler")
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if how == "hangs":
                raise
        except BaseException:
            if how == "ignores":
                raise


class Bad(Channel[Any]):
    """A channel that misbehaves in one place, in one way."""

    place: ClassVar[str]
    how: ClassVar[How]
    reasons: ClassVar[list[Any]]

    async def misbehave_in(self, place: str) -> None:
        if place == self.place:
            await misbehave(self.how)

    async def join(self) -> None:
        await self.misbehave_in("join")

    async def after_join(self) -> None:
        if self.place == "task":
            _ = self.start(self.misbehave_in("task"))
        if self.place == "on_info":
            self.send_self(1)
        await self.misbehave_in("after_join")

    @on("event")
    async def event(self) -> str:
        await self.misbehave_in("handler")
        return "well"

    @on("crash")
    async def crash(self) -> None:
        raise LookupError

    @on_info(int)
    async def number(self, number: int) -> None:
        await self.misbehave_in("on_info")

    @on_out("out")
    async def out(self, payload: Any) -> None:
        await self.misbehave_in("on_out")

    async def terminate(self, reason: Any) -> None:
        self.reasons.append(reason)
        await self.misbehave_in("terminate")


class Well(Channel[Any]):
    """The channel of the second client."""

    @on("echo")
    async def echo(self, payload: Any) -> Any:
        return payload


class Scene:
    """A client of a bad channel, and a second client that must not be disturbed."""

    def __init__(self, server: Server, client: Client, other: Client, bad: type[Bad]) -> None:
        self.server = server
        self.client = client
        self.other = other
        self.bad = bad
        self.began = running_loop().time()

    async def end(self, how: End) -> None:
        """End the channel in one way, without waiting."""
        if how == "leave":
            self.client.leave("bad")
        elif how == "vanish":
            self.client.vanish()
        elif how == "close":
            self.client.close()
        elif how == "disconnect":
            await self.server.endpoint.disconnect("ann")
        elif how == "rejoin":
            self.client.start_join("bad")
        await settle()
        self.began = running_loop().time()
        if how == "stop":
            await self.server.endpoint.stop()

    def took(self) -> float:
        """Return the virtual seconds since the end was requested."""
        return running_loop().time() - self.began


@asynccontextmanager
async def scene(place: str, how: How, over: Over = "native") -> AsyncIterator[Scene]:
    """Connect the client, and the second client."""
    bad: type[Bad] = type("Bad", (Bad,), {"place": place, "how": how})
    bad.reasons = []
    endpoint = endpoint_of({"bad": bad, "well": Well})
    async with serve(endpoint) as server:
        client = await server.connect(params={"name": "ann"}, over=over)
        other = await server.connect(over=over)
        await other.join("well")
        yield Scene(server, client, other, bad)
        if server.endpoint.is_started:
            assert await other.call("well", "echo", {"a": 1}) == ok({"a": 1})
            await other.expect_nothing()


LOST: tuple[End, ...] = ("vanish", "close", "disconnect", "stop")
REASONS = {"vanish": "closed", "close": "closed", "disconnect": "disconnected", "stop": "shutdown"}

# A coroutine that was killed and goes on awaiting ends when it is collected; CPython has its say then.
killed_coroutines = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <coroutine object misbehave:pytest.PytestUnraisableExceptionWarning"
)


async def assert_all_is_over(s: Scene) -> None:
    """Check that no task of the bad channel is left. The second client can have tasks."""
    names = [str(task.get_coro()) for task in asyncio.all_tasks()]
    running = [name for name in names if "ChannelServer" in name or "misbehave" in name]
    assert len(running) == (1 if s.server.endpoint.is_started else 0), running
