"""What people in a room see of each other."""

from __future__ import annotations

import uuid

import pytest
from bennu.testing import ANY, JoinRefused, PushRefused, connect

from my_app.endpoint import endpoint
from my_app.users import User

ANN = User("1", "Ann")
BO = User("2", "Bo")


def message(body: str = "Hello") -> dict[str, str]:
    """Return what a page sends: a text, and a key that is new for each message."""
    return {"body": body, "key": uuid.uuid4().hex}


async def test_a_message_reaches_everybody_in_the_room() -> None:
    async with (
        connect(endpoint, "/socket", assigns=ANN) as ann,
        connect(endpoint, "/socket", assigns=BO) as bo,
    ):
        room = await ann.join("room:lobby")
        others = await bo.join("room:lobby")
        await room.push("message", message())
        await others.assert_push(
            "message", {"id": ANY, "author": "Ann", "body": "Hello"}
        )


async def test_a_message_that_is_sent_twice_arrives_once() -> None:
    async with connect(endpoint, "/socket", assigns=ANN) as ann:
        room = await ann.join("room:lobby")
        hello = message()
        first = await room.push("message", hello)
        await room.assert_push("message", {"body": "Hello"})
        assert await room.push("message", hello) == first
        await room.refute_push("message")


async def test_a_page_that_opens_later_gets_the_latest_messages() -> None:
    async with (
        connect(endpoint, "/socket", assigns=ANN) as ann,
        connect(endpoint, "/socket", assigns=BO) as bo,
    ):
        room = await ann.join("room:lobby")
        sent = await room.push("message", message())
        later = await bo.join("room:lobby")
        assert later.response["messages"][-1]["id"] == sent["id"]


async def test_people_see_who_is_there() -> None:
    async with connect(endpoint, "/socket", assigns=ANN) as ann:
        room = await ann.join("room:lobby")
        await room.assert_present("user:1", {"name": "Ann"})
        await room.assert_absent("user:2")


async def test_there_is_only_the_lobby() -> None:
    async with connect(endpoint, "/socket", assigns=ANN) as ann:
        with pytest.raises(JoinRefused, match="no_such_room"):
            await ann.join("room:cellar")


@pytest.mark.parametrize("body", ["", "   ", "x" * 2_001])
async def test_a_message_has_a_text_of_a_sensible_length(body: str) -> None:
    async with connect(endpoint, "/socket", assigns=ANN) as ann:
        room = await ann.join("room:lobby")
        with pytest.raises(PushRefused, match=r"invalid_payload|empty_message"):
            await room.push("message", message(body))


async def test_who_sends_too_fast_is_told_to_wait() -> None:
    async with connect(endpoint, "/socket", assigns=ANN) as ann:
        room = await ann.join("room:lobby")
        pushes = [room.push("message", message()) for _ in range(11)]
        await pushes[0].assert_reply()
        await pushes[-1].assert_error({"reason": "rate_limited"})
