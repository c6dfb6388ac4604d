"""The scoreboard's server: joins, events, and what a page gets that was away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from bennu import Endpoint
from bennu.testing import Clock, JoinRefused, TestChannel, TestClient, connect, running
from bennu_demos.scoreboard.app import make

pytestmark = pytest.mark.clock("virtual")


@pytest.fixture
async def endpoint(clock: Clock) -> AsyncIterator[Endpoint]:
    endpoint = make(seed=1, now=lambda: asyncio.get_running_loop().time())
    async with running(endpoint):
        yield endpoint


@pytest.fixture
async def client(endpoint: Endpoint) -> AsyncIterator[TestClient]:
    async with connect(endpoint, "/socket") as client:
        yield client


@pytest.fixture
async def match(client: TestClient) -> str:
    """The topic of the match that kicks off first."""
    league = await client.join("league")
    return f"match:{league.response['fixtures'][0]['id']}"


def events_of(page: TestChannel) -> list[dict[str, Any]]:
    return [message.payload for message in page.pushes if message.event == "event"]


async def test_the_league_tells_its_matches(client: TestClient) -> None:
    league = await client.join("league")
    assert league.response["number"] == 1
    assert len(league.response["fixtures"]) == 8


async def test_events_come_from_the_server(client: TestClient, clock: Clock, match: str) -> None:
    page = await client.join(match)
    assert (page.response["phase"], page.response["seq"]) == ("soon", 0)
    await clock.advance(300)
    events = events_of(page)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["kind"], events[-1]["kind"]) == ("kick_off", "full_time")


async def test_a_page_that_joins_late_catches_up(
    client: TestClient, clock: Clock, match: str, endpoint: Endpoint
) -> None:
    early = await client.join(match)
    await clock.advance(100)
    async with connect(endpoint, "/socket") as other:
        late = await other.join(match)
        state = late.response
        before = events_of(early)
        assert state["events"] == before
        assert state["seq"] == before[-1]["seq"] > 5
        assert state["score"] == before[-1]["score"]
        assert state["clock"]["is_running"]
        await clock.advance(200)
        assert events_of(late)[0]["seq"] == state["seq"] + 1
        assert state["events"] + events_of(late) == events_of(early)


async def test_a_page_that_was_cut_off_gets_what_it_missed(
    client: TestClient, clock: Clock, match: str, endpoint: Endpoint
) -> None:
    async with connect(endpoint, "/socket") as other:
        page = await other.join(match, {"recovery": {}})
        position = page.response["recovery"]
        await clock.advance(60)
        other.vanish()
    seen = await client.join(match)
    missed_until = seen.response["seq"]
    async with connect(endpoint, "/socket") as other:
        recovery = {"epoch": position["epoch"], "offset": position["offset"]}
        page = await other.join(match, {"recovery": recovery})
        assert page.response["recovery"]["recovered"] is True
        assert page.response["recovery"]["count"] == missed_until > 3
        while len(events_of(page)) < missed_until:
            await clock.advance(0.1)
        assert events_of(page)[:missed_until] == seen.response["events"]


async def test_two_hundred_pages_get_the_same(
    client: TestClient, clock: Clock, match: str, endpoint: Endpoint
) -> None:
    async with AsyncExitStack() as stack:
        pages: list[TestChannel] = []
        for _ in range(200):
            other = await stack.enter_async_context(connect(endpoint, "/socket"))
            pages.append(await other.join(match))
        for page in pages:
            await page.assert_push("event", {"kind": "kick_off", "score": [0, 0]}, within=30)


async def test_the_next_round_has_other_matches(
    client: TestClient, clock: Clock, match: str
) -> None:
    league = await client.join("league")
    round_ = await league.assert_push("round", within=600)
    assert round_["number"] == 2
    with pytest.raises(JoinRefused, match="no_such_match"):
        await client.join(match)
    await client.join(f"match:{round_['fixtures'][7]['id']}")
