"""Presences of several nodes: their lists and diffs, and the ends of clients and of nodes. One suite for all buses."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import pytest

from bennu.testing.polling import Browser
from tests.support.frames import frames_of, heartbeat

from .fleet import Nodes
from .members import Follower, follow, poll
from .nodes import RoundRobin

ROOMS = count(1)


@pytest.fixture
def room() -> str:
    """The name of a room that no other test has."""
    return str(next(ROOMS))


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture(params=["brief", "steady"])
def kind(request: pytest.FixtureRequest) -> str:
    """Whether heartbeats come often, or changes are all that is sent within a test."""
    kind: str = request.param
    return kind


async def test_all_nodes_list_the_users_of_all_nodes(
    nodes: Nodes, stack: AsyncExitStack, room: str, kind: str
) -> None:
    """Several users, with several devices on several nodes; updates, and leaves of devices and of users."""
    topic = f"{kind}:{room}"
    ann = await stack.enter_async_context(follow(nodes.one, topic, "ann", "phone"))
    bob = await stack.enter_async_context(follow(nodes.two, topic, "bob", "desk"))
    watching = [await stack.enter_async_context(follow(nodes.one, topic))]
    for one in (ann, bob, *watching):
        await one.sees(ann=["phone"], bob=["desk"])

    async with follow(nodes.two, topic, "ann", "tablet") as tablet:
        watching.append(await stack.enter_async_context(follow(nodes.two, topic)))
        for one in (ann, bob, tablet, *watching):
            await one.sees(ann=["phone", "tablet"], bob=["desk"])
        await bob.call("update", {"key": "bob", "meta": {"device": "desk, away"}})
        for one in (ann, bob, tablet, *watching):
            await one.sees(ann=["phone", "tablet"], bob=["desk, away"])
        assert tablet.presence.refs() == ann.presence.refs()
    for one in (ann, bob, *watching):
        await one.sees(ann=["phone"], bob=["desk, away"])
    await bob.leave()
    for one in (ann, *watching):
        await one.sees(ann=["phone"])
        assert one.left[-1] == "bob"
    refs = ann.presence.refs()
    assert [one.presence.refs() for one in watching] == [refs, refs]


async def test_a_client_that_comes_later_gets_the_list_of_all_nodes(
    nodes: Nodes, stack: AsyncExitStack, room: str, kind: str
) -> None:
    """Its state has the users of both nodes, and no diff repeats them. A client that polls gets the same."""
    topic = f"{kind}:{room}"
    names = [f"user{number}" for number in range(20)]
    followers = [
        await stack.enter_async_context(
            follow((nodes.one, nodes.two)[number % 2], topic, name, "desk")
        )
        for number, name in enumerate(names)
    ]
    everybody = {name: ["desk"] for name in names}
    for one in followers:
        await one.sees(**everybody)
    for node in (nodes.one, nodes.two):
        late = await stack.enter_async_context(follow(node, topic))
        await late.sees(**everybody)
        assert late.left == []
    polling = await poll(RoundRobin(nodes.one, nodes.two), topic, payload={})
    polled = Follower(polling.client, topic)
    await polled.sees(**everybody)


async def test_a_graceful_leave_is_seen_at_once(
    nodes: Nodes, stack: AsyncExitStack, room: str
) -> None:
    """By leave, by close and by a lost connection. Nothing but the diffs of the leaves is sent."""
    topic = f"steady:{room}"
    ann = await stack.enter_async_context(follow(nodes.one, topic, "ann", "desk"))
    leaving = [
        await stack.enter_async_context(follow(nodes.two, topic, name, "desk"))
        for name in ("bob", "cid", "dan")
    ]
    await ann.sees(ann=["desk"], bob=["desk"], cid=["desk"], dan=["desk"])
    bob, cid, dan = leaving
    await bob.leave()
    await ann.sees(ann=["desk"], cid=["desk"], dan=["desk"])
    await cid.client.websocket.close()
    await ann.sees(ann=["desk"], dan=["desk"])
    dan.client.websocket.transport.abort()
    await ann.sees(ann=["desk"])
    assert ann.left == ["bob", "cid", "dan"]
    await ann.hears_nothing()


async def three(
    nodes: Nodes, stack: AsyncExitStack, topic: str, third: Any
) -> tuple[Follower, Follower, Follower]:
    """Return a listed client of each of three nodes, all of which see each other."""
    everybody = {"ann": ["desk"], "bob": ["desk"], "cid": ["desk"]}
    followers = [
        await stack.enter_async_context(follow(node, topic, name, "desk"))
        for node, name in zip((nodes.one, nodes.two, third), everybody, strict=True)
    ]
    for one in followers:
        await one.sees(**everybody)
    ann, bob, cid = followers
    return ann, bob, cid


async def test_the_users_of_a_node_that_is_stopped_leave_at_once(
    two_nodes: Nodes, stack: AsyncExitStack, room: str
) -> None:
    """The node says it: without that, its silence would be noticed only after the test."""
    async with two_nodes.another() as third:
        ann, bob, cid = await three(two_nodes, stack, f"steady:{room}", third)
        assert await third.stop() == 0
        assert await cid.client.closed() == (1012, "draining")
        for one in (ann, bob):
            await one.sees(ann=["desk"], bob=["desk"])
            assert one.left == ["cid"]


async def test_a_node_that_is_killed_is_gone_after_a_while(
    two_nodes: Nodes, stack: AsyncExitStack, room: str
) -> None:
    """Its users leave, once. Users of other nodes never leave. Its sessions of polling are gone: 410, and a new one.

    So it is for a poll and for a post, at each of the other nodes.
    """
    async with two_nodes.another() as third:
        ann, bob, _ = await three(two_nodes, stack, f"brief:{room}", third)
        polls = RoundRobin(third, two_nodes.one, two_nodes.two)
        browser = Browser(polls)
        session = await browser.begin()
        while len(polls.seen) < 6:
            assert (await browser.post(session, heartbeat("1")))["status"] == 200
            assert [frame.ref for frame in frames_of(await browser.get(session))] == ["1"]
        third.signal(signal.SIGKILL)
        await third.ended()
        polls.nodes = (two_nodes.one, two_nodes.two)
        assert (
            await asyncio.gather(*(browser.post(session, heartbeat("1")) for _ in polls.nodes))
            == [{"status": 410}] * 2
        )
        for answer in await asyncio.gather(*(browser.get(session) for _ in polls.nodes)):
            assert answer.status == 410
            assert answer.token != session
        for one in (ann, bob):
            await one.sees(ann=["desk"], bob=["desk"])
            assert one.left == ["cid"]
        assert await ann.call("list") == await bob.call("list")
