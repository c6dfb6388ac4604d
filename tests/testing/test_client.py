"""A client of the kit: connects, joins, and is told why not."""

from __future__ import annotations

import pytest

from bennu.testing import ConnectRefused, JoinRefused, connect
from bennu.testing.client import Transport
from bennu.testing.codec import Version

from .rooms import Room, User, endpoint_of_rooms


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


async def test_a_refused_connect_has_the_reason_of_connect() -> None:
    with pytest.raises(
        ConnectRefused, match=r"/socket refused the connection \(403\): no name"
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


async def test_assigns_are_given_without_connect() -> None:
    endpoint = endpoint_of_rooms()
    async with connect(endpoint, "/socket", assigns=User("cy")) as cy:
        room = await cy.join("room:1")
        assert cy.assigns == User("cy")
        assert isinstance(room.channel, Room)
        assert room.channel.room_id == 1
    with pytest.raises(ConnectRefused, match="no name"):
        async with connect(endpoint, "/socket"):
            pytest.fail("connected")
