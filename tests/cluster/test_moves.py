"""Clients that go from node to node: polling through a load balancer, and the drain of a node. One suite for all buses."""

from __future__ import annotations

import asyncio
import base64
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count

import pytest

from bennu.testing.polling import Browser

from ..support.frames import PHX_REPLY, broadcast, encode_v2, frames_of, joining, pushing
from ..support.until import pause
from .fleet import Nodes
from .members import V1, Member, PollEnded, enter, follow, poll
from .nodes import Node, RoundRobin, ask
from .run_js import run_js

ROOMS = count(1)


@pytest.fixture
def room() -> str:
    """A topic that no other test has."""
    return f"room:m{next(ROOMS)}"


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def test_a_client_polls_through_all_nodes(
    nodes: Nodes, stack: AsyncExitStack, room: str
) -> None:
    """Each request goes to the next node: joins, pushes with replies, binary pushes, broadcasts in both directions."""
    balancers = [RoundRobin(nodes.one, nodes.two), RoundRobin(nodes.two, nodes.one)]
    ann = await stack.enter_async_context(enter(nodes.one, room, "ann"))
    bob = await stack.enter_async_context(enter(nodes.two, room, "bob"))
    pam = await poll(balancers[0], room, "pam")
    pete = await poll(balancers[1], room, "pete", vsn=V1)
    everybody = (ann, bob, pam, pete)
    for number in range(4):
        for one in (pam, pete):
            assert await one.call("echo", {"n": number}) == {"n": number}
        said = {"text": f"{number} 🐦"}
        for sender, name in ((ann, "ann"), (bob, "bob"), (pam, "pam"), (pete, "pete")):
            await sender.cast("say", said)
            for one in everybody:
                await one.hears(("said", {**said, "by": name}))
        await pam.cast("say_to_others", said)
        for one in (ann, bob, pete):
            await one.hears(("said", {**said, "by": "pam"}))
        await pam.cast("draw", bytes([number, 255]))
        for one in (ann, bob):  # the answer to a poll can't have bytes
            await one.hears(("drawn", bytes([number, 255])))
    for one in everybody:
        await one.hears_nothing()
    for balancer in balancers:
        for method in ("GET", "POST"):
            assert {node for kind, node in balancer.seen if kind == method} == set(balancer.nodes)
    await pam.leave()
    await ann.cast("say", {"text": "end"})
    for one in (ann, bob, pete):
        await one.hears(("said", {"text": "end", "by": "ann"}))


async def test_a_poll_that_waits_is_answered_by_a_message_of_another_node(
    nodes: Nodes, stack: AsyncExitStack, room: str
) -> None:
    """The session is on one node, the poll waits at the other, and the message comes from either."""
    here, there = RoundRobin(nodes.one), RoundRobin(nodes.two)
    browser = Browser(here, elsewhere=there)
    token = await browser.begin()
    assert await browser.post(token, joining("1", room)) == {"status": 200}
    (joined,) = frames_of(await browser.get(token))
    assert joined[:4] == ("1", "1", room, PHX_REPLY)
    for node in (nodes.one, nodes.two):
        publisher = await stack.enter_async_context(enter(node, room, "ann"))
        waiting = browser.start("GET", token)
        await publisher.call(
            "echo", {}
        )  # the poll is on its way; whether it waits already makes no difference
        await publisher.cast("say", {"text": "now"})
        answer = await waiting.answer()
        assert answer.body == {
            "status": 200,
            "token": token,
            "messages": [encode_v2(broadcast(room, "said", {"text": "now", "by": "ann"}))],
        }


async def test_a_batch_of_posts_keeps_its_order(
    nodes: Nodes, stack: AsyncExitStack, room: str
) -> None:
    """One body with text and binary messages, through the node that does not have the session."""
    browser = Browser(RoundRobin(nodes.one), elsewhere=RoundRobin(nodes.two))
    token = await browser.begin()
    ann = await stack.enter_async_context(enter(nodes.one, room, "ann"))
    bob = await stack.enter_async_context(enter(nodes.two, room, "bob"))
    head = [b"1", b"2", room.encode(), b"draw"]
    drawn = bytes([0, *map(len, head)]) + b"".join(head) + b"\x00\xfe"
    status = await browser.post(
        token,
        joining("1", room),
        pushing("1", "3", room, "say", {"text": "first"}),
        base64.b64encode(drawn).decode(),
        pushing("1", "4", room, "say", {"text": "last"}),
    )
    assert status == {"status": 200}
    for one in (ann, bob):
        await one.hears(
            ("said", {"text": "first", "by": "somebody"}),
            ("drawn", b"\x00\xfe"),
            ("said", {"text": "last", "by": "somebody"}),
        )


async def test_disconnect_by_id_ends_sessions_of_other_nodes(
    nodes: Nodes, stack: AsyncExitStack, room: str
) -> None:
    """A waiting poll is answered 500, and a later poll begins a new session."""
    name = f"user of {room}"
    ann = await stack.enter_async_context(enter(nodes.two, room, "ann"))
    pam = await poll(RoundRobin(nodes.one, nodes.two), room, name)
    hearing = asyncio.ensure_future(pam.next())
    await ann.call("disconnect", {"id": f"users:{name}"})
    with pytest.raises(PollEnded) as ended:
        await hearing
    assert ended.value.status in (410, 500)
    with pytest.raises(PollEnded) as ended:
        await pam.next()
    assert ended.value.status == 410


async def ready(node: Node) -> int:
    """Return the status of a node's page for load balancers."""
    status, _, _ = await ask(node.server, "GET", "/health/ready", [(b"host", b"127.0.0.1")], b"")
    return status


async def test_a_node_that_drains_hands_over_its_clients(
    two_nodes: Nodes, stack: AsyncExitStack, room: str
) -> None:
    """Its page says so first. Its clients get 1012, join on another node, and hear the same room. Others notice nothing."""
    one, two = two_nodes.one, two_nodes.two
    people = f"steady:{room}"
    async with two_nodes.another("--drain-delay", "1.5") as leaving:
        assert [await ready(node) for node in (one, two, leaving)] == [200, 200, 200]
        staying = [
            await stack.enter_async_context(enter(node, room, name))
            for node, name in ((one, "ann"), (two, "bob"))
        ]
        watching = await stack.enter_async_context(follow(one, people, "ann", "desk"))
        moving = await stack.enter_async_context(enter(leaving, room, "cid"))
        listed = await stack.enter_async_context(follow(leaving, people, "cid", "desk"))
        polls = RoundRobin(leaving, one, two)
        polling = await poll(polls, room, "pam")
        await watching.sees(ann=["desk"], cid=["desk"])

        leaving.signal(signal.SIGTERM)
        while await ready(leaving) == 200:
            await pause()
        assert [await ready(node) for node in (one, two)] == [200, 200]
        await moving.cast("say", {"text": "still here"})  # within the delay
        for member in (*staying, moving, polling):
            await member.hears(("said", {"text": "still here", "by": "cid"}))
        assert await moving.client.closed() == (1012, "draining")
        while await listed.client.receive_or_close() is not None:
            pass
        assert listed.client.websocket.close_code == 1012
        assert await leaving.ended() == 0
        await watching.sees(ann=["desk"])

        polls.nodes = (one, two)
        with pytest.raises(PollEnded):
            await polling.next()
        back: list[Member] = [
            await stack.enter_async_context(enter(two, room, "cid")),
            await poll(polls, room, "pam"),
        ]
        await stack.enter_async_context(follow(two, people, "cid", "desk"))
        await watching.sees(ann=["desk"], cid=["desk"])
        assert watching.left == ["cid"]
        for number, member in enumerate((*staying, *back)):
            await member.cast("say", {"text": str(number)})
            name = ("ann", "bob", "cid", "pam")[number]
            for other in (*staying, *back):
                await other.hears(("said", {"text": str(number), "by": name}))
        for member in (*staying, *back, watching):
            await member.hears_nothing()
        assert [await ready(node) for node in (one, two)] == [200, 200]


@pytest.mark.interop
@pytest.mark.parametrize(
    "package", ["phoenix", pytest.param("phoenix-1.7", marks=pytest.mark.long)]
)
@pytest.mark.parametrize("transport", ["global", "ws"])
async def test_phoenix_js_on_two_nodes(
    nodes: Nodes, room: str, package: str, transport: str
) -> None:
    """The stock client, unmodified: a chat, presences, a disconnect, and its fallback to long polling through both nodes."""
    seen = await run_js(
        "cluster",
        *(nodes.one.server.url(""), package, transport, nodes.two.server.url("")),
        *("steady", room.removeprefix("room:")),
    )
    assert seen["heard"] == {
        "ann": ["ann: hello", "bob: Grüße 🐦", "0001feff", "ann: bye"],
        "bob": ["ann: hello", "bob: Grüße 🐦", "ann: psst", "0001feff", "07", "ann: bye"],
    }
    two = {"cid": ["phone"], "dan": ["desk"]}
    assert seen["two"] == {"phone": two, "desk": two}
    assert seen["update"] == [
        ["join", "dan", ["desk"], ["desk, away"]],
        ["leave", "dan", ["desk, away"], ["desk"]],
    ]
    assert seen["one device less"] == [["leave", "cid", ["phone"], ["tablet"]]]
    assert seen["left"] == [["leave", "dan", [], ["desk, away"]]]
    assert seen["disconnected"] == [1001]
    assert seen["back"] == "ann: welcome back"
    if package == "phoenix":
        assert seen["fell back"] is True
        said = [f"{name}: {number}" for number in range(1, 5) for name in ("ann", "bob", "pam")]
        ways = [
            f"{method} {node}" for method in ("GET", "POST") for node in range(len(nodes.processes))
        ]
        assert seen["polled"] == {"texts": said, "ways": ways, "drawn": "09"}
