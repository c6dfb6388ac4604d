"""A connection: what each message means, and what is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ..support.memory import (
    Over,
    Version,
    both_transports,
    both_versions,
    endpoint_of,
    error,
    ok,
    serve,
)
from .rooms import CHANNELS

# Messages that need no channel.


@both_transports
@both_versions
@pytest.mark.conformance("WS033")
async def test_a_heartbeat_is_answered_without_a_join(over: Over, version: Version) -> None:
    """Its reply has no join_ref, even if the heartbeat had one."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(over=over, version=version)
        client.send(None, "1", "phoenix", "heartbeat")
        client.send("7", "2", "phoenix", "heartbeat")
        await client.expect(
            (None, "1", "phoenix", "phx_reply", ok()), (None, "2", "phoenix", "phx_reply", ok())
        )


@both_versions
@pytest.mark.conformance("WS026")
async def test_an_event_on_a_topic_that_was_not_joined(version: Version) -> None:
    """An error reply, with the ref and without join_ref."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(version=version)
        client.send("1", "2", "room:1", "echo")
        await client.expect((None, "2", "room:1", "phx_reply", error("unmatched topic")))


async def test_a_leave_of_what_was_not_joined_is_well() -> None:
    """The reply has the refs of the leave, also for a topic that no pattern matches."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect()
        client.send("1", "2", "room:1", "phx_leave")
        client.send("1", "3", "nowhere", "phx_leave")
        await client.expect(
            ("1", "2", "room:1", "phx_reply", ok()), ("1", "3", "nowhere", "phx_reply", ok())
        )


@both_versions
@pytest.mark.conformance("WS035", "SK002")
async def test_a_join_that_no_pattern_matches(version: Version) -> None:
    """An error reply without join_ref, and one warning that names the patterns."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(version=version)
        client.send("1", "1", "attic:1", "phx_join")
        await client.expect((None, "1", "attic:1", "phx_reply", error("unmatched topic")))
        server.logged("'attic:1'", "['room:*', 'slow:*']", level=30)


@pytest.mark.conformance("OB005")
@pytest.mark.parametrize("ref", [7, None, "07", "é" * 64, 2**63 - 1, -(2**63)])
async def test_refs_are_echoed_as_they_came(ref: Any) -> None:
    """Null, an integer of 64 bits, or a text of at most 128 bytes."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect()
        client.send(ref, 1, "room:1", "phx_join")
        client.send(ref, ref, "room:1", "echo", {"a": 1})
        join_ref = 1 if ref is None else ref
        await client.expect(
            (ref, 1, "room:1", "phx_reply", ok()),
            (join_ref, ref, "room:1", "phx_reply", ok({"a": 1})),
        )


@pytest.mark.parametrize("topic", [5, None, ["room:1"], {"a": 1}])
async def test_a_topic_that_is_no_text_matches_nothing(topic: Any) -> None:
    """It is echoed, as every unmatched topic."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect()
        client.send("1", "1", topic, "phx_join")
        await client.expect((None, "1", topic, "phx_reply", error("unmatched topic")))
        server.logged("unmatched topic", level=30)
        client.send("1", "2", topic, "echo")
        await client.expect((None, "2", topic, "phx_reply", error("unmatched topic")))


@pytest.mark.parametrize("event", [5, None, ["echo"], {"a": 1}])
async def test_an_event_that_is_no_text_is_unknown(event: Any) -> None:
    """The channel lives on, where it would crash in Phoenix."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect()
        await client.join("room:1")
        client.push("room:1", event)
        await client.expect(("1", "2", "room:1", "phx_reply", error("unknown_event")))


@pytest.mark.conformance("OB006")
@pytest.mark.parametrize("payload", [5, None, "text", [1, 2], True])
async def test_payloads_that_are_no_objects_reach_the_handler(payload: Any) -> None:
    """In V2 an incoming payload is any JSON value, and so is a reply's response."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect()
        await client.join("room:1")
        client.wire.send(f'["1","2","room:1","echo",{json.dumps(payload)}]')
        await client.expect(
            ("1", "2", "room:1", "phx_reply", {"status": "ok", "response": payload})
        )


# Binary frames.


@both_transports
@pytest.mark.conformance("OB003", "OB004")
async def test_heartbeat_and_join_as_binary_frames(over: Over) -> None:
    """They work; but a join_ref of no length is text, and so is no wildcard."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(over=over)
        client.send(None, "1", "phoenix", "heartbeat", b"")
        client.send("2", "2", "room:1", "phx_join", b"")
        client.send("", "3", "room:1", "echo", b"dropped")
        client.send("2", "4", "room:1", "echo", b"\x00\xff")
        await client.expect(
            (None, "1", "phoenix", "phx_reply", ok()),
            ("2", "2", "room:1", "phx_reply", ok()),
            ("2", "4", "room:1", "phx_reply", ok(b"\x00\xff")),
        )


@both_transports
@pytest.mark.conformance("WS040", "WS041")
async def test_binary_events_and_replies(over: Over) -> None:
    """A reply, a push and a broadcast of bytes are binary frames."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(over=over)
        await client.join("room:1")
        for event in ("echo", "tell", "shout"):
            client.push("room:1", event, b"\x07")
        await client.expect(
            ("1", "2", "room:1", "phx_reply", ok(b"\x07")),
            ("1", None, "room:1", "tell", b"\x07"),
            (None, None, "room:1", "shout", b"\x07"),
        )
