"""Limits on values that a client chooses: refs, topics, events, and the number of values in a payload."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bennu import Channel, Ok, on

from ..support.frames import error, ok, reply
from ..support.memory import Over, Version, all_transports, both_versions, endpoint_of, serve


class Room(Channel[Any]):
    """A channel with one event, whose pattern matches any topic."""

    @on("echo")
    async def echo(self, payload: Any) -> Ok:
        return Ok(payload)


class Anything(Channel[Any]):
    """A channel that handles every event."""

    async def handle_in(self, event: str, payload: Any) -> Ok:
        return Ok(len(event))


CHANNELS = {"room:*": Room, "any:*": Anything}


def too_long(most: int) -> Any:
    """Return the reply to a topic or event that is too long."""
    return error({"reason": "too_long", "max_bytes": most})


@both_versions
@all_transports
async def test_a_topic_or_event_has_at_most_so_many_bytes(over: Over, version: Version) -> None:
    """A longer text gets an error reply with its refs, and the connection goes on."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(over=over, version=version)
        longest = "room:" + "é" * 509 + "x"
        assert len(longest.encode()) == 1024
        assert await client.join(longest) == ok()
        assert await client.join(longest + "x") == too_long(1024)
        assert await client.join("any:1") == ok()
        assert await client.call("any:1", "é" * 128) == ok(128)
        assert await client.call("any:1", "é" * 128 + "x") == too_long(256)
        assert await client.call(longest, "é" * 128 + "x") == error("unknown_event")
        client.close()


@both_versions
@all_transports
@pytest.mark.parametrize(
    "ref", ["x" * 129, "é" * 65, 2**63, 1.5, True, [], {}, [[]] * 100], ids=str
)
@pytest.mark.parametrize("kind", ["join", "join_ref", "push", "heartbeat"])
async def test_a_ref_is_short(over: Over, version: Version, ref: Any, kind: str) -> None:
    """A long ref ends the connection, since an answer would have to repeat it."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(over=over, version=version)
        assert await client.join("room:1") == ok()
        if kind == "join":
            client.start_join("room:2", ref=ref, join_ref="2")
        elif kind == "join_ref":
            client.start_join("room:2", ref="2", join_ref=ref)
        elif kind == "push":
            client.push("room:1", "echo", ref=ref)
        else:
            client.heartbeat(ref)
        code = await client.closed()
        assert code in (1011, None if over == "native" else code)
        server.logged("undecodable frame", level=30)


async def test_a_ref_of_the_longest_is_echoed() -> None:
    """The longest ref has 128 bytes, on every transport."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect()
        ref = "é" * 64
        client.start_join("room:1", ref=ref)
        await client.expect(reply(ref, ref, "room:1", ok()))


async def test_a_binary_message_has_the_same_sizes() -> None:
    """Its header could have 255 bytes for each part."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect()
        assert await client.join("any:1") == ok()
        client.wire.send(bytes((0, 1, 129, 5, 4)) + b"1" + b"r" * 129 + b"any:1" + b"blob")
        assert await client.closed() == 1011
        server.logged("at most 128 bytes", level=30)


async def test_sizes_can_be_set() -> None:
    """Each size can be set for one socket."""
    sizes: dict[str, Any] = {
        "max_ref_size": 200,
        "max_topic_size": 10,
        "max_event_size": 5,
        "max_values": 300,
    }
    async with serve(endpoint_of(CHANNELS, **sizes)) as server:
        client = await server.connect()
        client.start_join("room:1", ref="r" * 200, join_ref="1")
        await client.expect(reply("1", "r" * 200, "room:1", ok()))
        assert await client.join("room:123456") == too_long(10)
        assert await client.join("any:1") == ok()
        assert await client.call("any:1", "events") == too_long(5)
        client.push("any:1", "list", [[]] * 150)
        assert await client.closed() == 1011
        server.logged("more than 300 values", level=30)


@both_versions
@pytest.mark.parametrize("member", [2, 3], ids=["topic", "event"])
async def test_an_array_or_object_is_as_short_as_a_text(version: Version, member: int) -> None:
    """A short array or object matches nothing. A long one ends the connection."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(version=version)
        parts: list[Any] = ["1", "1", "nothing", "nothing"]
        parts[member] = [{}] * 50
        client.send(*parts)
        await client.expect(reply(None, "1", parts[2], error("unmatched topic")))
        parts[member] = [{}] * 1000
        client.send(*parts)
        assert await client.closed() == 1011
        server.logged("is text of at most", level=30)


@both_versions
@all_transports
async def test_a_message_has_at_most_so_many_values(over: Over, version: Version) -> None:
    """A message that would take hundreds of megabytes is never decoded."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(over=over, version=version)
        assert await client.join("room:1") == ok()
        text = json.dumps("[],\\" * 300_000)
        client.push("room:1", "echo", text)
        assert (await client.receive(within=30)).payload == ok(text)
        client.push("room:1", "echo", [[]] * 50_000)
        await client.closed(within=30)
        server.logged("more than 50000 values", level=30)
