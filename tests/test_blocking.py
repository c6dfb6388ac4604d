"""How a thread has the event loop do something, and waits for it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from bennu import Channel, NotJoined, WrongThread, on, on_info
from bennu._blocking import blocking

from .support.clock import AUTOJUMP, running_loop, settle
from .support.memory import endpoint_of, ok, serve


@pytest.fixture
def anyio_backend() -> Any:
    return AUTOJUMP


async def test_the_loop_does_it_and_the_thread_gets_the_result() -> None:
    """The function runs in the loop's own thread, with the arguments."""
    loop = running_loop()
    threads: list[threading.Thread] = []

    async def add(*numbers: int) -> int:
        threads.append(threading.current_thread())
        await asyncio.sleep(0)
        return sum(numbers)

    assert await asyncio.to_thread(blocking, loop, "add", add, 1, 2, 3) == 6
    assert threads == [threading.main_thread()]


async def test_what_it_raises_is_raised_in_the_thread() -> None:
    """As if it had been called there."""

    async def fail() -> None:
        raise ZeroDivisionError("in the loop")

    with pytest.raises(ZeroDivisionError, match="in the loop"):
        await asyncio.to_thread(blocking, running_loop(), "fail", fail)


async def test_on_the_loop_it_would_wait_for_itself() -> None:
    """So it raises instead, names what was called, and says what to write."""

    async def push() -> None:
        raise AssertionError("it must not be called")

    with pytest.raises(WrongThread, match=r"sync\.push\(\.\.\.\) blocks.*await \.\.\.\.push"):
        blocking(running_loop(), "push", push)


class Threaded(Channel[Any]):
    """Everything that awaits has a twin for plain ``def`` handlers."""

    @on("all")
    def all(self, payload: dict[str, int]) -> None:
        sync = self.sync
        sync.push("push", payload)
        sync.broadcast("broadcast", payload)
        sync.broadcast_from("broadcast_from", payload)
        sync.local_broadcast("local_broadcast", payload)
        sync.local_broadcast_from("local_broadcast_from", payload)
        sync.push("bare")
        sync.reply(self.ref(), {"b": 2})
        sync.reply(self.ref())

    @on("on_the_loop")
    async def on_the_loop(self) -> str:
        with pytest.raises(WrongThread) as caught:
            self.sync.push("push", {})
        return str(caught.value)


async def test_a_plain_handler_uses_the_twins() -> None:
    """Frames come in the order in which it said them, though each turn of the loop is its own."""
    async with serve(endpoint_of({"room": Threaded})) as server:
        client, other = await server.connect(), await server.connect()
        await client.join("room")
        await other.join("room")
        client.push("room", "all", {"a": 1})
        await client.expect(
            ("1", None, "room", "push", {"a": 1}),
            (None, None, "room", "broadcast", {"a": 1}),
            (None, None, "room", "local_broadcast", {"a": 1}),
            ("1", None, "room", "bare", {}),
            ("1", "2", "room", "phx_reply", ok({"b": 2})),
            ("1", "2", "room", "phx_reply", ok()),
        )
        await other.expect(
            *(
                (None, None, "room", event, {"a": 1})
                for event in (
                    *("broadcast", "broadcast_from"),
                    *("local_broadcast", "local_broadcast_from"),
                )
            )
        )


async def test_an_async_handler_that_uses_a_twin_is_told() -> None:
    """Instead of a deadlock."""
    async with serve(endpoint_of({"room": Threaded})) as server:
        client = await server.connect()
        await client.join("room")
        reply = await client.call("room", "on_the_loop")
        assert "await" in reply["response"]


async def test_a_ref_can_be_answered_from_any_thread_and_a_message_sent_to_the_channel() -> None:
    """Also from one that is no handler's."""
    heard: list[Any] = []

    class Room(Channel[Any]):
        @on("later")
        async def later(self) -> None:
            ref = self.ref()
            await asyncio.to_thread(self.sync.reply, ref, {"from": "a thread"})
            await asyncio.to_thread(self.sync.send_self, "hello")

        @on_info(str)
        async def hear(self, message: str) -> None:
            heard.append(message)

    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect()
        await client.join("room")
        assert await client.call("room", "later") == ok({"from": "a thread"})
        await settle()
        assert heard == ["hello"]


async def test_what_a_channel_may_not_do_is_an_error_in_the_thread_too() -> None:
    """A join in a thread can't push yet."""
    raised: list[Exception] = []

    class Early(Channel[Any]):
        def join(self) -> None:
            with pytest.raises(NotJoined) as caught:
                self.sync.push("push", {})
            raised.append(caught.value)

    async with serve(endpoint_of({"room": Early})) as server:
        client = await server.connect()
        assert await client.join("room") == ok()
    assert len(raised) == 1
