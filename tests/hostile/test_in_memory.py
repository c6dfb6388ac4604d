"""Clients that stop answering, and clients that join without end: in memory, under virtual time."""

from __future__ import annotations

import logging
import random
import sys
from collections import Counter
from typing import Any, Final

import pytest

from bennu import Channel, Rates, on
from bennu.reasons import Limit
from bennu.testing.clock import advance, settle
from bennu.testing.wires import NativeWire
from tests.support.frames import error, joining, ok
from tests.support.inside import topics_of
from tests.support.memory import Over, both_transports, endpoint_of, serve
from tests.support.raw import text_frames

pytestmark = pytest.mark.clock("virtual")


ended: list[Any] = []


class Room(Channel[Any]):
    """A channel with an unlimited event."""

    @on("flood")
    async def flood(self) -> None:
        for _ in range(30):
            await self.push("words", {"words": "x" * 10_000})

    async def terminate(self, reason: Any) -> None:
        ended.append(reason)


CHANNELS: Final = {"room:*": Room}


# Half-open connections.


@both_transports
async def test_a_client_that_vanished_without_a_word_is_found_out(over: Over) -> None:
    """A client whose machine lost power neither sends, reads nor closes. The idle timeout detects it."""
    ended.clear()
    async with serve(endpoint_of(CHANNELS, timeout=60)) as server:
        client = await server.connect(over=over)
        assert await client.join("room:1") == ok()
        client.wire.stop_reading()
        await advance(59)
        assert server.endpoint.connections == 1
        await advance(16)
        assert server.endpoint.connections == 0
        assert ended == ["closed"]
        await advance(10)
        client.vanish()


async def test_its_socket_does_not_stay_either() -> None:
    """The client acknowledges neither the data nor the close, so the connection is aborted after five seconds."""
    async with serve(endpoint_of(CHANNELS, timeout=60)) as server:
        client = await server.connect()
        assert isinstance(client.wire, NativeWire)
        await client.join("room:1")
        client.push("room:1", "flood")
        client.wire.stop_reading()
        await advance(76)
        assert server.endpoint.connections == 0
        await advance(5)
        assert client.wire.transport.is_closing()
        assert client.wire.transport.get_write_buffer_size() == 0
        assert client.wire.code == 1006


async def test_a_client_that_only_sends_half_a_frame_is_found_out() -> None:
    """A client that sends a byte of a frame now and then is alive, and its connection stays open."""
    async with serve(endpoint_of(CHANNELS, timeout=60)) as server:
        silent, slow = await server.connect(), await server.connect()
        assert isinstance(silent.wire, NativeWire)
        assert isinstance(slow.wire, NativeWire)
        silent.wire.transport.feed(b"\x81\xfe")
        slow.wire.transport.feed(b"\x81\xfe\xff")
        for _ in range(4):
            await advance(20)
            slow.wire.transport.feed(b"x")
        assert server.endpoint.connections == 1
        assert silent.wire.code is not None
        assert slow.wire.code is None
        slow.vanish()


# Endless joins.


def _topics(count: int) -> list[str]:
    rng = random.Random(7)
    letters = "abcdefghij"
    kinds = ("room:", "attic:", "")
    return [rng.choice(kinds) + "".join(rng.choices(letters, k=20)) for _ in range(count)]


@pytest.mark.parametrize(
    "options",
    [{}, {"rates": Rates(joins="100/second", messages="1000/second", close_after=None)}],
    ids=["as it is", "with rates"],
)
@pytest.mark.parametrize(
    "joins",
    [10_000, pytest.param(100_000, marks=[pytest.mark.long, pytest.mark.timeout(600)])],
)
async def test_joins_of_random_topics_without_end(
    options: dict[str, Any], joins: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Each join is answered, at most a hundred channels are joined, and the others keep no memory."""
    caplog.set_level(logging.CRITICAL, "bennu")
    topics = _topics(joins)
    reasons: Counter[str] = Counter()
    async with serve(endpoint_of(CHANNELS, timeout=1e6, **options)) as server:
        client = await server.connect()
        assert isinstance(client.wire, NativeWire)
        blocks: list[int] = []
        for start in range(0, joins, 500):
            refs = [str(number) for number in range(start, start + 500)]
            messages = map(joining, refs, topics[start : start + 500])
            client.wire.transport.feed(text_frames(*messages))
            await settle()
            frames = client.read()
            assert [frame.ref for frame in frames] == refs
            for frame in frames:
                reasons[frame.payload["response"].get("reason", "ok")] += 1
            frames.clear()
            blocks.append(sys.getallocatedblocks())
            await advance(0.5)
        assert reasons["ok"] == 100
        assert reasons.total() == joins
        assert len(topics_of(server.endpoint.pubsub)) == 100
        half = len(blocks) // 2
        assert max(blocks[half:]) - max(blocks[:half]) < 10_000
        exceeded = server.endpoint.telemetry.exceeded
        if options:
            assert exceeded[Limit.JOINS] == reasons["rate_limited"] > joins // 2
        else:
            assert exceeded[Limit.CHANNELS] == reasons["too many channels joined"] > joins // 4
        assert (await client.call("attic:1", "any")) == error("unmatched topic")
