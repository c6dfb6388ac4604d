"""Joins on a connection: duplicates, limits, and messages for an earlier channel of the topic."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from bennu import Channel, Error, Ok, on
from tests.support.clock import work

from ..support.frames import broadcast, closed, error, ok, push, reply
from ..support.memory import (
    Over,
    Version,
    all_transports,
    both_transports,
    both_versions,
    endpoint_of,
    serve,
)
from .rooms import CHANNELS, Room, ended


@all_transports
@both_versions
@pytest.mark.conformance("WS002", "WS004", "WS042")
async def test_the_frames_of_a_joined_channel(over: Over, version: Version) -> None:
    """Replies and pushes have the join_ref in V2, and no frame has it in V1. Broadcasts have no refs."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(over=over, version=version)
        client.start_join("room:1", ref="1", join_ref="33")
        await client.expect(reply("33", "1", "room:1", ok()))
        for ref, event in (("12", "echo"), ("3", "tell"), ("4", "shout")):
            client.push("room:1", event, {"a": 1}, ref=ref)
        await client.expect(
            reply("33", "12", "room:1", ok({"a": 1})),
            push("33", "room:1", "tell", {"a": 1}),
            broadcast("room:1", "shout", {"a": 1}),
        )


@pytest.mark.conformance("WS009")
async def test_the_number_of_channels_can_be_limited() -> None:
    """A leave makes room."""
    async with serve(endpoint_of(CHANNELS, max_channels=1)) as server:
        client = await server.connect()
        assert await client.join("room:1") == ok()
        assert await client.join("room:2") == error("too many channels joined")
        server.logged("Socket(max_channels=...)", level=logging.WARNING)
        client.leave("room:1")
        await client.receive()
        await client.receive()
        assert await client.join("room:2") == ok()


@all_transports
@pytest.mark.conformance("OB008", "WS031")
async def test_a_duplicate_join_replaces_the_old_channel(over: Over) -> None:
    """The reply to the new join comes first, then the close of the old channel, whose terminate did not run."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(over=over)
        client.start_join("room:1", ref="1")
        client.start_join("room:1", ref="5")
        await client.expect(
            reply("1", "1", "room:1", ok()),
            reply("5", "5", "room:1", ok()),
            closed("1", "room:1"),
        )
        assert ended == []
        client.push("room:1", "echo", ref="6")
        await client.expect(reply("5", "6", "room:1", ok()))


@pytest.mark.parametrize("join_ref", ["1", None, "9"])
async def test_any_join_ref_makes_a_duplicate_join(join_ref: Any) -> None:
    """The old join_ref, or none, does too."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect()
        client.start_join("room:1", ref="1")
        client.start_join("room:1", ref="2", join_ref=join_ref)
        await client.expect(
            reply("1", "1", "room:1", ok()),
            reply(join_ref, "2", "room:1", ok()),
            closed("1", "room:1"),
        )


async def test_a_duplicate_join_that_matches_no_more_still_closes_the_old_one() -> None:
    """The order is the same for every answer to the new join."""

    class Once(Channel[Any]):
        joins = 0

        async def join(self) -> Any:
            Once.joins += 1
            return None if Once.joins == 1 else Error({"reason": "once"})

    async with serve(endpoint_of({"once": Once})) as server:
        client = await server.connect()
        client.start_join("once", ref="1")
        client.start_join("once", ref="2")
        await client.expect(
            reply("1", "1", "once", ok()),
            reply("2", "2", "once", error("once")),
            closed("1", "once"),
        )


async def test_a_duplicate_join_lets_a_leave_under_way_through() -> None:
    """The leave is answered first, and then the join. Nothing is cancelled."""

    class Lingering(Room):
        async def terminate(self, reason: Any) -> None:
            await work(2)
            ended.append((self.topic, reason))

        @on("work")
        async def work(self) -> Any:
            await work(1)
            return Ok()

    async with serve(endpoint_of({"a": Lingering})) as server:
        client = await server.connect()
        client.start_join("a", ref="1")
        client.push("a", "work", ref="2")
        client.leave("a", ref="3")
        client.start_join("a", ref="4")
        await client.expect(
            reply("1", "1", "a", ok()),
            reply("1", "2", "a", ok()),
            reply("1", "3", "a", ok()),
            closed("1", "a"),
            reply("4", "4", "a", ok()),
            within=3,
        )
        assert ended == [("a", "left")]


async def test_a_v1_client_without_join_refs() -> None:
    """The close then has no ref. With a join_ref, the close has it as its ref."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(version="1.0.0")
        for join_ref in (None, "1"):
            client.start_join("room:1", ref="1", join_ref=join_ref)
            client.leave("room:1", ref="2", join_ref=None)
            await client.expect(
                reply(None, "1", "room:1", ok()),
                reply(None, "2", "room:1", ok()),
                closed(join_ref, "room:1"),
            )


@all_transports
async def test_a_join_holds_the_line(over: Over) -> None:
    """A later heartbeat and a later join wait until the join is answered. Other clients do not wait."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client, other = await server.connect(over=over), await server.connect(over=over)
        client.start_join("slow:1")
        client.heartbeat("9")
        client.start_join("room:1")
        await client.expect_nothing()
        assert await other.join("room:1") == ok()
        await client.expect(
            reply("1", "1", "slow:1", ok()),
            reply(None, "9", "phoenix", ok()),
            reply("2", "2", "room:1", ok()),
            within=3,
        )


@both_transports  # a session keeps its own time
async def test_the_idle_timer_stands_still_while_a_join_runs(over: Over) -> None:
    """The server does not read in this time, so the client is not silent."""
    async with serve(endpoint_of(CHANNELS, timeout=1)) as server:
        client = await server.connect(over=over)
        assert await client.join("slow:1", within=3) == ok()
        assert await client.closed(within=1.25) == 1002


async def test_a_channel_whose_object_cannot_be_made() -> None:
    """Its join is answered as crashed, and the connection goes on."""

    class Broken(Channel[Any]):
        def __init__(self) -> None:
            raise ZeroDivisionError("in __init__")

    async with serve(endpoint_of({"broken": Broken, **CHANNELS})) as server:
        client = await server.connect()
        assert await client.join("broken") == error("join crashed")
        record = server.logged("'broken' could not be made")
        assert record.exc_info is not None
        assert await client.join("room:1") == ok()
