"""Plain ``def`` handlers: each runs in a worker thread, in the same order as async handlers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from bennu import Broadcast, Channel, Refused, Stop, WrongThread, on, on_info, on_out
from bennu.testing.clock import advance, running_loop

from .support.frames import PHX_REPLY, closed, crashed, error, ok, push, reply
from .support.memory import endpoint_of, serve
from .support.payloads import Point

CRASH = {"reason": "channel_crash"}


async def test_every_hook_and_handler_may_be_a_plain_function() -> None:
    """Each plain function runs in a worker thread. Order, replies and errors are as for async functions."""
    ran: list[tuple[str, bool]] = []

    def here(name: str) -> None:
        ran.append((name, threading.current_thread() is threading.main_thread()))

    class Room(Channel[Any]):
        def join(self, payload: dict[str, int]) -> Any:
            here("join")
            if "no" in payload:
                raise Refused("no")
            self.n = payload["n"]
            return {"n": self.n}

        def after_join(self) -> None:
            here("after_join")
            self.sync.push("welcome", {"n": self.n})
            self.sync.send_self(1)

        @on("double")
        def double(self, msg: Point) -> Any:
            here("on")
            return {"x": 2 * msg.x}

        @on("refuse")
        def refuse(self) -> None:
            raise Refused("no")

        @on_info(int)
        def info(self, n: int) -> None:
            here("on_info")
            self.sync.broadcast("out", {"n": n})

        @on_out("out")
        def out(self, payload: Any) -> None:
            here("on_out")
            self.sync.push("out", payload)

        def handle_in(self, event: str, payload: Any) -> Any:
            here("handle_in")
            raise Stop("normal", reply=event)

        def terminate(self, reason: Any) -> None:
            here(f"terminate {reason}")

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        assert await client.join("room", {"no": 1}) == error("no")
        client.start_join("room", {"n": 5})
        await client.expect(
            reply("2", "2", "room", ok({"n": 5})),
            push("2", "room", "welcome", {"n": 5}),
            push("2", "room", "out", {"n": 1}),
        )
        assert await client.call("room", "double", {"x": 4, "y": 0}) == ok({"x": 8})
        assert await client.call("room", "refuse") == error("no")
        client.push("room", "bye")
        await client.expect(reply("2", "5", "room", ok("bye")), closed("2", "room"))
    assert ran == [
        (name, False)
        for name in (
            *("join", "join", "after_join", "on_info", "on_out", "on", "handle_in"),
            "terminate normal",
        )
    ]


async def test_a_plain_handler_that_raises_ends_its_channel_alone() -> None:
    """A plain handler that raises ends only its own channel, as an async handler does."""

    class Room(Channel[Any]):
        @on("crash")
        def crash(self) -> None:
            raise ZeroDivisionError("in a thread")

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "crash")
        await client.expect(crashed("1", "room"))
        assert server.logged("crashed in crash").exc_info is not None


async def test_a_plain_handler_holds_up_its_own_channel_alone() -> None:
    """While a plain handler waits in its thread, the other channels of its client continue."""
    began, go_on = asyncio.Event(), threading.Event()
    loop = running_loop()

    class Room(Channel[Any]):
        @on("wait")
        def wait(self) -> str:
            loop.call_soon_threadsafe(began.set)
            go_on.wait(timeout=30)
            return "waited"

        @on("quick")
        async def quick(self) -> str:
            return "quick"

    async with serve(endpoint_of({"room:*": Room})) as server:
        client = await server.connect()
        await client.join("room:1")
        await client.join("room:2")
        client.push("room:1", "wait")
        client.push("room:1", "quick")
        await began.wait()
        loop.clock.waits_for_threads = False
        assert await client.call("room:2", "quick") == ok("quick")
        loop.clock.waits_for_threads = True
        go_on.set()
        await client.expect(
            reply("1", "3", "room:1", ok("waited")),
            reply("1", "4", "room:1", ok("quick")),
        )


async def test_a_thread_starts_timers_tasks_and_subscriptions_through_sync() -> None:
    """Each async method has a blocking twin for threads. The object that a twin returns can be cancelled."""
    cancels: list[Any] = []

    class Room(Channel[Any]):
        @on("begin")
        def begin(self) -> Any:
            cancels.append(self.sync.send_every(5, 1))
            self.sync.send_after(1, 2)
            self.sync.subscribe("news")
            self.sync.start(self.work())
            return {}

        async def work(self) -> None:
            await self.push("working")

        @on("stop")
        def stop(self) -> Any:
            cancels.pop()()
            return {}

        @on_info(int)
        async def number(self, number: int) -> None:
            await self.push("number", {"n": number})

        @on_info(Broadcast)
        async def news(self, news: Broadcast) -> None:
            await self.push("news", news.payload)

    endpoint = endpoint_of({"room": Room})
    async with serve(endpoint) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "begin")
        got = [await client.receive(within=1), await client.receive(within=1)]
        assert sorted(frame.event for frame in got) == [PHX_REPLY, "working"]
        await client.expect(push("1", "room", "number", {"n": 2}), within=2)
        await client.expect(push("1", "room", "number", {"n": 1}), within=6)
        await endpoint.broadcast("news", "new", {"a": 1})
        await client.expect(push("1", "room", "news", {"a": 1}))
        assert await client.call("room", "stop", within=1) == ok({})
        await advance(60)
        await client.expect_nothing()


async def test_what_belongs_to_the_event_loop_says_so_in_a_thread() -> None:
    """An async method called in a worker thread raises an error with the name of its twin, without a warning."""
    said: list[str] = []

    class Room(Channel[Any]):
        @on("wrong")
        def wrong(self) -> Any:
            calls: list[Callable[[], object]] = [
                lambda: self.send_self(1),
                lambda: self.send_after(1, 1),
                lambda: self.send_every(1, 1),
                lambda: self.subscribe("news"),
                lambda: self.start(self.work()),
            ]
            for call in calls:
                with pytest.raises(WrongThread) as raised:
                    call()
                said.append(str(raised.value).partition("write ")[2])
            return {}

        async def work(self) -> None: ...

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        assert await client.call("room", "wrong", within=1) == ok({})
    names = ("send_self", "send_after", "send_every", "subscribe", "start")
    assert said == [f"self.sync.{name}(...)" for name in names]
