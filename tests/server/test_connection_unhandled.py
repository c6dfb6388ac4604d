"""The bound in bytes for all mailboxes of a connection, and the number of channels that have not ended."""

from __future__ import annotations

from typing import Any

import pytest

from bennu import Channel, Ok, RawHandler, Refused, Stop, on
from bennu.message import Message
from bennu.refusals import Readable
from bennu.testing.clock import advance, settle
from tests.support.clock import work

from ..support.frames import PHX_LEAVE, error, ok
from ..support.inside import connection_of, unhandled_of
from ..support.memory import Client, Over, all_transports, both_transports, endpoint_of, serve
from .raws import said, talking

KILOBYTE = "x" * 1000


class Slow(Channel[Any]):
    """A channel that takes a second for each event."""

    max_inbox = 1000
    handled = 0

    @on("event")
    async def event(self, payload: Any) -> Ok:
        await work(1)
        type(self).handled += 1
        return Ok()

    @on("crash")
    async def crash(self, payload: Any) -> Ok:
        await work(1)
        raise RuntimeError("crash")

    @on("refuse")
    async def refuse(self, payload: Any) -> Ok:
        await work(1)
        raise Refused("no")

    @on("stop")
    async def stop(self, payload: Any) -> Ok:
        await work(1)
        raise Stop("normal")


CHANNELS = {"slow:*": Slow}


async def heartbeat(client: Client) -> bool:
    """Return whether the server reads: it answers a heartbeat at once."""
    client.heartbeat("beat")
    await settle()
    frames = list(client.read())
    client.read().clear()
    return any(frame.ref == "beat" for frame in frames)


@all_transports
async def test_reading_pauses_beyond_the_bound_and_goes_on_at_half(over: Over) -> None:
    """The bytes of all channels count, including messages that are being handled."""
    async with serve(endpoint_of(CHANNELS, max_unhandled=10_500)) as server:
        client = await server.connect(over=over)
        for topic in ("slow:1", "slow:2"):
            assert await client.join(topic) == ok()
        for number in range(10):
            client.push(f"slow:{number % 2 + 1}", "event", KILOBYTE)
        assert await heartbeat(client)
        client.push("slow:1", "event", KILOBYTE)
        assert not await heartbeat(client)
        await advance(2.5)
        client.read().clear()
        await advance(0.6)
        frames = [frame.ref for frame in client.read()]
        assert "beat" in frames
        client.close()
        await advance(20)


async def test_small_messages_are_bounded_too() -> None:
    """The bound on their number is small."""
    async with serve(endpoint_of(CHANNELS, max_unhandled=1_000)) as server:
        client = await server.connect()
        assert await client.join("slow:1") == ok()
        for _ in range(60):
            client.push("slow:1", "event")
        assert not await heartbeat(client)
        await advance(70)
        assert await heartbeat(client)


@all_transports
async def test_one_message_of_any_size_fits(over: Over) -> None:
    """The message is handled, and reading continues after it."""
    async with serve(endpoint_of(CHANNELS, max_unhandled=100)) as server:
        client = await server.connect(over=over)
        assert await client.join("slow:1") == ok()
        for _ in range(2):
            assert await client.call("slow:1", "event", "x" * 100_000, within=3) == ok()
        assert await heartbeat(client)
        client.close()


@pytest.mark.parametrize("event", ["event", "crash", "refuse", "stop", "unknown"])
async def test_however_a_message_is_handled_its_bytes_count_no_more(event: str) -> None:
    """An error, or the end of the channel, also frees the messages that wait."""
    async with serve(endpoint_of(CHANNELS, max_unhandled=5_000)) as server:
        client = await server.connect()
        assert await client.join("slow:1") == ok()
        for _ in range(6):
            client.push("slow:1", event, KILOBYTE)
        await advance(10)
        if event == "crash":
            server.logged("crashed")
        connection = connection_of(server.endpoint)
        assert unhandled_of(connection) == 0
        assert await heartbeat(client)


async def test_a_leave_frees_what_waits() -> None:
    """A second join of the topic does too."""
    async with serve(endpoint_of(CHANNELS, max_unhandled=5_000)) as server:
        client = await server.connect()
        for _ in range(2):
            assert await client.join("slow:1") == ok()
            client.read().clear()
            client.push("slow:1", "event", KILOBYTE)
            client.push("slow:1", "event", KILOBYTE)
        await settle()
        client.leave("slow:1")
        await advance(10)
        connection = connection_of(server.endpoint)
        assert unhandled_of(connection) == 0
        client.close()


class SlowHandler(RawHandler[Any, Any]):
    """A handler that takes a second for each message."""

    max_inbox = 1000

    async def receive(self, message: str | bytes) -> str | bytes:
        await work(1)
        return "handled"

    async def pinged(self, payload: bytes) -> None:
        """Wait in the mailbox as a message does."""


async def test_a_raw_socket_has_the_same_bound() -> None:
    """It has only one mailbox."""
    async with talking(SlowHandler, max_unhandled=5_000) as (_, wire):
        for _ in range(20):
            wire.send(KILOBYTE)
        await settle()
        assert not wire.transport.is_reading_on
        await advance(3.5)
        assert wire.transport.is_reading_on or len(await said(wire)) >= 3
        await advance(30)
        assert wire.transport.is_reading_on


class Leaver(Channel[Any]):
    """A channel whose end takes four seconds."""

    async def terminate(self, reason: Any) -> None:
        await work(4)


@all_transports
async def test_channels_that_end_count_until_they_have_ended(over: Over) -> None:
    """Otherwise a client that joins and leaves could have any number of channels."""
    async with serve(endpoint_of({"leaver:*": Leaver}, max_channels=3)) as server:
        client = await server.connect(over=over)
        for number in range(3):
            assert await client.join(f"leaver:{number}") == ok()
            client.leave(f"leaver:{number}")
            await settle()
            client.read().clear()
        assert await client.join("leaver:9") == error("too many channels joined")
        server.logged("max_channels", level=30)
        await advance(4.1)
        client.read().clear()
        assert await client.join("leaver:9") == ok()
        client.close()
        await advance(5)


async def test_a_join_that_is_refused_or_crashes_counts_no_more() -> None:
    """A second join of a topic counts once."""

    class Picky(Channel[Any]):
        async def join(self, payload: dict[str, str]) -> None:
            if payload.get("say") == "no":
                raise Refused("no")
            if payload.get("say") == "crash":
                raise RuntimeError("crash")

    async with serve(endpoint_of({"picky:*": Picky}, max_channels=1)) as server:
        client = await server.connect()
        for _ in range(3):
            assert await client.join("picky:1", {"say": "no"}) == error("no")
            assert await client.join("picky:1", {"say": "crash"}) == error("join crashed")
            server.logged("crashed")
        for _ in range(3):
            assert await client.join("picky:1") == ok()
            await settle()
            client.read().clear()
        assert await client.join("picky:2") == error("too many channels joined")
        server.logged("max_channels", level=30)


async def test_nothing_holds_on_to_the_payload_of_a_join_or_leave() -> None:
    """A hundred channels with joins of ten megabytes each would take a gigabyte."""

    class Holder(Channel[Any]):
        @on("wait")
        async def wait(self) -> None:
            await work(4)

    async with serve(endpoint_of({"holder:*": Holder})) as server:
        client = await server.connect(version="2.0.0")
        assert await client.join("holder:1", {"a": "x" * 10_000}) == ok()
        connection = connection_of(server.endpoint)
        channel: Any = connection.members()[0]
        frame = channel.task.task.get_coro().cr_frame
        assert not any(isinstance(value, Message) for value in frame.f_locals.values())
        client.push("holder:1", "wait")
        client.push("holder:1", PHX_LEAVE, {"a": "x" * 10_000})
        client.push("holder:1", PHX_LEAVE, {"a": "x" * 10_000})
        await settle()
        leave = channel.task.mailbox.pop()
        assert bytes(leave.payload) == b"{}"
        channel.task.mailbox.put_anyway(leave)
        await advance(6)
        client.close()


def refusing(**options: Any) -> Any:
    """Return an endpoint that refuses all clients readably."""

    def connect() -> None:
        raise Refused("no")

    return endpoint_of(CHANNELS, connect=connect, refusals=Readable(hold=30), **options)


@both_transports
async def test_a_refused_client_has_a_rate(over: Over) -> None:
    """The socket's rates do not apply. All joins of a page are answered."""
    async with serve(refusing()) as server:
        client = await server.connect(over=over)
        for number in range(100):
            reply = await client.join(f"slow:{number}")
            assert reply["response"]["reason"] == "no"
        for _ in range(200):
            client.start_join("slow:1", ref="1")
        assert await client.closed() == 1008


async def test_pings_of_a_refused_client_count() -> None:
    """Pings take work too."""
    async with serve(refusing()) as server:
        client = await server.connect()
        for _ in range(300):
            client.wire.ping()  # type: ignore[union-attr]
        assert await client.closed() == 1008


@both_transports
async def test_a_message_of_a_refused_client_is_small(over: Over) -> None:
    """The server does not read its payload."""
    async with serve(refusing()) as server:
        client = await server.connect(over=over)
        client.start_join("slow:1", "x" * 16_000, ref="1")
        assert (await client.receive()).payload["response"]["reason"] == "no"
        client.start_join("slow:1", "x" * 17_000, ref="1")
        assert await client.closed(within=6) == 1009
        server.logged("bytes", level=30)
