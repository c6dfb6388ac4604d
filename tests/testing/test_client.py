"""A client of the kit: connects, joins, and is told why not."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest

from bennu import Channel, ConnectInfo, Endpoint, Refused, Socket
from bennu.testing import ConnectRefused, JoinRefused, PushRefused, connect
from bennu.testing.client import Transport
from bennu.testing.codec import Version

from .rooms import NewMsg, Room, User, endpoint_of_rooms


@pytest.mark.conformance("CT001", "CT005")
@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize("transport", ["websocket", "asgi", "longpoll"])
async def test_a_message_reaches_everybody(transport: Transport, vsn: Version) -> None:
    endpoint = endpoint_of_rooms()
    async with (
        connect(endpoint, "/socket", {"name": "ann"}, transport=transport, vsn=vsn) as ann,
        connect(endpoint, "/socket", {"name": "bo"}, transport=transport, vsn=vsn) as bo,
    ):
        room, theirs = await ann.join("room:7"), await bo.join("room:7")
        assert room.response == {"room": 7}
        assert await room.push("new_msg", {"body": "Hi"}) == {"id": 1, "length": 2}
        for one in (room, theirs):
            assert await one.assert_push("new_msg", {"author": "ann"}) == {
                "body": "Hi",
                "author": "ann",
            }
        await theirs.assert_broadcast("new_msg", {"body": "Hi"})
        await room.leave()
        assert room.end == "closed"
    assert not endpoint.is_started


@pytest.mark.conformance("CT004")
async def test_a_refused_connect_has_the_reason_of_connect() -> None:
    with pytest.raises(
        ConnectRefused, match="refused the connection with HTTP 403: no name"
    ) as caught:
        async with connect(endpoint_of_rooms(), "/socket"):
            pytest.fail("connected")
    assert (caught.value.status, caught.value.reason) == (403, "no name")


async def test_a_refused_join_has_its_reason_and_response() -> None:
    async with connect(endpoint_of_rooms(), "/socket", {"name": "ann"}) as ann:
        with pytest.raises(JoinRefused, match="unauthorized") as caught:
            await ann.join("room:7", {"secret": True})
        assert caught.value.reason == "unauthorized"
        assert caught.value.response == {"reason": "unauthorized", "hint": "ask Ann"}


@pytest.mark.conformance("CT002")
async def test_assigns_are_given_without_connect() -> None:
    endpoint = endpoint_of_rooms()
    async with connect(endpoint, "/socket", assigns=User("cy")) as cy:
        room = await cy.join("room:1")
        assert cy.assigns == User("cy")
        assert isinstance(room.channel, Room)
        assert room.channel.room_id == 1
        assert room.channel.connection.id == "users:cy"
    with pytest.raises(ConnectRefused, match="no name"):
        async with connect(endpoint, "/socket"):
            pytest.fail("connected")


@pytest.mark.conformance("CT006")
async def test_a_second_join_replaces_the_first() -> None:
    async with connect(endpoint_of_rooms(), "/socket", {"name": "ann"}) as ann:
        first = await ann.join("room:1")
        second = await ann.join("room:1")
        await first.assert_closed()
        await second.push("new_msg", {"body": "Hi"})
        assert second.channel.join_ref == second.join_ref != first.join_ref
        other = await ann.join("room:2")
        assert [channel.topic for channel in ann.channels()] == ["room:1", "room:2"]
        await other.refute_push("new_msg")


@pytest.mark.conformance("CT003", "CT007", "CS014", "CS030")
async def test_any_task_can_use_a_client() -> None:
    endpoint = endpoint_of_rooms()

    async def story() -> None:
        async with connect(endpoint, "/socket", assigns=User("bo")) as bo:
            theirs = await bo.join("room:1")
            await theirs.push("new_msg", {"body": "Hi"})
            await theirs.assert_push("new_msg")
            await endpoint.broadcast("room:1", "news")
            await theirs.assert_push("news")

    async with connect(endpoint, "/socket", {"name": "ann"}) as ann:
        room = await ann.join("room:1")
        await asyncio.gather(story(), asyncio.create_task(story()))
        await room.assert_pushes("new_msg", "new_msg", "news", "news")


@pytest.mark.conformance("CT008", "CT009", "CT010")
async def test_params_and_payloads_are_sent_as_a_page_sends_them() -> None:
    endpoint = endpoint_of_rooms()
    async with connect(endpoint, "/socket", {"name": 7, "page": {"a": 1}}) as ann:
        room = await ann.join("room:1", {"since": date(2026, 1, 31), "ids": {1: (2, 3)}})
        assert ann.assigns == User("7")
        assert room.response == {"room": 1}
        push = room.push("new_msg", NewMsg("Hi"))
        await push.assert_reply({"length": 2})
        await room.push("unknown", b"bytes").assert_error("unknown_event")


@pytest.mark.conformance("CT015")
async def test_a_disconnect_by_id_is_seen() -> None:
    endpoint = endpoint_of_rooms()
    async with connect(endpoint, "/socket", {"name": "ann"}) as ann:
        await ann.join("room:1")
        with pytest.raises(
            AssertionError,
            match="the connection is still open after 0 s of virtual time, expected ANY",
        ):
            await ann.assert_closed(within=0)
        await endpoint.disconnect("users:ann")
        with pytest.raises(
            AssertionError, match="the connection was closed with 1001, expected 1000"
        ):
            await ann.assert_closed(1000)
        assert await ann.assert_closed(1001) == 1001
        with pytest.raises(
            AssertionError,
            match=r"the connection is closed \(1001\), so 'heartbeat' to 'phoenix' can't be sent",
        ):
            await ann.heartbeat()
        with pytest.raises(AssertionError, match="no channel of this client is joined"):
            _ = ann.assigns


@pytest.mark.parametrize("transport", ["websocket", "longpoll"])
async def test_headers_and_the_auth_token_are_those_of_a_page(transport: Transport) -> None:
    seen: list[Any] = []

    def authenticate(_: dict[str, str], info: ConnectInfo) -> None:
        seen.append((info.auth_token, info.headers.get("cookie"), info.transport))

    socket = Socket(connect=authenticate, channels={}, auth_token=True, longpoll=True)
    endpoint = Endpoint(sockets={"/ws/{tenant}": socket})
    headers = {"cookie": "a=b"}
    async with connect(
        endpoint, "/ws/acme", auth_token="secret", headers=headers, transport=transport
    ):
        assert seen == [("secret", "a=b", transport)]


async def test_a_readable_refusal_is_a_refusal() -> None:
    def refuse() -> None:
        raise Refused("come back later")

    socket: Socket[None] = Socket(connect=refuse, channels={}, refusals="readable")
    with pytest.raises(ConnectRefused, match="come back later") as caught:
        async with connect(Endpoint(sockets={"/socket": socket}), "/socket"):
            pytest.fail("connected")
    assert caught.value.status == 101


async def test_a_path_without_socket_is_told() -> None:
    with pytest.raises(
        LookupError, match="no socket is mounted at '/sockets': expected one of /socket"
    ):
        async with connect(endpoint_of_rooms(), "/sockets"):
            pytest.fail("connected")


async def test_a_join_that_is_not_answered_is_told() -> None:
    class Slow(Channel):
        async def join(self) -> None:
            await asyncio.sleep(3)

    endpoint = Endpoint(sockets={"/socket": Socket(connect=lambda: None, channels={"slow": Slow})})
    async with connect(endpoint, "/socket") as client:
        with pytest.raises(
            AssertionError, match=r"no reply to the join came on 'slow'(.|\n)*Nothing came"
        ):
            await client.join("slow")
        await client.join("slow", within=10)


async def test_a_client_that_stalls_gets_everything_when_it_reads_again() -> None:
    endpoint = endpoint_of_rooms()
    async with connect(endpoint, "/socket", {"name": "ann"}) as ann:
        room = await ann.join("room:1")
        ann.stall()
        await endpoint.broadcast("room:1", "news")
        await room.refute_push("news")
        ann.resume()
        await room.assert_push("news")


async def test_without_heartbeats_the_server_closes() -> None:
    endpoint = endpoint_of_rooms()
    async with (
        connect(endpoint, "/socket", {"name": "ann"}) as ann,
        connect(endpoint, "/socket", {"name": "bo"}, heartbeats=False) as bo,
    ):
        await bo.heartbeat()
        await bo.assert_closed(within=120)
        await ann.heartbeat()
        assert ann.code is None


async def test_a_heartbeat_that_is_not_answered_is_told() -> None:
    async with connect(endpoint_of_rooms(), "/socket", {"name": "ann"}) as ann:
        ann.stall()
        with pytest.raises(
            AssertionError, match="the heartbeat was not answered within 1 s of virtual time"
        ):
            await ann.heartbeat()


async def test_a_token_is_renewed_on_the_open_connection() -> None:
    async def renew(token: str, info: ConnectInfo) -> None:
        del info
        if token != "good":
            raise Refused("bad_token")

    socket = Socket(connect=lambda: "ann", refresh=renew, id=str, channels={})
    async with connect(Endpoint(sockets={"/socket": socket}), "/socket") as client:
        assert await client.renew("good") == {}
        with pytest.raises(PushRefused, match="bad_token"):
            await client.renew("bad")
