"""The channel of the inspector's page: what is followed, on all nodes, bounded, and ended with the page."""

from __future__ import annotations

from typing import Any

import pytest

from bennu import Endpoint
from bennu.dashboard.feed import LIMIT
from bennu.dashboard.inspector_channel import FollowedBatch
from bennu.dashboard.names import FIGURES, INSPECTOR
from bennu.dashboard.shown import ShownBatch
from bennu.testing import PushRefused, TestChannel, connect, nodes, running
from bennu.testing.clock import advance

from ..support.frames import PHX_JOIN
from .apps import make, page, pass_of


async def records(inspector: TestChannel) -> list[tuple[Any, ...]]:
    """Return kind, direction and event of the records of the next batch."""
    batch = await inspector.assert_push("seen")
    found = [one["record"] for one in batch["records"]]
    return [(one["kind"], one.get("direction"), one.get("event")) for one in found]


async def test_a_user_is_followed_with_whole_payloads(caplog: pytest.LogCaptureFixture) -> None:
    """Secrets are hidden. The pages' own connections are not followed. The log says what is followed."""
    caplog.set_level("INFO")
    endpoint = make()
    async with page(endpoint, INSPECTOR) as inspector:
        async with connect(endpoint, "/socket", {"name": "ann"}, heartbeats=False) as ann:
            room = await ann.join("room:1")
            assert await inspector.push("follow", {"user": "users:ann"}) == {
                "nodes": [endpoint.node]
            }
            assert await records(inspector) == [("connect", None, None)]
            await room.push("say", {"text": "x" * 5000, "password": "1234"})
            batch = await inspector.assert_push("seen")
            sent, said, reply = (one["record"] for one in batch["records"])
            assert batch["total"] == 4
            assert (sent["direction"], sent["event"], said["event"]) == ("in", "say", "said")
            assert sent["payload"] == {"text": "x" * 5000, "password": "[FILTERED]"}
            assert reply["answers"] == "say"
        assert [kind for kind, *_ in await records(inspector)] == ["leave", "close"]
        await inspector.push("unfollow", {})
        assert not endpoint.inspector.is_open
    assert "The dashboard follows the user 'users:ann' on all nodes, for " in caplog.text


async def test_everything_is_followed_without_the_inspector_itself() -> None:
    """Else each batch would be seen, and make the next one."""
    endpoint = make()
    async with page(endpoint, INSPECTOR) as inspector:
        await inspector.push("follow", {"topic": "*"})
        async with connect(endpoint, "/socket", {"name": "ann"}, heartbeats=False) as ann:
            await ann.join("room:1")
        assert ("frame", "in", PHX_JOIN) in await records(inspector)
        await inspector.refute_push("seen", within=5)


async def test_more_than_a_page_can_show_is_dropped_and_counted() -> None:
    endpoint = make()
    async with page(endpoint, INSPECTOR) as inspector:
        await inspector.push("follow", {"topic": "room:1"})
        async with connect(endpoint, "/socket", {"name": "ann"}, heartbeats=False) as ann:
            await ann.join("room:1")
            await inspector.assert_push("seen")
            for number in range(600):
                await endpoint.broadcast("room:1", "news", {"number": number})
            batch = await inspector.assert_push("seen")
            assert (len(batch["records"]), batch["total"]) == (LIMIT, 603)
            assert batch["records"][-1]["record"]["payload"] == {"number": LIMIT - 1}


async def test_a_batch_that_has_waited_for_the_next_follow_is_not_pushed() -> None:
    """The page would count it among the records of that follow."""
    endpoint = make()
    async with page(endpoint, INSPECTOR) as inspector:
        batches = [FollowedBatch(number, ShownBatch("node", [], number)) for number in (1, 2)]
        for _ in batches:
            await inspector.push("follow", {"topic": "room:1"})
        for batch in batches:
            inspector.channel.send_self(batch)
        assert (await inspector.assert_push("seen"))["total"] == 2


async def test_a_follow_ends_with_its_page_and_with_the_next_follow() -> None:
    endpoint = make()
    async with running(endpoint):
        async with page(endpoint, INSPECTOR) as inspector:
            await inspector.push("follow", {"topic": "room:1"})
            await inspector.push("follow", {"connection": "17"})
            assert endpoint.pubsub.watch is None
            assert endpoint.inspector.is_open
        await advance(1)
        assert not endpoint.inspector.is_open


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({}, "invalid_payload"),
        ({"topic": 7}, "invalid_payload"),
        ({"other": "x"}, "invalid_payload"),
    ],
)
async def test_what_can_not_be_followed(wanted: dict[str, Any], reason: str) -> None:
    endpoint = make()
    async with page(endpoint, INSPECTOR) as inspector:
        with pytest.raises(PushRefused, match=reason):
            await inspector.push("follow", wanted)
    assert not endpoint.inspector.is_open


async def test_follows_are_limited() -> None:
    endpoint = make()
    async with running(endpoint):
        token = await pass_of(endpoint)
        contexts = [connect(endpoint, "/dashboard/socket", {"token": token}) for _ in range(11)]
        channels = [await (await one.__aenter__()).join(INSPECTOR) for one in contexts]
        for channel in channels[:10]:
            await channel.push("follow", {"topic": "room:1"})
        with pytest.raises(PushRefused, match="too_many_pages"):
            await channels[10].push("follow", {"topic": "room:1"})
        for one in contexts:
            await one.__aexit__(None, None, None)


async def followed_on_two(endpoint: Endpoint, inspector: TestChannel) -> list[str]:
    """Follow room:1 when the other node is known, and return the nodes."""
    async with connect(endpoint, "/dashboard/socket", {"token": await pass_of(endpoint)}) as client:
        overview = await client.join(FIGURES)
        while len((await overview.assert_push("tick"))["nodes"]) < 2:
            pass
        found: list[str] = (await inspector.push("follow", {"topic": "room:1"}))["nodes"]
        return found


async def test_a_topic_is_followed_on_two_nodes() -> None:
    """A broadcast has a record on each node, which says where it came from and how many got it there."""
    async with nodes(lambda bus, store: make(pubsub=bus), 2) as cluster:
        one, two = cluster
        async with (
            page(one.endpoint, INSPECTOR) as inspector,
            one.connect("/socket", {"name": "ann"}, heartbeats=False) as ann,
            two.connect("/socket", {"name": "bo"}, heartbeats=False) as bo,
        ):
            room, theirs = await ann.join("room:1"), await bo.join("room:1")
            assert await followed_on_two(one.endpoint, inspector) == [one.name, two.name]
            await advance(2)
            await room.push("say", {"text": "hi"})
            await theirs.assert_push("said")
            seen: dict[str, tuple[Any, ...]] = {}
            while len(seen) < 2:
                batch = await inspector.assert_push("seen")
                for record in (item["record"] for item in batch["records"]):
                    if record["kind"] == "broadcast":
                        seen[batch["node"]] = (record["event"], record["delivered"], record["node"])
            assert seen == {one.name: ("said", 1, None), two.name: ("said", 1, one.name)}
            assert two.endpoint.inspector.is_open
        await advance(5)
        assert not two.endpoint.inspector.is_open
