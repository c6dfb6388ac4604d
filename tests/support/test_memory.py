"""The client in memory: its frames, and the failures of tests that expect other frames."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from bennu import Channel, Endpoint, on
from bennu.testing.clock import settle
from bennu.testing.wires import NativeWire
from tests.support.clock import work
from tests.support.frames import PHX_CLOSE, PHX_REPLY, Frame, closed, reply

from .memory import (
    HandshakeRefused,
    Over,
    Version,
    both_transports,
    both_versions,
    endpoint_of,
    error,
    ok,
    serve,
)


class Room(Channel[Any]):
    """Echoes, at once or later."""

    @on("echo")
    async def echo(self, payload: Any) -> Any:
        return payload

    @on("later")
    async def later(self) -> str:
        await work(2)
        return "later"

    @on("crash")
    async def crash(self) -> None:
        raise ZeroDivisionError


CHANNELS = {"room:*": Room}


@both_transports
@both_versions
async def test_a_client_joins_calls_and_leaves(over: Over, version: Version) -> None:
    """Over both transports and in both versions of the wire."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(over=over, version=version)
        assert await client.join("room:1") == ok()
        assert await client.call("room:1", "echo", {"a": 1}) == ok({"a": 1})
        assert await client.call("room:1", "later", within=2) == ok("later")
        client.leave("room:1")
        frames = [await client.receive() for _ in range(2)]
        assert [frame.event for frame in frames] == [PHX_REPLY, PHX_CLOSE]
        assert await client.call("room:1", "echo") == error("unmatched topic")
        client.close()
        assert await client.closed() == 1000


@both_versions
async def test_a_client_chooses_refs_unless_a_test_does(version: Version) -> None:
    """What is expected is written as in V2, also for a client with V1."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(version=version)
        client.start_join("room:1", ref="7")
        assert client.push("room:1", "echo", {"a": 1}) == "1"
        client.push("room:1", "echo", ref=None)
        client.push("room:1", "echo", ref="8", join_ref="stale")
        client.leave("room:1", ref="9")
        await client.expect(
            reply("7", "7", "room:1", ok()),
            reply("7", "1", "room:1", ok({"a": 1})),
            reply("7", None, "room:1", ok()),
            reply("7", "9", "room:1", ok()),
            closed("7", "room:1"),
        )
        client.heartbeat("10")
        await client.expect(reply(None, "10", "phoenix", ok()))


@both_transports
async def test_what_does_not_come_fails_the_test(over: Over) -> None:
    """The test fails at once if no time can pass, else after that time."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(over=over)
        await client.join("room:1")
        with pytest.raises(AssertionError, match="did not send a frame"):
            await client.receive()
        client.push("room:1", "later")
        with pytest.raises(AssertionError, match="did not send a frame"):
            await client.receive(within=1.9)
        with pytest.raises(AssertionError, match="did not send the close"):
            await client.closed()
        await client.expect(reply("1", "2", "room:1", ok("later")), within=0.1)


async def test_what_comes_and_is_not_expected_fails_the_test() -> None:
    """Another frame, another order, and one frame too many fail the test."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect()
        await client.join("room:1")

        def push_two() -> list[Frame]:
            refs = [client.push("room:1", "echo", n) for n in (1, 2)]
            return [reply("1", ref, "room:1", ok(n)) for n, ref in enumerate(refs, 1)]

        one, two = push_two()
        with pytest.raises(AssertionError, match="instead of"):
            await client.expect(two, one)
        one, two = push_two()
        with pytest.raises(AssertionError, match="instead of"):
            await client.expect(one)
        push_two()
        with pytest.raises(AssertionError, match="instead of"):
            await client.expect_nothing()
        client.push("room:1", "echo", {})
        with pytest.raises(AssertionError, match="no reply to"):
            await client.join("room:2")
        await settle()
        client.read().clear()
        await client.expect_nothing()


@both_transports
async def test_a_refused_handshake(over: Over) -> None:
    """The exception has the status and the body."""
    async with serve(endpoint_of(CHANNELS)) as server:
        with pytest.raises(HandshakeRefused) as refused:
            await server.connect("/nowhere", over=over)
        assert (refused.value.status, refused.value.body) == (404, b"Not Found")


@both_transports
async def test_a_client_that_does_not_read_gets_it_later(over: Over) -> None:
    """The frames arrive later, in order."""
    async with serve(endpoint_of(CHANNELS)) as server:
        client = await server.connect(over=over)
        await client.join("room:1")
        client.wire.stop_reading()
        for n in range(3):
            client.push("room:1", "echo", n)
        await client.expect_nothing()
        client.wire.read_on()
        await client.expect(*(reply("1", str(2 + n), "room:1", ok(n)) for n in range(3)))


# The checks of serve() at its end.


async def crash(endpoint: Endpoint) -> None:
    async with serve(endpoint) as server:
        client = await server.connect()
        await client.join("room:1")
        client.push("room:1", "crash")
        await client.receive()


async def test_a_line_in_the_log_must_be_asked_for() -> None:
    """A log line that the test does not ask for, with its text and level, fails the test."""
    with pytest.raises(AssertionError, match=r"logged, and not expected.*crashed in crash"):
        await crash(endpoint_of(CHANNELS))
    async with serve(endpoint_of(CHANNELS)) as server:
        with pytest.raises(AssertionError, match="expected one line"):
            server.logged("anything")
        logging.getLogger("bennu").warning("a line")
        with pytest.raises(AssertionError, match="is not in"):
            server.logged("another line")
        with pytest.raises(AssertionError, match="WARNING"):
            server.logged("a line")


async def test_a_task_must_not_be_left_behind() -> None:
    """A task that is left fails the test."""
    tasks: list[asyncio.Task[Any]] = []

    async def leave_a_task() -> None:
        async with serve(endpoint_of(CHANNELS)):
            tasks.append(asyncio.create_task(asyncio.Event().wait()))

    with pytest.raises(AssertionError, match="tasks were left behind"):
        await leave_a_task()
    tasks[0].cancel()


async def test_a_subscription_must_not_be_left_behind() -> None:
    """A subscription that is left fails the test."""

    async def leave_a_subscription() -> None:
        async with serve(endpoint_of(CHANNELS)) as server:
            server.endpoint.pubsub.subscribe("topic", print)

    with pytest.raises(AssertionError, match="subscriptions were left behind"):
        await leave_a_subscription()


async def test_nothing_must_be_written_after_the_close() -> None:
    """A write after the close fails the test, because no client would get it."""

    async def write_too_late() -> None:
        async with serve(endpoint_of(CHANNELS)) as server:
            client = await server.connect()
            assert isinstance(client.wire, NativeWire)
            client.wire.transport.close()
            client.wire.transport.write(b"too late")

    with pytest.raises(AssertionError, match="written after the close"):
        await write_too_late()
