"""Joins on a connection: duplicates, limits, and messages for an earlier channel of the topic."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from bennu import Channel, Error, Ok, on
from tests.support.clock import work

from ..support.memory import (
    Over,
    Version,
    all_transports,
    both_transports,
    both_versions,
    endpoint_of,
    error,
    ok,
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
        client.send("33", "1", "room:1", "phx_join")
        join_ref = "33" if version == "2.0.0" else None
        await client.expect((join_ref, "1", "room:1", "phx_reply", ok()))
        for ref, event in (("12", "echo"), ("3", "tell"), ("4", "shout")):
            client.send("33", ref, "room:1", event, {"a": 1})
        await client.expect(
            (join_ref, "12", "room:1", "phx_reply", ok({"a": 1})),
            (join_ref, None, "room:1", "tell", {"a": 1}),
            (None, None, "room:1", "shout", {"a": 1}),
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
        client.send("1", "1", "room:1", "phx_join")
        client.send("5", "5", "room:1", "phx_join")
        await client.expect(
            ("1", "1", "room:1", "phx_reply", ok()),
            ("5", "5", "room:1", "phx_reply", ok()),
            ("1", "1", "room:1", "phx_close", {}),
        )
        assert ended == []
        client.send("5", "6", "room:1", "echo")
        await client.expect(("5", "6", "room:1", "phx_reply", ok()))


@pytest.mark.parametrize("join_ref", ["1", None, "9"])
async def test_any_join_ref_makes_a_duplicate_join(join_ref: Any) -> None:
    """The old join_ref, or none, does too."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect()
        client.send("1", "1", "room:1", "phx_join")
        client.send(join_ref, "2", "room:1", "phx_join")
        await client.expect(
            ("1", "1", "room:1", "phx_reply", ok()),
            (join_ref, "2", "room:1", "phx_reply", ok()),
            ("1", "1", "room:1", "phx_close", {}),
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
        client.send("1", "1", "once", "phx_join")
        client.send("2", "2", "once", "phx_join")
        await client.expect(
            ("1", "1", "once", "phx_reply", ok()),
            ("2", "2", "once", "phx_reply", error("once")),
            ("1", "1", "once", "phx_close", {}),
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
        client.send("1", "1", "a", "phx_join")
        client.send("1", "2", "a", "work")
        client.send("1", "3", "a", "phx_leave")
        client.send("4", "4", "a", "phx_join")
        await client.expect(
            ("1", "1", "a", "phx_reply", ok()),
            ("1", "2", "a", "phx_reply", ok()),
            ("1", "3", "a", "phx_reply", ok()),
            ("1", "1", "a", "phx_close", {}),
            ("4", "4", "a", "phx_reply", ok()),
            within=3,
        )
        assert ended == [("a", "left")]


async def test_a_v1_client_without_join_refs() -> None:
    """The close then has no ref. With a join_ref, the close has it as its ref."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(version="1.0.0")
        for join_ref in (None, "1"):
            client.wire.send(
                '{"topic":"room:1","event":"phx_join","payload":{},"ref":"1"'
                + (f',"join_ref":"{join_ref}"}}' if join_ref else "}")
            )
            client.wire.send('{"topic":"room:1","event":"phx_leave","payload":{},"ref":"2"}')
            await client.expect(
                (None, "1", "room:1", "phx_reply", ok()),
                (None, "2", "room:1", "phx_reply", ok()),
                (None, join_ref, "room:1", "phx_close", {}),
            )


@all_transports
async def test_a_join_holds_the_line(over: Over) -> None:
    """A later heartbeat and a later join wait until the join is answered. Other clients do not wait."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client, other = await server.connect(over=over), await server.connect(over=over)
        client.start_join("slow:1")
        client.send(None, "9", "phoenix", "heartbeat")
        client.start_join("room:1")
        await client.expect_nothing()
        assert await other.join("room:1") == ok()
        await client.expect(
            ("1", "1", "slow:1", "phx_reply", ok()),
            (None, "9", "phoenix", "phx_reply", ok()),
            ("2", "2", "room:1", "phx_reply", ok()),
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
