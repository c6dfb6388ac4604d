"""The events that the clients of an endpoint make, in their order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bennu import Channel, Endpoint, History, Refused, Socket, Stop, on
from bennu.errors import EncodeError
from bennu.telemetry import (
    BroadcastFannedOut,
    BroadcastSent,
    ChannelEnded,
    ChannelHandledIn,
    ChannelJoined,
    MessageRefused,
    PushSent,
    ReplySent,
    SocketClosed,
    SocketConnected,
    StoreCalled,
)
from bennu.testing import TestChannel, connect
from bennu.testing.clock import advance, settle
from bennu.testing.shared_store import SharedStore

from ..support.frames import encode_v2, ok, reply


class Room(Channel[None]):
    """A room in which a client can do everything."""

    @on("say")
    async def say(self) -> str:
        await self.broadcast("said")
        return "said it"

    @on("say_to_others")
    async def say_to_others(self) -> None:
        await self.broadcast_from("said")

    @on("whisper")
    async def whisper(self) -> None:
        await self.push("told")

    @on("shout")
    async def shout(self) -> None:
        raise Refused("too_loud")

    @on("stop")
    async def stop(self) -> None:
        raise Stop

    @on("crash")
    async def crash(self) -> None:
        raise ValueError("crashed")


class Kept(Channel[None]):
    """A room with history."""

    history = History(size=10)


def make_endpoint(**options: Any) -> Endpoint:
    channels: dict[str, type[Channel[Any, Any]]] = {"room:*": Room, "kept:*": Kept}
    socket = Socket(connect=lambda: None, channels=channels, longpoll=True, **options)
    return Endpoint(sockets={"/socket": socket}, store=SharedStore())


def listen(endpoint: Endpoint, *kinds: type[Any]) -> list[Any]:
    """Return a list that gets the events of some classes, or of all."""
    heard: list[Any] = []
    endpoint.telemetry.attach(heard.append, *kinds)
    return heard


async def test_a_client_that_talks_and_leaves() -> None:
    """Each step is one event, in the order in which the steps happen."""
    endpoint = make_endpoint()
    heard = listen(endpoint)
    async with connect(endpoint, "/socket") as ann:
        room = await ann.join("room:1")
        await room.push("say")
        room.push("whisper")
        await room.assert_pushes("said", "told")
        await room.leave()
    assert [type(event) for event in heard] == [
        *(SocketConnected, ReplySent),  # the reply to a heartbeat
        *(ChannelJoined, ReplySent),
        *(BroadcastSent, BroadcastFannedOut, ChannelHandledIn, ReplySent),
        *(PushSent, ChannelHandledIn),
        *(ChannelEnded, ReplySent),
        SocketClosed,
    ]


async def test_a_broadcast_is_due_to_each_member_and_delivered_to_all_but_the_sender() -> None:
    endpoint = make_endpoint()
    heard = listen(endpoint, BroadcastSent, BroadcastFannedOut)
    async with connect(endpoint, "/socket") as ann, connect(endpoint, "/socket", vsn="1.0.0") as bo:
        room, other = await ann.join("room:1"), await bo.join("room:1")
        room.push("say_to_others")
        await other.assert_push("said")
        await endpoint.local_broadcast("room:1", "news", {})
        await room.assert_push("news")
    sent, fanned, news, all_got = heard
    assert sent == BroadcastSent("room:1", "said", "all")
    assert (fanned.event, fanned.due, fanned.delivered, fanned.lanes) == ("said", 2, 1, 2)
    assert news == BroadcastSent("room:1", "news", "local")
    assert (all_got.due, all_got.delivered) == (2, 2)
    assert all_got.duration > 0


async def test_a_broadcast_to_nobody_has_no_fan_out() -> None:
    endpoint = make_endpoint()
    heard = listen(endpoint, BroadcastSent, BroadcastFannedOut)
    async with connect(endpoint, "/socket"):
        await endpoint.broadcast("room:1", "news", {})
    assert heard == [BroadcastSent("room:1", "news", "all")]


@pytest.mark.parametrize(
    ("event", "end", "gone"),
    [
        ("stop", "stopped", TestChannel.assert_closed),
        ("crash", "failed", TestChannel.assert_crashed),
    ],
)
async def test_a_channel_that_ends_by_itself(
    event: str, end: str, gone: Callable[[TestChannel], Awaitable[object]]
) -> None:
    endpoint = make_endpoint()
    heard = listen(endpoint, ChannelEnded)
    async with connect(endpoint, "/socket") as ann:
        room = await ann.join("room:1")
        await advance(60)
        room.push(event)
        await gone(room)
    [ended] = heard
    assert (ended.topic, ended.channel, ended.end) == ("room:1", "Room", end)
    assert 60 <= ended.duration < 61


async def test_a_channel_that_is_joined_again_was_replaced() -> None:
    endpoint = make_endpoint()
    heard = listen(endpoint, ChannelEnded)
    async with connect(endpoint, "/socket") as ann:
        await ann.join("room:1")
        await ann.join("room:1")
        assert [event.end for event in heard] == ["replaced"]
    assert [event.end for event in heard] == ["replaced", "lost"]


async def test_an_error_is_a_reply_with_its_status() -> None:
    endpoint = make_endpoint()
    heard = listen(endpoint, ReplySent, MessageRefused)
    async with connect(endpoint, "/socket") as ann:
        room = await ann.join("room:1")
        await room.push("shout").assert_error("too_loud")
    heartbeat, joined, shouted, refused = heard
    assert (joined.topic, joined.status) == ("room:1", "ok")
    assert (shouted.topic, shouted.status) == ("room:1", "error")
    assert (refused.ref, refused.reason) == (shouted.ref, "too_loud")
    assert (heartbeat.topic, heartbeat.status) == ("phoenix", "ok")
    assert heartbeat.size == len(encode_v2(reply(None, heartbeat.ref, "phoenix", ok())))


async def test_a_connection_tells_why_and_after_how_long_it_has_ended() -> None:
    endpoint = make_endpoint(timeout=30)
    heard = listen(endpoint, SocketClosed)
    async with connect(endpoint, "/socket") as ann:
        await advance(10)
        ann.close()
        await settle()
        async with connect(endpoint, "/socket"):
            pass
        async with connect(endpoint, "/socket", transport="longpoll") as bo:
            bo.vanish()
            await advance(60)
    [left, *_, polled] = heard
    assert (left.socket, left.transport, left.reason, left.code) == (
        "/socket",
        "websocket",
        "closed",
        None,
    )
    assert 10 <= left.duration < 11
    assert (polled.transport, polled.reason) == ("longpoll", "inactive")


async def test_a_server_that_stops_closes_with_its_code() -> None:
    endpoint = make_endpoint()
    heard = listen(endpoint, SocketClosed)
    await endpoint.start()
    async with connect(endpoint, "/socket"):
        await endpoint.stop()
    assert [(event.reason, event.code) for event in heard] == [("shutdown", 1012)]


async def test_each_call_of_the_store_is_told() -> None:
    endpoint = make_endpoint()
    heard = listen(endpoint, StoreCalled)
    async with connect(endpoint, "/socket") as ann:
        room = await ann.join("kept:1")
        await endpoint.broadcast("kept:1", "said", {})
        await room.assert_push("said")
    assert {(event.method, event.result) for event in heard} >= {("read", "ok"), ("append", "ok")}


async def test_a_socket_without_a_log_reports_nothing_of_its_clients() -> None:
    endpoint = make_endpoint(log=False)
    heard = listen(endpoint)
    async with connect(endpoint, "/socket") as ann:
        room = await ann.join("room:1")
        room.push("whisper")
        await room.assert_push("told")
        await room.leave()
    assert heard == []


async def test_a_push_that_cannot_be_encoded_is_told_to_nobody() -> None:
    endpoint = make_endpoint()
    heard = listen(endpoint, PushSent)
    async with connect(endpoint, "/socket") as ann:
        room = await ann.join("room:1")
        with pytest.raises(EncodeError):
            await room.channel.push("told", object())
        assert heard == []
        room.push("whisper")
        await room.assert_push("told")
    assert [event.event for event in heard] == ["told"]
