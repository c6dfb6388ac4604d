"""How an application gets the events of a channel: callbacks, plain and async, and iterators with a bounded buffer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from msgspec import Struct

from bennu import DefinitionError
from bennu.client import (
    Client,
    Event,
    EventsLost,
    EventStream,
    InvalidPayload,
    RemoteChannel,
)
from bennu.testing.clock import advance, settle
from tests.support.clock import work

from .played import PlayedServer


def _call(function: Callable[[Any], Any], payload: Any) -> Any:
    """Call a function, as a lambda around it does."""
    return function(payload)


class NewMsg(Struct):
    body: str


@dataclass
class Typing:
    who: str


@pytest.fixture
async def server() -> PlayedServer:
    return PlayedServer()


@pytest.fixture
async def client(server: PlayedServer) -> AsyncIterator[Client]:
    async with server.client() as client:
        yield client


async def joined(client: Client, server: PlayedServer) -> RemoteChannel:
    room = client.channel("room")
    join = room.join()
    await server.accept()
    await join
    return room


@pytest.fixture
async def room(client: Client, server: PlayedServer) -> RemoteChannel:
    """A channel that has joined."""
    return await joined(client, server)


def play(server: PlayedServer, event: str, *payloads: Any) -> None:
    for payload in payloads:
        server.now.play(None, None, "room", event, payload)


# Callbacks.


async def test_a_callback_gets_each_event_of_its_name(
    room: RemoteChannel, server: PlayedServer
) -> None:
    got: list[Any] = []
    room.on("event", lambda payload: got.append(("first", payload)))
    room.on("event", lambda payload: got.append(("second", payload)))
    room.on("other", lambda payload: got.append(("other", payload)))
    play(server, "event", {"n": 1}, 2)
    await settle()
    assert got == [("first", {"n": 1}), ("second", {"n": 1}), ("first", 2), ("second", 2)]


async def test_a_callback_can_be_cancelled_and_all_of_an_event(
    room: RemoteChannel, server: PlayedServer
) -> None:
    got: list[str] = []
    first = room.on("event", lambda _: got.append("first"))
    room.on("event", lambda _: got.append("second"))
    first.cancel()
    first.cancel()
    play(server, "event", 1)
    await settle()
    room.off("event")
    play(server, "event", 2)
    await settle()
    assert got == ["second"]


async def test_callbacks_may_change_the_callbacks_during_a_call(
    room: RemoteChannel, server: PlayedServer
) -> None:
    """Those that were registered when the event came are called."""
    got: list[str] = []

    def first(_: Any) -> None:
        got.append("first")
        binding.cancel()
        room.on("event", lambda _: got.append("third"))

    binding = room.on("event", first)
    room.on("event", lambda _: got.append("second"))
    play(server, "event", 1)
    await settle()
    assert got == ["first", "second"]
    play(server, "event", 2)
    await settle()
    assert got == ["first", "second", "second", "third"]


async def test_a_callback_gets_its_type(
    room: RemoteChannel, server: PlayedServer, caplog: pytest.LogCaptureFixture
) -> None:
    """What does not fit is logged, and the next event is passed on."""
    messages: list[NewMsg] = []
    typings: list[Typing] = []
    images: list[bytes] = []
    room.on("new", messages.append, payload=NewMsg)
    room.on("typing", typings.append, payload=Typing)
    room.on("image", images.append, payload=bytes)
    play(server, "new", {"body": 7}, {"body": "Hi"})
    play(server, "typing", {"who": "ann"})
    play(server, "image", {"no": "bytes"})
    server.now.play(b"\2\4\5roomimage\xff")
    server.now.play(b"\2\4\3roomnew\xff")
    await settle()
    assert (messages, typings, images) == ([NewMsg("Hi")], [Typing("ann")], [b"\xff"])
    assert caplog.text.count("InvalidPayload") >= 3


async def test_a_type_that_json_cannot_become_is_a_mistake(client: Client) -> None:
    with pytest.raises(DefinitionError, match="JSON can't become"):
        client.channel("room").on("event", print, payload=asyncio.Task)


async def test_a_callback_that_raises_is_logged_and_the_others_are_called(
    room: RemoteChannel, server: PlayedServer, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[Any] = []

    def broken(_: Any) -> None:
        raise ValueError("mine")

    room.on("event", broken)
    room.on("event", got.append)
    play(server, "event", 1)
    await settle()
    assert got == [1]
    assert "broken for 'event' failed" in caplog.text


async def test_async_callbacks_run_one_after_another_and_can_await_replies(
    room: RemoteChannel, server: PlayedServer
) -> None:
    log: list[Any] = []

    async def answer(payload: Any) -> None:
        log.append(("begin", payload))
        log.append(await room.push("answer", {"to": payload}))

    room.on("event", answer)
    play(server, "event", 1, 2)
    await settle()
    assert log == [("begin", 1)]
    server.reply(server.last("answer"), "one")
    await settle()
    assert log == [("begin", 1), "one", ("begin", 2)]
    server.reply(server.last("answer"), "two")
    await settle()
    assert log[-1] == "two"


async def test_a_plain_callback_can_return_a_coroutine(
    room: RemoteChannel, server: PlayedServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A lambda around an async function runs like the function."""
    got: list[Any] = []

    async def take(payload: Any) -> None:
        await work(1)
        got.append(payload)
        raise ValueError("mine")

    room.on("event", partial(_call, take))
    play(server, "event", 1, 2)
    await advance(2)
    assert got == [1, 2]
    assert "failed" in caplog.text


async def test_slow_async_callbacks_drop_what_is_too_much(
    server: PlayedServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with server.client(buffer=2) as client:
        room = await joined(client, server)
        got: list[Any] = []

        async def slow(payload: Any) -> None:
            await work(1)
            got.append(payload)

        room.on("event", slow)
        room.on("late", partial(_call, slow))
        play(server, "event", 1, 2, 3, 4, 5)
        await settle()
        play(server, "late", 6, 7)
        await advance(10)
        assert got == [1, 2, 6]
        assert room.dropped == 4
        assert "2 events wait for async callbacks" in caplog.text


async def test_what_runs_for_a_callback_ends_with_the_client(server: PlayedServer) -> None:
    ended: list[str] = []

    async def forever(_: Any) -> None:
        try:
            await work(1_000)
        finally:
            ended.append("ended")

    async with server.client() as client:
        room = await joined(client, server)
        room.on("event", forever)
        room.on("event", lambda _: forever(None))
        play(server, "event", 1, 2)
        await settle()
    assert ended == ["ended"]


async def test_an_async_callback_can_close_the_client(server: PlayedServer) -> None:
    async with server.client() as client:
        room = await joined(client, server)

        async def stop(_: Any) -> None:
            await client.close()

        room.on("event", stop)
        play(server, "event", 1)
        await settle()
        assert not client.is_open


# Iterators.


async def test_a_room_can_be_iterated_from_the_join_on(
    room: RemoteChannel, server: PlayedServer
) -> None:
    """Nothing is missed between the reply to the join and the loop, if there are no callbacks."""
    play(server, "event", {"n": 1})
    await settle()
    server.now.play(room.join_ref, "7:e", "room", "entry", {"n": 2})
    server.now.play(b"\2\4\3roombin\xff")
    await settle()
    _ = room.leave()
    server.reply(server.last("phx_leave"))
    got = [event async for event in room]
    assert got == [
        Event("event", {"n": 1}, None),
        Event("entry", {"n": 2}, "7:e"),
        Event("bin", b"\xff", None),
    ]
    assert [event async for event in room] == []


async def test_each_iterator_gets_all_events_from_its_making_on(
    room: RemoteChannel, server: PlayedServer
) -> None:
    first, second = room.events("event"), room.events("event", NewMsg)
    play(server, "event", {"body": "a"})
    play(server, "other", {"body": "b"})
    await settle()
    third = aiter(room)
    play(server, "event", {"body": "c"})
    assert [await anext(first), await anext(first)] == [{"body": "a"}, {"body": "c"}]
    assert [await anext(second), await anext(second)] == [NewMsg("a"), NewMsg("c")]
    assert (await anext(third)).payload == {"body": "c"}


async def test_an_iterator_goes_on_through_a_lost_connection(
    room: RemoteChannel, server: PlayedServer
) -> None:
    events = room.events("event")
    play(server, "event", 1)
    assert await anext(events) == 1
    server.now.end()
    await advance(0.1)
    await server.accept()
    play(server, "event", 2)
    assert await anext(events) == 2


async def test_an_iterator_ends_when_the_server_closes_the_channel(
    room: RemoteChannel, server: PlayedServer
) -> None:
    events = room.events("event")
    waiting = asyncio.create_task(anext(events, None))
    other = asyncio.create_task(anext(events, None))
    await settle()
    server.now.play(room.join_ref, room.join_ref, "room", "phx_close", {})
    assert await waiting is None
    assert await other is None
    assert [one async for one in room.events("event")] == []


async def test_a_payload_that_does_not_fit_is_raised_in_its_place(
    room: RemoteChannel, server: PlayedServer
) -> None:
    events = room.events("new", NewMsg)
    play(server, "new", {"body": 7}, {"body": "Hi"})
    with pytest.raises(InvalidPayload, match="body"):
        await anext(events)
    assert await anext(events) == NewMsg("Hi")


async def test_a_full_buffer_raises_in_the_place_of_what_was_dropped(
    room: RemoteChannel, server: PlayedServer
) -> None:
    events = room.events("event", buffer=2)
    play(server, "event", 1, 2, 3, 4)
    await settle()
    assert await anext(events) == 1
    play(server, "event", 5)
    await settle()
    assert await anext(events) == 2
    with pytest.raises(EventsLost, match="2 events were dropped, because 2 others waited") as lost:
        await anext(events)
    assert lost.value.count == events.dropped == 2
    assert await anext(events) == 5
    play(server, "event", 6, 7, 8)
    await settle()
    assert [await anext(events), await anext(events)] == [6, 7]
    with pytest.raises(EventsLost):
        await anext(events)


async def test_a_full_buffer_can_drop_the_oldest(room: RemoteChannel, server: PlayedServer) -> None:
    events = room.events("event", buffer=2, overflow="drop_oldest")
    play(server, "event", 1, 2, 3, 4)
    await settle()
    assert [await anext(events), await anext(events)] == [3, 4]
    assert events.dropped == 2


async def test_an_iterator_that_is_forgotten_holds_nothing(
    room: RemoteChannel, server: PlayedServer
) -> None:
    events: EventStream[Any] | None = room.events("event")
    assert events is not None
    play(server, "event", 1)
    assert await anext(events) == 1
    events = None
    play(server, "event", 2)
    await settle()
    assert room.dropped == 0


@pytest.mark.parametrize(
    "is_at_once", [True, False], ids=["before its event", "as its event comes"]
)
async def test_a_waiter_that_is_cancelled_leaves_its_event_to_another(
    client: Client, room: RemoteChannel, server: PlayedServer, is_at_once: bool
) -> None:
    events = room.events("event")
    first = asyncio.create_task(anext(events, None))
    second = asyncio.create_task(anext(events, None))
    await settle()
    if is_at_once:
        first.cancel()
    else:
        client.on_message(lambda _: first.cancel())  # after the channels
    play(server, "event", 1)
    assert await second == 1
    assert first.cancelled()
