"""Calls of async functions on the event loop from another thread."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from bennu import Channel, NotJoined, NotStarted, WrongThread, on, on_info
from bennu.loop.blocking import blocking
from bennu.testing.clock import running_loop, settle

from ..support.frames import broadcast, ok, push, reply
from ..support.memory import endpoint_of, serve


async def test_the_loop_does_it_and_the_thread_gets_the_result() -> None:
    """The function runs in the event loop's thread, with the arguments, and the caller gets the result."""
    loop = running_loop()
    threads: list[threading.Thread] = []

    async def add(*numbers: int) -> int:
        threads.append(threading.current_thread())
        await asyncio.sleep(0)
        return sum(numbers)

    assert await asyncio.to_thread(blocking, loop, "add", add, 1, 2, 3) == 6
    assert threads == [threading.main_thread()]


async def test_what_it_raises_is_raised_in_the_thread() -> None:
    """The caller gets the function's exception."""

    async def fail() -> None:
        raise ZeroDivisionError("in the loop")

    with pytest.raises(ZeroDivisionError, match="in the loop"):
        await asyncio.to_thread(blocking, running_loop(), "fail", fail)


async def test_on_the_loop_it_would_wait_for_itself() -> None:
    """On the event loop the call raises an error that names the method, and says what to write."""

    async def push() -> None:
        raise AssertionError("it must not be called")

    with pytest.raises(WrongThread, match=r"sync\.push\(\.\.\.\) blocks.*await \.\.\.\.push"):
        blocking(running_loop(), "push", push)


class Threaded(Channel[Any]):
    """Uses the twin of each async method in plain ``def`` handlers."""

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
    """Frames are sent in the order of the calls, though each call has its own turn of the event loop."""
    async with serve(endpoint_of({"room": Threaded})) as server:
        client, other = await server.connect(), await server.connect()
        await client.join("room")
        await other.join("room")
        client.push("room", "all", {"a": 1})
        await client.expect(
            push("1", "room", "push", {"a": 1}),
            broadcast("room", "broadcast", {"a": 1}),
            broadcast("room", "local_broadcast", {"a": 1}),
            push("1", "room", "bare", {}),
            reply("1", "2", "room", ok({"b": 2})),
            reply("1", "2", "room", ok()),
        )
        await other.expect(
            *(
                broadcast("room", event, {"a": 1})
                for event in (
                    *("broadcast", "broadcast_from"),
                    *("local_broadcast", "local_broadcast_from"),
                )
            )
        )


async def test_an_async_handler_that_uses_a_twin_is_told() -> None:
    """An async handler that calls a twin gets an error. Else it would deadlock."""
    async with serve(endpoint_of({"room": Threaded})) as server:
        client = await server.connect()
        await client.join("room")
        reply = await client.call("room", "on_the_loop")
        assert "await" in reply["response"]


async def test_a_ref_can_be_answered_from_any_thread_and_a_message_sent_to_the_channel() -> None:
    """A ref can be answered from any thread, also from one that runs no handler."""
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
    """A join in a thread can't push yet, as on the event loop."""
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


# The end of the event loop.


def test_a_call_that_the_event_loop_does_not_finish_ends_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A call that the event loop does not finish raises an error, also if the call never began."""
    monkeypatch.setattr("bennu.loop.blocking.CHECK_INTERVAL", 0.01)
    loop = asyncio.new_event_loop()
    held, release, raised = threading.Event(), threading.Event(), list[str]()

    async def hold() -> None:
        await asyncio.Event().wait()

    def call() -> None:
        try:
            blocking(loop, "hold", hold)
        except NotStarted as error:
            raised.append(str(error))

    def stand_still() -> None:
        held.set()
        release.wait(30)
        loop.stop()

    runner = threading.Thread(target=loop.run_forever)
    loop.call_soon(stand_still)
    runner.start()
    assert held.wait(30)
    caller = threading.Thread(target=call)
    caller.start()
    release.set()
    runner.join(30)
    caller.join(30)
    loop.run_until_complete(_cancel_all(loop))
    loop.close()
    assert raised == ["sync.hold(...) was not finished, because the event loop ended"]


async def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    others = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def test_a_call_that_is_cancelled_ends_too() -> None:
    """A call that is cancelled raises an error. At the end of a server all tasks are cancelled."""

    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(NotStarted, match="was not finished"):
        await asyncio.to_thread(blocking, running_loop(), "cancelled", cancelled)


def test_an_event_loop_that_was_closed_just_now() -> None:
    loop = asyncio.new_event_loop()
    loop.close()

    async def never() -> None: ...

    with pytest.raises(NotStarted, match="was not finished"):
        blocking(loop, "never", never)
