"""A connection: the meaning of each message, and its answer."""

from __future__ import annotations

from typing import Any

import pytest

from ..support.frames import encode_v2, error, pushing, reply
from ..support.memory import Version, both_versions, endpoint_of, serve
from .rooms import CHANNELS


@both_versions
@pytest.mark.conformance("WS035", "SK002")
async def test_a_join_that_no_pattern_matches(version: Version) -> None:
    """The client gets an error reply without join_ref. One warning names the patterns."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(version=version)
        client.start_join("attic:1", ref="1")
        await client.expect(reply(None, "1", "attic:1", error("unmatched topic")))
        server.logged("'attic:1'", "['room:*', 'slow:*']", level=30)


@pytest.mark.parametrize("event", [5, None, ["echo"], {"a": 1}])
async def test_an_event_that_is_no_text_is_unknown(event: Any) -> None:
    """The channel goes on. In Phoenix it would crash."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect()
        await client.join("room:1")
        client.push("room:1", event)
        await client.expect(reply("1", "2", "room:1", error("unknown_event")))


# Binary frames.


@pytest.mark.conformance("OB006")
async def test_a_payload_may_be_null() -> None:
    """The handler gets None, and a reply can be null."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect()
        await client.join("room:1")
        message = pushing("1", "2", "room:1", "echo")
        client.wire.send(encode_v2(message._replace(payload=None)))
        await client.expect(reply("1", "2", "room:1", {"status": "ok", "response": None}))
