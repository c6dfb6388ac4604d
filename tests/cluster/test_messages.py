"""Messages between nodes: a chat, interceptors, listeners, disconnects by id. One suite for all buses."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any, Final
from unittest.mock import ANY

import pytest

from bennu.testing.polling import Browser

from ..support.frames import PHX_REPLY, broadcast, closed, frames_of, heartbeat, joining, ok, reply
from ..support.wire import Phoenix, connect
from .fleet import Nodes
from .members import V1, V2, Member, enter, follow, poll
from .nodes import RoundRobin

TOPICS = count(1)

SAID: Final = {"text": "Grüße 🐦", "by": "ann"}
FRAMES: Final[dict[str, tuple[str, Any, str, Any]]] = {
    "broadcast": ("say", {"text": SAID["text"]}, "said", SAID),
    "broadcast_from": ("say_to_others", {"text": SAID["text"]}, "said", SAID),
    "binary broadcast": ("draw", b"\x00\xfe\xff", "drawn", b"\x00\xfe\xff"),
    "empty binary broadcast": ("draw", b"", "drawn", b""),
}
"""What a client of the first node makes its channel do (event and payload), and the broadcast (event and payload) that
Phoenix then sends to the clients of another node. Bytes are sent to V2 clients alone, and not in the answer to a poll.
The protocol document, §2.2-2.4, §3.5, §4.6 and §7."""


@pytest.fixture
def number() -> int:
    """A number that no other test has, for its topic: tests with one bus share their nodes."""
    return next(TOPICS)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def room(nodes: Nodes, number: int, stack: AsyncExitStack) -> list[Member]:
    """A V2 and a V1 client on each node, in one room: ann and abe on the first node, bob and bea on the second."""
    places = [
        ("ann", nodes.one, V2),
        ("abe", nodes.one, V1),
        ("bob", nodes.two, V2),
        ("bea", nodes.two, V1),
    ]
    return [
        await stack.enter_async_context(enter(node, f"room:{number}", name, vsn=vsn))
        for name, node, vsn in places
    ]


async def test_a_chat_across_nodes(room: list[Member], nodes: Nodes) -> None:
    """All clients of the room get each message, once and in order."""
    assert len({member.node for member in room}) == len(nodes.processes)
    payloads: list[dict[str, Any]] = []
    for member, name in zip(room, ("ann", "abe", "bob", "bea"), strict=True):
        for text in ("hello", "Grüße, 世界 🐦", ""):
            await member.cast("say", {"text": text})
            payloads.append({"text": text, "by": name})
            for one in room:
                await one.hears(("said", payloads[-1]))
    for one in room:
        await one.hears_nothing()


async def test_broadcast_from_leaves_out_only_the_sender(room: list[Member]) -> None:
    """Clients of the sender's node and of the other node get the message."""
    for sender, name in zip(room, ("ann", "abe", "bob", "bea"), strict=True):
        await sender.cast("say_to_others", {"text": "psst"})
        for one in room:
            if one is not sender:
                await one.hears(("said", {"text": "psst", "by": name}))
        await sender.hears_nothing()
    ann = room[0]
    await ann.cast("say", {"text": "end"})
    for one in room:  # what went to others would have come before this
        await one.hears(("said", {"text": "end", "by": "ann"}))


async def test_binary_messages_cross_unchanged(room: list[Member]) -> None:
    """V2 clients get bytes. V1 clients can't, and go on."""
    ann, abe, bob, bea = room
    content = bytes(range(256)) * 300
    await ann.cast("draw", content)
    await bob.cast("draw", b"")
    await bob.cast("draw_for_others", b"\x00\xff")
    for one in (ann, bob):
        heard = [(await one.next())[3:] for _ in range(3 if one is ann else 2)]
        # Two publishers have no common order.
        assert ("drawn", content) in heard
        assert ("drawn", b"") in heard
        assert heard.count(("drawn", b"\x00\xff")) == (one is ann)
    for one in room:
        await one.hears_nothing()
    await abe.cast("say", {"text": "still here"})
    for one in (abe, bea):
        await one.hears(("said", {"text": "still here", "by": "abe"}))


async def test_local_broadcasts_stay_on_their_node(room: list[Member], two_nodes: Nodes) -> None:
    """A `local_broadcast` is not sent to other nodes."""
    ann, abe, bob, bea = room
    await ann.cast("say_here", {"text": "here"})
    await ann.cast("say", {"text": "everywhere"})
    for one in (ann, abe):
        await one.hears(("said", {"text": "here", "by": "ann"}))
    for one in (ann, abe, bob, bea):
        await one.hears(("said", {"text": "everywhere", "by": "ann"}))


async def test_a_burst_keeps_the_order_of_each_publisher(
    room: list[Member], nodes: Nodes, number: int
) -> None:
    """Two clients on two nodes have 500 messages broadcast at the same time. A client that polls gets them too."""
    ann, abe, bob, _ = room
    many = 500
    everybody = [*room, await poll(RoundRobin(nodes.one, nodes.two), ann.topic, "pam")]
    publishers = [("ann", ann), ("abe", abe), ("bob", bob)]
    await asyncio.gather(*(member.cast("burst", {"count": many}) for _, member in publishers))

    async def listen(member: Member) -> dict[str, list[int]]:
        numbers = defaultdict(list)
        for _ in range(many * len(publishers)):
            frame = await member.next()
            assert (frame.topic, frame.event) == (f"room:{number}", "tick")
            numbers[frame.payload["by"]].append(frame.payload["n"])
        return numbers

    for numbers in await asyncio.gather(*map(listen, everybody)):
        assert numbers == {name: list(range(many)) for name, _ in publishers}


async def test_a_large_message_crosses(room: list[Member]) -> None:
    """Messages beyond the limits of a broker's packets arrive whole: 7,999, 8,000 and 300,000 bytes."""
    ann, _, bob, bea = room
    for size in (7_999, 8_000, 300_000):
        text = "ä" * (size // 2)
        await ann.cast("say", {"text": text})
        for one in (bob, bea):
            await one.hears(("said", {"text": text, "by": "ann"}))
    await bob.cast("draw", bytes(300_000))
    while (await ann.next()).event != "drawn":
        pass


async def test_odd_topics_cross(nodes: Nodes, stack: AsyncExitStack, number: int) -> None:
    """A topic can be any text that a client can write."""
    for name in ("a b", "a.b.*.>", "größe 🐦", "\r\n\0", "'; --", "x" * 200, "{tag}", "%s"):
        topic = f"room:{number}{name}"
        ann = await stack.enter_async_context(enter(nodes.one, topic, "ann"))
        bob = await stack.enter_async_context(enter(nodes.two, topic, "bob"))
        await ann.cast("say", {"text": name})
        for one in (ann, bob):
            await one.hears(("said", {"text": name, "by": "ann"}))


async def test_interceptors_run_on_each_node(
    nodes: Nodes, stack: AsyncExitStack, number: int
) -> None:
    """An `@on_out` gets its payload type, has the state of its own channel, and can be left out as the sender."""
    topic = f"out:{number}"
    ann = await stack.enter_async_context(enter(nodes.one, topic, "ann"))
    bob = await stack.enter_async_context(enter(nodes.two, topic, "bob"))
    bea = await stack.enter_async_context(enter(nodes.two, topic, "bea", vsn=V1))

    def said(text: str, to: str, seen: int) -> tuple[str, Any]:
        return "said", {"text": text, "to": to, "seen": seen}

    await bob.cast("say_to_others", {"text": "one"})
    await ann.hears(said("one", "ann", 1))
    await bea.hears(said("one", "bea", 1))
    await ann.cast("say", {"text": "two"})
    await ann.hears(said("two", "ann", 2))
    await bob.hears(said("two", "bob", 1))
    await bea.hears(said("two", "bea", 2))
    await bea.leave()
    await ann.cast("draw", b"\x07")
    await ann.hears(("drawn", b"\x07\x03"))
    await bob.hears(("drawn", b"\x07\x02"))


async def test_channels_hear_broadcasts_and_typed_messages_of_other_nodes(
    nodes: Nodes, stack: AsyncExitStack, number: int
) -> None:
    """An `@on_info` gets a Broadcast of its topic, and a message of its type as an object of this type."""
    ann = await stack.enter_async_context(enter(nodes.one, f"desk:{number}", "ann"))
    bob = await stack.enter_async_context(enter(nodes.two, f"desk:{number}b", "bob"))
    for one in (ann, bob):
        await one.hears(("listens", {}))
    await ann.cast("price", {"symbol": "ACME", "cents": 700})
    await ann.cast("news", {"text": "up"})
    await ann.cast("photo", b"\x01\xff")
    for one in (ann, bob):
        await one.hears(
            ("price", {"symbol": "ACME", "cents": 700}),
            ("heard", {"event": "news", "payload": {"text": "up"}}),
            ("heard", {"event": "photo", "payload": {"hex": "01ff"}}),
        )


async def test_listeners_of_the_lifespan_hear_typed_messages_of_other_nodes(
    nodes: Nodes, stack: AsyncExitStack
) -> None:
    """A registered type arrives as an object of this type, and JSON values as they are."""
    ann = await stack.enter_async_context(enter(nodes.one, "audit:orders", "ann"))
    bob = await stack.enter_async_context(enter(nodes.two, "audit:orders", "bob"))
    order = {"number": 7, "items": ["tea", "Brötchen"]}
    sent: list[tuple[str, str, Any]] = [
        ("order", "Order", order),
        ("plain", "dict", {"a": [1, None, True]}),
    ]
    seen_on = set()
    for event, name, message in sent:
        await ann.cast(event, message)
        for one in (ann, bob):
            frame = await one.next()
            assert frame.event == "audited"
            seen_on.add(frame.payload.pop("node"))
            assert frame.payload == {"type": name, "message": message}
    assert len(seen_on) == len(nodes.processes)


async def test_disconnect_by_id_closes_connections_of_all_nodes(
    nodes: Nodes, stack: AsyncExitStack, number: int
) -> None:
    """All devices of the user get 1001, also a session of polling. Others stay, also one whose token expires later."""
    topic, name = f"room:{number}", f"eve{number}"
    here = await stack.enter_async_context(enter(nodes.one, topic, name))
    there = await stack.enter_async_context(enter(nodes.two, topic, name, vsn=V1))
    late = await stack.enter_async_context(enter(nodes.two, topic, name, expires=3600))
    others = [
        await stack.enter_async_context(enter(node, topic, "ann", expires=expires))
        for node in (nodes.one, nodes.two)
        for expires in (None, 3600)
    ]
    bare = await stack.enter_async_context(connect(nodes.two.server, params={"name": name}))
    await others[0].call("disconnect", {"id": f"users:{name}"})
    for client in (here.client, there.client, late.client, bare):
        assert await client.closed() == (1001, "")
    await others[0].cast("say", {"text": "gone"})
    for one in others:
        await one.hears(("said", {"text": "gone", "by": "ann"}))
    again = await stack.enter_async_context(enter(nodes.two, topic, name))
    await again.hears_nothing()


async def test_tokens_expire_as_without_a_bus(
    nodes: Nodes, stack: AsyncExitStack, number: int
) -> None:
    """A connection ends with 4001 when its token expires. No message of a bus is needed for it."""
    topic = f"room:{number}"
    ann = await stack.enter_async_context(enter(nodes.one, topic, "ann"))
    bob = await stack.enter_async_context(enter(nodes.two, topic, "bob", expires=1.5))
    await ann.cast("say", {"text": "soon"})
    for one in (ann, bob):
        await one.hears(("said", {"text": "soon", "by": "ann"}))
    while (closed := await closed_or_next(bob.client)) is None:
        pass
    assert closed == 4001
    await ann.hears_nothing()


async def closed_or_next(client: Phoenix) -> int | None:
    """Wait for a message or the close; return the code of the close."""
    if await client.receive_or_close() is not None:
        return None
    return client.websocket.close_code


async def test_a_join_is_answered_only_when_the_topic_is_heard(
    nodes: Nodes, stack: AsyncExitStack, number: int
) -> None:
    """A message that another node publishes after the reply arrives. Each topic is new to the node."""
    publisher = await stack.enter_async_context(enter(nodes.one, f"room:{number}"))
    client = await stack.enter_async_context(connect(nodes.two.server))
    for topic in (f"room:{number}.{part}" for part in range(90)):
        assert (await client.join(topic))["status"] == "ok"
        await publisher.call("publish", [topic])
        frame = await client.receive()
        assert frame == broadcast(topic, "published", {"topic": topic})


async def test_many_joins_at_once_are_answered_when_their_topics_are_heard(
    nodes: Nodes, stack: AsyncExitStack, number: int
) -> None:
    """The joins of one moment share a request to the bus."""
    publisher = await stack.enter_async_context(enter(nodes.one, f"room:{number}"))
    topics = [f"room:{number}.{part}" for part in range(60)]
    clients = [
        await stack.enter_async_context(connect(nodes.two.server))
        for _ in range(0, len(topics), 10)
    ]

    async def join(client: Phoenix, joined: list[str]) -> None:
        for ref, topic in enumerate(joined):
            await client.start_join(topic, ref=str(ref))
        for _ in joined:
            answer = await client.receive()
            assert answer.payload["status"] == "ok"

    shares = [topics[start : start + 10] for start in range(0, len(topics), 10)]
    await asyncio.gather(*map(join, clients, shares))
    await publisher.call("publish", topics)
    for client, share in zip(clients, shares, strict=True):
        heard = [(await client.receive()).topic for _ in share]
        assert sorted(heard) == sorted(share)


async def test_a_process_that_serves_no_clients_publishes(
    two_nodes: Nodes, stack: AsyncExitStack, number: int
) -> None:
    """Broadcasts, bytes, a burst, typed messages and a disconnect of a Celery-like process reach the clients of all nodes."""
    topic, name = f"room:{number}", f"eve{number}"
    members, desks, audits, leaving = [], [], [], []
    for node in (two_nodes.one, two_nodes.two):
        members.append(await stack.enter_async_context(enter(node, topic, "ann")))
        desks.append(await stack.enter_async_context(enter(node, f"desk:{number}", "bob")))
        audits.append(await stack.enter_async_context(enter(node, "audit:orders", "cid")))
        leaving.append(await stack.enter_async_context(enter(node, f"room:{number}b", name)))
    for desk in desks:
        await desk.hears(("listens", {}))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.cluster.publish", topic, name),
        cwd=Path(__file__).parents[2],
        env={**os.environ, "BENNU_PUBSUB": two_nodes.bus.address(2)},
    )
    assert await process.wait() == 0
    for member in members:
        await member.hears(
            ("said", {"text": "from a task", "by": "celery"}), ("drawn", b"\x00\xff")
        )
        await member.hears(*(("tick", {"n": count}) for count in range(100)))
        await member.hears_nothing()
    for desk in desks:
        await desk.hears(("price", {"symbol": "ACME", "cents": 700}))
    for audit in audits:
        frame = await audit.next()
        assert (frame.payload["type"], frame.payload["message"]["number"]) == ("Order", 1)
    for one in leaving:
        assert await one.client.closed() == (1001, "")


async def test_the_frames_to_clients_of_another_node_are_those_of_phoenix(
    nodes: Nodes, stack: AsyncExitStack, number: int
) -> None:
    """Frame by frame: broadcasts, their polls through another node, a graceful leave, and a disconnect.

    A text is compared as its JSON, because the order of keys is free.
    """
    topic, name = f"room:{number}", f"eve{number}"
    ann = await stack.enter_async_context(enter(nodes.one, topic, "ann"))
    clients = [
        (await stack.enter_async_context(enter(nodes.two, topic, name, vsn=vsn))).client
        for vsn in (V2, V1)
    ]
    browser = Browser(RoundRobin(nodes.one), elsewhere=RoundRobin(nodes.two))
    token = await browser.begin()
    assert await browser.post(token, joining("1", topic)) == {"status": 200}
    assert [frame.event for frame in frames_of(await browser.get(token))] == [PHX_REPLY]

    for what, (event, payload, *heard) in FRAMES.items():
        await ann.cast(event, payload)
        frame = broadcast(topic, *heard)
        has_bytes = isinstance(frame.payload, bytes)
        for client in clients[:1] if has_bytes else clients:
            assert (what, await client.receive()) == (what, frame)
        if not has_bytes:  # §4.3
            answer = await browser.get(token)
            assert (what, frames_of(answer)) == (what, [frame])
            assert answer.body == {"status": 200, "token": token, "messages": ANY}

    # A graceful leave: its own frames, §2.11, and the diff on the other node at once, §6.1 and §6.8.
    people = f"steady:{number}"
    watching = await stack.enter_async_context(follow(nodes.two, people))
    leaving = await stack.enter_async_context(follow(nodes.one, people, "ann", "desk"))
    await watching.sees(ann=["desk"])
    await leaving.sees(ann=["desk"])
    (ref,) = leaving.presence.refs()["ann"]
    await leaving.client.leave(people, ref="9")
    await leaving.client.expect(reply("1", "9", people, ok()), closed("1", people))
    left = {"ann": {"metas": [{"device": "desk", "phx_ref": ref}]}}
    diff = broadcast(people, "presence_diff", {"joins": {}, "leaves": left})
    await watching.client.expect(diff)

    # A disconnect by id: a close frame, and nothing before it, §1.13. An end of the session, §4.7.
    await ann.call("disconnect", {"id": f"users:{name}"})
    for client in clients:
        assert await client.closed() == (1001, "")
    await ann.call("disconnect", {"id": "users:somebody"})
    assert await browser.post(token, heartbeat("1")) == {"status": 410}
    assert (await browser.get(token)).status == 410
