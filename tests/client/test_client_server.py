"""A client and a real endpoint, in memory: WebSocket and long polling, V1 and V2."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from msgspec import Struct

from bennu import Channel, Presence, Refused, Reply, Stop, on
from bennu.client import (
    ChannelState,
    ConnectRefused,
    JoinRefused,
    PushRefused,
    RemoteChannel,
)
from bennu.connect_info import ConnectInfo
from bennu.testing.clock import advance, settle
from tests.support.memory import Server, endpoint_of, serve

from .in_memory import memory_client

OVER = pytest.mark.parametrize("over", ["websocket", "longpoll"])
VSN = pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
Vsn = Literal["1.0.0", "2.0.0"]


class NewMsg(Struct):
    body: str


class Ack(Struct):
    id: int


@dataclass
class Since:
    since: int


class Room(Channel[Any]):
    async def join(self, payload: dict[str, Any]) -> dict[str, Any]:
        if "refuse" in payload:
            raise Refused("full", limit=3)
        return {"asked": payload}

    @on("new_msg")
    async def new_msg(self, message: NewMsg) -> Ack:
        await self.broadcast("new_msg", message)
        return Ack(len(message.body))

    @on("upload")
    async def upload(self, data: bytes) -> dict[str, int]:
        return {"size": len(data)}

    @on("image")
    async def image(self) -> bytes:
        await self.push("thumbnail", b"\x01\xff")
        return b"\x89PNG"

    @on("queue")
    async def queue(self) -> Reply:
        return Reply("queued", {"place": 3})

    @on("crash")
    async def crash(self) -> None:
        raise ValueError("mine")

    @on("stop")
    async def stop(self) -> None:
        raise Stop

    @on("silent")
    async def silent(self) -> None: ...


def endpoint(**options: Any) -> Any:
    return endpoint_of({"room:*": Room}, **options)


async def joined(client: Any, topic: str = "room:1") -> RemoteChannel:
    room: RemoteChannel = client.channel(topic)
    await room.join()
    return room


@OVER
@VSN
async def test_it_joins_pushes_and_hears_the_others(over: str, vsn: Vsn) -> None:
    async with serve(endpoint()) as server:
        one, other = (memory_client(server.endpoint, over, vsn=vsn) for _ in range(2))
        async with one, other:
            room = one.channel("room:1", Since(7))
            assert await room.join() == {"asked": {"since": 7}}
            theirs = await joined(other)
            heard = theirs.events("new_msg", NewMsg)
            assert await room.push("new_msg", NewMsg("Hi"), reply=Ack) == Ack(2)
            assert await room.push("new_msg", {"body": "you"}) == {"id": 3}
            assert [await anext(heard), await anext(heard)] == [NewMsg("Hi"), NewMsg("you")]
            with pytest.raises(PushRefused) as refused:
                await room.push("new_msg", {"body": 7})
            assert refused.value.reason == "invalid_payload"
            with pytest.raises(PushRefused) as refused:
                await room.push("queue")
            assert (refused.value.status, refused.value.response) == ("queued", {"place": 3})
            await room.leave()
            assert room.state is ChannelState.CLOSED
            with pytest.raises(JoinRefused) as caught:
                await one.channel("room:1", {"refuse": 1}).join(retry=False)
            assert caught.value.response == {"reason": "full", "limit": 3}
            with pytest.raises(JoinRefused, match="unmatched topic"):
                await one.channel("other").join(retry=False)
            server.logged("unmatched topic", level=logging.WARNING)
        await close(server)


async def close(server: Server) -> None:
    """Let sessions of long polling end."""
    await settle()
    if server.endpoint.connections:
        await advance(60)


async def test_bytes_go_both_ways() -> None:
    async with serve(endpoint()) as server, memory_client(server.endpoint) as client:
        room = await joined(client)
        events = room.events("thumbnail", bytes)
        assert await room.push("upload", b"abc") == {"size": 3}
        assert await room.push("image", reply=bytes) == b"\x89PNG"
        assert await anext(events) == b"\x01\xff"


async def test_bytes_can_be_posted() -> None:
    async with serve(endpoint()) as server:
        async with memory_client(server.endpoint, "longpoll") as client:
            room = await joined(client)
            assert await room.push("upload", b"abc") == {"size": 3}
        await close(server)


@OVER
async def test_a_crash_on_the_server_joins_again(over: str) -> None:
    async with serve(endpoint()) as server:
        async with memory_client(server.endpoint, over) as client:
            room = await joined(client)
            joins: list[Any] = []
            errors: list[Any] = []
            room.on_join(joins.append)
            room.on_error(errors.append)
            _ = room.push("crash")
            await advance(3)
            assert room.is_joined
            assert (joins, errors) == ([{"asked": {}}], [{"reason": "channel_crash"}])
            server.logged("crashed in crash")
        await close(server)


@OVER
async def test_an_end_on_the_server_is_the_end(over: str) -> None:
    async with serve(endpoint()) as server:
        async with memory_client(server.endpoint, over) as client:
            room = await joined(client)
            events = aiter(room)
            _ = room.push("stop")
            assert await anext(events, None) is None
            assert room.state is ChannelState.CLOSED
        await close(server)


async def test_the_token_goes_beside_the_url() -> None:
    seen: list[Any] = []

    async def connect(params: dict[str, Any], info: ConnectInfo) -> None:
        seen.append((info.auth_token, params.get("room")))

    made = endpoint(connect=connect, id=None, auth_token=True)
    async with serve(made) as server:
        for over in ("websocket", "longpoll"):
            options: dict[str, Any] = {"params": {"room": {"id": 7}}, "auth_token": "a/b+c="}
            async with memory_client(made, over, **options) as client:
                assert (await joined(client)).is_joined
        await close(server)
    assert seen == [("a/b+c=", {"id": "7"})] * 2


@OVER
async def test_a_refused_connect_is_raised(over: str) -> None:
    async def connect() -> None:
        raise Refused("bad token")

    async with serve(endpoint(connect=connect, id=None)) as server:
        with pytest.raises(ConnectRefused) as caught:
            async with memory_client(server.endpoint, over):
                pytest.fail("it was refused")
        assert caught.value.status == 403


@OVER
async def test_a_readable_refusal_is_the_answer_to_the_join(over: str) -> None:
    """The server says how long to wait, and closes with 4003; then the client connects again."""
    is_open = False

    async def connect() -> None:
        if not is_open:
            raise Refused("bad token")

    async with serve(endpoint(connect=connect, id=None, refusals="readable")) as server:
        async with memory_client(server.endpoint, over) as client:
            room = client.channel("room:1")
            with pytest.raises(JoinRefused) as caught:
                await room.join()
            assert caught.value.reason == "bad token"
            is_open = True
            await advance(30)
            assert room.is_joined
        await close(server)


@OVER
async def test_it_comes_back_after_a_disconnect(over: str) -> None:
    async with serve(endpoint()) as server:
        async with memory_client(server.endpoint, over, params={"name": "ann"}) as client:
            room = await joined(client)
            await server.endpoint.disconnect("ann")
            await advance(1)
            assert room.is_joined
            assert await room.push("new_msg", NewMsg("Hi"), reply=Ack) == Ack(2)
        await close(server)


async def test_it_lives_through_hours_of_silence() -> None:
    async with serve(endpoint()) as server, memory_client(server.endpoint) as client:
        room = await joined(client)
        closes: list[Any] = []
        client.on_close(closes.append)
        await advance(3 * 3600)
        assert closes == []
        assert room.is_joined
        assert await client.ping() == 0


presence = Presence()


class Present(Channel[Any]):
    async def after_join(self) -> None:
        await presence.push_state(self)
        await presence.track(self, self.assigns, {"device": "phone"})


async def test_presences_follow_who_comes_and_goes() -> None:
    made = endpoint_of({"room:*": Present}, presence=presence)
    async with serve(made), memory_client(made, params={"name": "ann"}) as ann:
        room = ann.channel("room:1")
        told: list[str] = []
        room.presence.on_join(lambda key, *_: told.append(f"+{key}"))
        room.presence.on_leave(lambda key, *_: told.append(f"-{key}"))
        await room.join()
        async with memory_client(made, params={"name": "bo"}) as bo:
            await joined(bo)
            await advance(3)
            assert sorted(room.presence.state) == ["ann", "bo"]
            [meta] = room.presence.state["bo"]["metas"]
            assert meta["device"] == "phone"
        await advance(3)
        assert told == ["+ann", "+bo", "-bo"]
