"""A joined channel of the kit: each helper, and what it says when it fails."""

from __future__ import annotations

import re

import pytest

from bennu.testing import ANY, TestChannel, TestClient, connect
from tests.support.frames import PHX_LEAVE

from .rooms import endpoint_of_rooms

ENDPOINT = endpoint_of_rooms()


def join_two() -> Two:
    """Return Ann and Bo in a room."""
    return Two()


class Two:
    """Two clients in one room."""

    async def __aenter__(self) -> tuple[TestChannel, TestChannel]:
        self._one = connect(ENDPOINT, "/socket", {"name": "ann"})
        self._two = connect(ENDPOINT, "/socket", {"name": "bo"})
        ann: TestClient = await self._one.__aenter__()
        bo: TestClient = await self._two.__aenter__()
        return await ann.join("room:1"), await bo.join("room:1")

    async def __aexit__(self, *error: object) -> None:
        await self._two.__aexit__(None, None, None)
        await self._one.__aexit__(None, None, None)


@pytest.mark.conformance("CT014")
async def test_the_sender_of_a_broadcast_from_hears_of_it_only_as_a_broadcast() -> None:
    async with join_two() as (ann, bo):
        ann.push("typing")
        assert await bo.assert_push("typing") == {"name": "ann"}
        await ann.refute_push("typing")
        assert await ann.assert_broadcast("typing", {"name": str}) == {"name": "ann"}
        await ann.refute_broadcast("typing")


@pytest.mark.conformance("CT011", "CT012", "CT013")
async def test_predicates_guard_payloads() -> None:
    async with join_two() as (ann, bo):
        await ann.push("new_msg", {"body": "Hello"}).assert_reply({"length": lambda n: n > 3})
        await bo.assert_push("new_msg", {"body": lambda text: text.startswith("He")})
        with pytest.raises(
            AssertionError, match="body: expected what a function accepts, got 'Hello'"
        ):
            await ann.assert_push("new_msg", {"body": lambda text: text == "Ho"})
        await ann.assert_broadcast("new_msg", lambda payload: payload["author"] == "ann")


async def test_an_intercepted_broadcast_is_a_broadcast_too() -> None:
    async with join_two() as (ann, bo):
        ann.push("whisper", {"body": "psst"})
        assert await bo.assert_push("whisper") == {"body": "psst"}
        await ann.refute_push("whisper")
        await ann.assert_broadcast("whisper", {"author": "ann"})


async def test_pushes_are_taken_in_any_order_or_exactly_in_theirs() -> None:
    async with join_two() as (ann, bo):
        for body in ("one", "two", "three"):
            ann.push("new_msg", {"body": body})
        assert (await bo.assert_push("new_msg", {"body": "three"}))["body"] == "three"
        payloads = await bo.assert_pushes(("new_msg", {"body": "one"}), "new_msg")
        assert [payload["body"] for payload in payloads] == ["one", "two"]
        await bo.refute_push("new_msg")


async def test_a_rate_is_over_after_a_minute_of_virtual_time() -> None:
    async with join_two() as (ann, _):
        for _ in range(3):
            await ann.push("new_msg", {"body": "Hi"})
        await ann.push("new_msg", {"body": "Hi"}).assert_error("rate_limited")
        await ann.refute_push("never", within=60)
        await ann.push("new_msg", {"body": "Hi"}).assert_reply({"length": 2})


async def test_presences_come_and_go() -> None:
    async with join_two() as (ann, bo):
        assert (await ann.assert_present("bo", {"device": "phone"}))["device"] == "phone"
        await ann.assert_present("bo", metas=1)
        await bo.leave()
        await ann.assert_absent("bo")
        assert list(ann.presences.all) == ["ann"]


async def test_a_handler_that_raises_ends_the_channel(caplog: pytest.LogCaptureFixture) -> None:
    async with join_two() as (ann, bo):
        ann.push("crash")
        await ann.assert_crashed()
        assert "ValueError: crash" in caplog.text
        with pytest.raises(AssertionError, match="has ended"):
            _ = ann.channel
        await bo.assert_absent("ann")


# What a failure says.


async def test_a_push_that_does_not_come_is_told_with_what_came_instead() -> None:
    async with join_two() as (ann, bo):
        await ann.push("new_msg", {"body": "Hi"})
        with pytest.raises(AssertionError) as failed:
            await bo.assert_push("new_msg", {"body": "Ho", "id": int})
    said = str(failed.value)
    assert (
        "no 'new_msg' with {'body': 'Ho', 'id': int} came on 'room:1' within 1 s of virtual time."
        in said
    )
    assert (
        "Close to it, 1: body: expected 'Ho', got 'Hi'; id: expected int, and it is missing" in said
    )
    assert "What came since the join:" in said
    assert re.search(r"\d+\. new_msg \{'body': 'Hi', 'author': 'ann'\}", said)


async def test_a_push_that_must_not_come_is_shown() -> None:
    async with join_two() as (ann, bo):
        ann.push("typing")
        with pytest.raises(
            AssertionError, match=r"expected no 'typing' on 'room:1', got \{'name': 'ann'\}"
        ):
            await bo.refute_push("typing")
        with pytest.raises(AssertionError, match="expected no broadcast 'typing'"):
            await bo.refute_broadcast("typing")


async def test_events_in_another_order_are_told() -> None:
    async with join_two() as (ann, bo):
        await ann.push("new_msg", {"body": "Hi"})
        ann.push("typing")
        with pytest.raises(
            AssertionError,
            match=r"event 1 of 'room:1' is new_msg .*\n  expected 'typing', got 'new_msg'",
        ):
            await bo.assert_pushes("typing", "new_msg")
        with pytest.raises(AssertionError, match="no events 'new_msg', 'typing', 'more' came"):
            await bo.assert_pushes("new_msg", "typing", "more")
        with pytest.raises(AssertionError, match="body: expected 'Ho', got 'Hi'"):
            await bo.assert_pushes(("new_msg", {"body": "Ho"}))


async def test_a_broadcast_that_does_not_come_is_told_with_the_others() -> None:
    async with join_two() as (ann, _):
        await ann.push("new_msg", {"body": "Hi"})
        with pytest.raises(
            AssertionError,
            match=r"no broadcast 'news' with ANY .*\n  There were: .*new_msg \{'body'",
        ):
            await ann.assert_broadcast("news")


async def test_a_presence_that_is_not_there_is_told_with_the_others() -> None:
    async with join_two() as (ann, _):
        with pytest.raises(
            AssertionError, match=r"no presence 'cy' with ANY on 'room:1' .*\n  There are: \{'ann'"
        ):
            await ann.assert_present("cy")
        with pytest.raises(AssertionError, match=r"no presence 'ann' with ANY 2 times on"):
            await ann.assert_present("ann", metas=2)
        with pytest.raises(
            AssertionError, match="'bo' is still on 'room:1' after 1 s of virtual time"
        ):
            await ann.assert_absent("bo")


async def test_an_end_that_does_not_come_or_is_another() -> None:
    async with join_two() as (ann, bo):
        with pytest.raises(AssertionError, match=r"no end of the channel \(crashed\) came"):
            await ann.assert_crashed()
        await bo.push(PHX_LEAVE)
        with pytest.raises(AssertionError, match="has closed, expected crashed"):
            await bo.assert_crashed()
        with pytest.raises(
            AssertionError, match=r"no 'news' with ANY came(.|\n)*The channel has closed\."
        ):
            await bo.assert_push("news")


async def test_a_reply_that_does_not_come_or_is_another() -> None:
    async with join_two() as (ann, _):
        with pytest.raises(AssertionError, match="no reply to 'typing' came on 'room:1'"):
            await ann.push("typing")
        with pytest.raises(AssertionError, match="no reply to 'typing': ok ANY came"):
            await ann.push("typing").assert_reply()
        with pytest.raises(
            AssertionError, match=r"the reply to 'unknown' is error .*, expected ok ANY"
        ):
            await ann.push("unknown").assert_reply()
        with pytest.raises(
            AssertionError,
            match=r"the response to 'new_msg' is .* does not fit:\n  id: expected 2, got 1",
        ):
            await ann.push("new_msg", {"body": "Hi"}).assert_reply({"id": 2})
        with pytest.raises(AssertionError, match="expected no reply to 'new_msg', got ok"):
            await ann.push("new_msg", {"body": "Hi"}).refute_reply()
        with pytest.raises(AssertionError, match="reason: expected 'late', got 'unknown_event'"):
            await ann.push("unknown").assert_error("late")


async def test_a_closed_connection_is_told() -> None:
    async with join_two() as (ann, bo):
        bo.client.vanish()
        with pytest.raises(AssertionError, match=r"The connection is closed \(1006\)"):
            await bo.assert_push("news", ANY)
        await ann.assert_absent("bo")
