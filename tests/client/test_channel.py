"""What a channel does, by the tests of phoenix.js (assets/test/channel_test.js), against a server that is played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import Struct

from bennu import EncodeError, NotJoined, ReservedEvent
from bennu.client import (
    ChannelClosed,
    ChannelState,
    Client,
    InvalidPayload,
    JoinRefused,
    JoinTimeout,
    PushLost,
    PushRefused,
    PushTimeout,
    RemoteChannel,
)
from bennu.errors import DecodeError
from bennu.testing.clock import advance, settle

from .played import PlayedServer, is_in


@pytest.fixture
async def server() -> PlayedServer:
    return PlayedServer()


@pytest.fixture
async def client(server: PlayedServer) -> AsyncIterator[Client]:
    async with server.client() as client:
        yield client


async def joined(client: Client, server: PlayedServer, topic: str = "room") -> RemoteChannel:
    room = client.channel(topic)
    join = room.join()
    await server.accept()
    await join
    return room


# Join.


async def test_a_join_sends_the_params_and_its_own_ref(
    client: Client, server: PlayedServer
) -> None:
    room = client.channel("room", {"one": "two"})
    assert (room.state, room.topic, server.sent) == (ChannelState.CLOSED, "room", [])
    join = room.join()
    assert is_in(room, ChannelState.JOINING)
    [sent] = server.sent
    assert tuple(sent) == (sent.ref, sent.ref, "room", "phx_join", {"one": "two"})
    await server.accept({"a": 1})
    assert await join == {"a": 1}
    assert await join == {"a": 1}
    assert (room.state, room.is_joined, room.join_ref) == (ChannelState.JOINED, True, sent.ref)


async def test_params_can_be_a_function_that_is_called_for_each_join(
    client: Client, server: PlayedServer
) -> None:
    tokens = iter(["first", "second"])
    room = client.channel("room", lambda: {"token": next(tokens)})
    _ = room.join()
    assert server.last("phx_join").payload == {"token": "first"}
    server.now.end()
    await advance(0.1)
    assert server.last("phx_join").payload == {"token": "second"}


async def test_params_that_raise_are_the_result_of_the_join(
    client: Client, server: PlayedServer, caplog: pytest.LogCaptureFixture
) -> None:
    def params() -> dict[str, Any]:
        raise ValueError("no token")

    room = client.channel("room", params)
    with pytest.raises(ValueError, match="no token"):
        await room.join()
    assert is_in(room, ChannelState.ERRORED)
    assert "The parameters of the join of 'room' failed" in caplog.text


async def test_a_channel_is_joined_once(client: Client, server: PlayedServer) -> None:
    room = await joined(client, server)
    with pytest.raises(NotJoined, match="a channel joins again by itself"):
        _ = room.join()


async def test_a_join_leaves_another_channel_of_the_topic(
    client: Client, server: PlayedServer
) -> None:
    first = await joined(client, server)
    old = first.join_ref
    second = client.channel("room")
    _ = second.join()
    assert [(one.join_ref, one.event) for one in server.sent[1:]] == [
        (old, "phx_leave"),
        (second.join_ref, "phx_join"),
    ]
    assert is_in(first, ChannelState.LEAVING)
    server.reply(server.last("phx_leave"))
    await settle()
    assert is_in(first, ChannelState.CLOSED)
    await server.accept()
    assert second.is_joined


async def test_a_refused_join_says_why_and_is_tried_again(
    client: Client, server: PlayedServer
) -> None:
    """After 1, 2, 5 and then each 10 s, until a join succeeds; then the waits begin anew."""
    room = client.channel("room")
    errors: list[Any] = []
    room.on_error(errors.append)
    join = room.join()
    await server.accept({"reason": "full"}, "error")
    with pytest.raises(JoinRefused, match="the join of room was refused") as caught:
        await join
    assert (caught.value.reason, caught.value.topic) == ("full", "room")
    assert errors == [{"reason": "full"}]
    for wait in (1, 2, 5, 10, 10):
        assert is_in(room, ChannelState.ERRORED)
        count = len(server.sent)
        await advance(wait - 0.001)
        assert len(server.sent) == count
        await advance(0.001)
        assert len(server.sent) == count + 1
        await server.accept({}, "error")
    await advance(10)
    await server.accept()
    assert room.is_joined
    server.now.play(None, None, "room", "phx_error", {})
    await advance(1)
    assert is_in(room, ChannelState.JOINING)


async def test_a_refusal_can_say_how_long_to_wait(client: Client, server: PlayedServer) -> None:
    room = client.channel("room")
    _ = room.join()
    await server.accept({"reason": "rate_limited", "retry_after_ms": 4000}, "error")
    await advance(3.9)
    assert is_in(room, ChannelState.ERRORED)
    await advance(0.2)
    assert is_in(room, ChannelState.JOINING)


async def test_a_join_can_be_tried_only_once(client: Client, server: PlayedServer) -> None:
    room = client.channel("room")
    join = room.join(retry=False)
    await server.accept({"reason": "full"}, "error")
    with pytest.raises(JoinRefused):
        await join
    assert is_in(room, ChannelState.CLOSED)
    await advance(60)
    assert len(server.sent) == 1


async def test_a_join_without_an_answer_times_out_is_taken_back_and_tried_again(
    client: Client, server: PlayedServer
) -> None:
    room = client.channel("room")
    join = room.join(timeout=3)
    [sent] = server.sent
    await advance(3)
    with pytest.raises(JoinTimeout, match="not answered within 3 s: the server has not replied"):
        await join
    assert server.sent[1][:1] + server.sent[1][2:4] == (sent.ref, "room", "phx_leave")
    assert is_in(room, ChannelState.ERRORED)
    server.reply(sent)  # late
    await settle()
    assert is_in(room, ChannelState.ERRORED)
    await advance(1)
    again = server.last("phx_join")
    assert again.ref != sent.ref
    server.reply(sent)  # very late
    await settle()
    assert is_in(room, ChannelState.JOINING)
    await server.accept()
    assert room.is_joined


async def test_a_join_waits_for_the_connection() -> None:
    """A join without a connection is sent once, when the connection opens."""
    server = PlayedServer()
    async with server.client() as client:
        server.now.end()
        await settle()
        room = client.channel("room")
        join = room.join()
        assert is_in(room, ChannelState.JOINING)
        await advance(0.01)
        assert [one.event for one in server.sent] == ["phx_join"]
        await server.accept()
        await join


async def test_a_join_without_a_connection_times_out_too(server: PlayedServer) -> None:
    async with server.client(timeout=3) as client:
        server.failures.extend([OSError("down")] * 100)
        server.now.end()
        await settle()
        join = client.channel("room").join()
        await advance(3)
        with pytest.raises(JoinTimeout, match="there is no connection"):
            await join


class Joined(Struct):
    title: str


async def test_the_response_can_have_a_type(client: Client, server: PlayedServer) -> None:
    room = client.channel("room")
    join = room.join(Joined)
    await server.accept({"title": "Lobby"})
    assert await join == Joined("Lobby")
    other = client.channel("other").join(Joined)
    await server.accept({"title": 7})
    with pytest.raises(InvalidPayload, match="title"):
        await other


# Errors and closes.


async def test_an_error_of_the_server_is_told_and_the_channel_joins_again(
    client: Client, server: PlayedServer
) -> None:
    room = await joined(client, server)
    errors: list[Any] = []
    room.on_error(errors.append)
    server.now.play(room.join_ref, room.join_ref, "room", "phx_error", {"reason": "channel_crash"})
    server.now.play(None, None, "room", "phx_error", {"reason": "again"})
    await settle()
    assert (room.state, errors) == (ChannelState.ERRORED, [{"reason": "channel_crash"}])
    await advance(1)
    await server.accept()
    assert room.is_joined


async def test_a_close_of_the_server_is_the_end(client: Client, server: PlayedServer) -> None:
    room = await joined(client, server)
    closes: list[str] = []
    room.on_close(lambda: closes.append("closed"))
    server.now.play(room.join_ref, room.join_ref, "room", "phx_close", {})
    await advance(60)
    assert (room.state, closes) == (ChannelState.CLOSED, ["closed"])
    assert [one.event for one in server.sent] == ["phx_join"]
    with pytest.raises(ChannelClosed, match="make a new one"):
        _ = room.push("event")


async def test_a_lost_connection_is_told_to_its_channels(
    client: Client, server: PlayedServer
) -> None:
    room = await joined(client, server)
    errors: list[Any] = []
    room.on_error(errors.append)
    server.now.end()
    await settle()
    assert errors == [{"source": "transport", "reason": "connection_closed"}]
    await advance(0.01)
    await server.accept()
    assert room.is_joined
    assert server.sent[0].event == "phx_join"


async def test_messages_of_a_former_join_are_dropped(client: Client, server: PlayedServer) -> None:
    room = await joined(client, server)
    got: list[Any] = []
    room.on("event", got.append)
    server.now.play("old", None, "room", "event", 1)
    server.now.play(None, None, "room", "event", 2)
    server.now.play("", None, "room", "event", 3)
    server.now.play(room.join_ref, None, "room", "event", 4)
    server.now.play("old", "old", "room", "phx_close", {})
    server.now.play(None, None, "other", "event", 5)
    await settle()
    assert got == [2, 3, 4]
    assert room.is_joined


# Pushes.


async def test_a_push_is_sent_by_the_call(client: Client, server: PlayedServer) -> None:
    room = await joined(client, server)
    push = room.push("new", {"body": "Hi"})
    sent = server.sent[-1]
    assert tuple(sent) == (room.join_ref, sent.ref, "room", "new", {"body": "Hi"})
    assert not push.is_done
    server.reply(sent, {"id": 7})
    assert await push == {"id": 7}


async def test_pushes_wait_for_the_join_in_order(client: Client, server: PlayedServer) -> None:
    room = client.channel("room")
    _ = room.join()
    pushes = [room.push("one"), room.push("two", b"\1")]
    assert [one.event for one in server.sent] == ["phx_join"]
    await server.accept()
    assert [one.event for one in server.sent] == ["phx_join", "one"]
    assert server.now.binary[0].endswith(b"roomtwo\1")
    server.reply(server.sent[-1], {"n": 1})
    assert await pushes[0] == {"n": 1}


async def test_a_push_that_waited_too_long_is_not_sent(
    client: Client, server: PlayedServer
) -> None:
    room = client.channel("room")
    _ = room.join(timeout=60)
    push = room.push("event", timeout=2)
    await advance(2)
    with pytest.raises(PushTimeout, match="the channel was not joined") as caught:
        await push
    assert not caught.value.was_sent
    await server.accept()
    assert [one.event for one in server.sent] == ["phx_join"]


async def test_a_push_without_a_reply_times_out(client: Client, server: PlayedServer) -> None:
    room = await joined(client, server)
    push, short = room.push("event"), room.push("event", timeout=1)
    await advance(1)
    assert short.is_done
    assert not push.is_done
    await advance(9)
    with pytest.raises(PushTimeout, match="within 10 s: the server has not replied") as caught:
        await push
    assert caught.value.was_sent
    server.reply(server.sent[-1])  # late
    await settle()


async def test_only_the_first_reply_counts(client: Client, server: PlayedServer) -> None:
    room = await joined(client, server)
    push = room.push("event")
    server.reply(server.sent[-1], 1)
    server.reply(server.sent[-1], 2)
    await settle()
    assert await push == 1


async def test_another_status_than_ok_is_raised(client: Client, server: PlayedServer) -> None:
    room = await joined(client, server)
    push = room.push("event")
    server.reply(server.sent[-1], {"reason": "taken", "by": "ann"}, "error")
    with pytest.raises(PushRefused, match="answered with error") as caught:
        await push
    error = caught.value
    assert (error.status, error.reason, error.response) == (
        "error",
        "taken",
        {"reason": "taken", "by": "ann"},
    )
    other = room.push("event")
    server.reply(server.sent[-1], "text", "queued")
    with pytest.raises(PushRefused) as caught:
        await other
    assert (caught.value.status, caught.value.reason, caught.value.response) == (
        "queued",
        None,
        "text",
    )


async def test_a_push_before_the_join_is_a_mistake(client: Client) -> None:
    with pytest.raises(NotJoined, match=r"write `await room\.join\(\)` before"):
        _ = client.channel("room").push("event")


async def test_a_reserved_event_is_a_mistake(client: Client, server: PlayedServer) -> None:
    room = await joined(client, server)
    with pytest.raises(ReservedEvent):
        _ = room.push("phx_leave")


async def test_a_push_is_lost_with_its_connection(client: Client, server: PlayedServer) -> None:
    room = await joined(client, server)
    push = room.push("event")
    server.now.end()
    with pytest.raises(PushLost, match="the push can have arrived") as caught:
        await push
    assert caught.value.was_sent
    held = room.push("held")
    await advance(0.01)
    await server.accept()
    server.reply(server.last("held"), {"ok": 1})
    assert await held == {"ok": 1}


async def test_several_tasks_can_wait_for_one_push(client: Client, server: PlayedServer) -> None:
    room = await joined(client, server)
    push = room.push("event")

    async def wait() -> Any:
        return await push

    tasks = [asyncio.create_task(wait()) for _ in range(3)]
    await settle()
    tasks[0].cancel()
    await settle()
    server.reply(server.sent[-1], 5)
    assert await asyncio.gather(*tasks[1:]) == [5, 5]
    assert tasks[0].cancelled()


async def test_bytes_that_waited_for_a_join_of_v1_are_the_error_of_their_push() -> None:
    """Only the push fails: the channel and the other pushes go on."""
    server = PlayedServer(vsn="1.0.0")
    async with server.client(vsn="1.0.0") as client:
        room = client.channel("room")
        _ = room.join()
        push, other = room.push("event", b"bytes"), room.push("other")
        await server.accept()
        with pytest.raises(EncodeError, match="has no binary frames"):
            await push
        with pytest.raises(EncodeError, match="has no binary frames"):
            _ = room.push("event", b"bytes")
        server.reply(server.last("other"), {"a": 1})
        assert await other == {"a": 1}


async def test_half_a_character_is_an_error_and_the_connection_goes_on(
    client: Client, server: PlayedServer
) -> None:
    room = await joined(client, server)
    errors: list[Exception] = []
    got: list[Any] = []
    client.on_error(errors.append)
    room.on("event", got.append)
    server.now.play_text(r'[null,null,"room","event",{"text":"\ud800"}]')
    server.now.play(None, None, "room", "event", 2)
    await settle()
    assert [type(error) for error in errors] == [DecodeError]
    assert got == [2]


# Leave.


async def test_a_leave_waits_for_its_answer(client: Client, server: PlayedServer) -> None:
    room = await joined(client, server)
    got: list[Any] = []
    closes: list[int] = []
    room.on("event", got.append)
    room.on_close(lambda: closes.append(1))
    leave = room.leave()
    assert is_in(room, ChannelState.LEAVING)
    sent = server.sent[-1]
    assert tuple(sent) == (room.join_ref, sent.ref, "room", "phx_leave", {})
    server.now.play(None, None, "room", "event", 1)
    await settle()
    assert (got, closes) == ([], [])
    server.reply(sent)
    await leave
    assert (room.state, closes) == (ChannelState.CLOSED, [1])
    await room.leave()
    assert len(server.sent) == 2


async def test_a_leave_without_an_answer_ends_in_time(client: Client, server: PlayedServer) -> None:
    room = await joined(client, server)
    leave = room.leave(timeout=2)
    await advance(2)
    assert leave.is_done
    assert is_in(room, ChannelState.CLOSED)


async def test_a_leave_during_the_join_takes_the_join_back(
    client: Client, server: PlayedServer
) -> None:
    room = client.channel("room")
    join = room.join()
    push = room.push("event")
    await room.leave()
    assert [one.event for one in server.sent] == ["phx_join", "phx_leave"]
    with pytest.raises(ChannelClosed, match="closed before it had joined"):
        await join
    with pytest.raises(PushLost, match="closed before the push was sent"):
        await push
    server.reply(server.sent[0])
    await advance(20)
    assert is_in(room, ChannelState.CLOSED)
