"""Plain ``def`` handlers: each runs in a worker thread, and the order is the same."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from msgspec import Struct

from bennu import Channel, Refused, Stop, on, on_info, on_out

from .support.clock import AUTOJUMP, running_loop
from .support.memory import endpoint_of, error, ok, serve


@pytest.fixture
def anyio_backend() -> Any:
    return AUTOJUMP


CRASH = {"reason": "channel_crash"}


class Point(Struct):
    x: int
    y: int


async def test_every_hook_and_handler_may_be_a_plain_function() -> None:
    """Each runs in a worker thread; the order is the same, and so are replies and errors."""
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
            ("2", "2", "room", "phx_reply", ok({"n": 5})),
            ("2", None, "room", "welcome", {"n": 5}),
            ("2", None, "room", "out", {"n": 1}),
        )
        assert await client.call("room", "double", {"x": 4, "y": 0}) == ok({"x": 8})
        assert await client.call("room", "refuse") == error("no")
        client.push("room", "bye")
        await client.expect(
            ("2", "5", "room", "phx_reply", ok("bye")), ("2", "2", "room", "phx_close", {})
        )
    assert ran == [
        (name, False)
        for name in (
            *("join", "join", "after_join", "on_info", "on_out", "on", "handle_in"),
            "terminate normal",
        )
    ]


async def test_a_plain_handler_that_raises_ends_its_channel_alone() -> None:
    """As an async one does."""

    class Room(Channel[Any]):
        @on("crash")
        def crash(self) -> None:
            raise ZeroDivisionError("in a thread")

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "crash")
        await client.expect(("1", "1", "room", "phx_error", CRASH))
        assert server.logged("crashed in crash").exc_info is not None


async def test_a_plain_handler_holds_up_its_own_channel_alone() -> None:
    """While it waits in its thread, the other channels of that client go on."""
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
        loop.waits_for_threads = False
        assert await client.call("room:2", "quick") == ok("quick")
        loop.waits_for_threads = True
        go_on.set()
        await client.expect(
            ("1", "3", "room:1", "phx_reply", ok("waited")),
            ("1", "4", "room:1", "phx_reply", ok("quick")),
        )
