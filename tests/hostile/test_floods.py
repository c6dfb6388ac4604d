"""Clients that send at full speed: other clients are served, and memory stays bounded."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest

from tests.support.frames import heartbeat, joining, ok, reply
from tests.support.raw import (
    BINARY,
    CONTINUATION,
    PING,
    RawClient,
    client_frame,
    open_raw,
    text_frames,
)
from tests.support.wire import connect

from .conftest import Attack, Target

ROUNDS: Final = 30
CHUNK: Final = 5_000
MEGABYTE: Final = 1_000_000

HELLO: Final = text_frames(joining("1", "room:1"))
BEAT: Final = text_frames(heartbeat("9"))
FRAGMENT: Final = client_frame(CONTINUATION, b"", final=False)

FLOODS: Final = {
    "pings": (b"", client_frame(PING, b"") * CHUNK),
    "fragments": (client_frame(BINARY, b"", final=False), FRAGMENT * CHUNK),
    "heartbeats": (b"", BEAT * CHUNK),
    "rejoins": (HELLO, HELLO * CHUNK),
}
LONG: Final = {"pings", "heartbeats"}
"""Floods that CI leaves out."""


async def flood(target: Target, start: bytes, chunk: bytes) -> None:
    """Send without end. If the server closes, connect again."""
    while True:
        async with open_raw(target.server) as client:
            await client.open()
            client.send(start)
            reading = asyncio.create_task(_discard(client))
            try:
                while not reading.done():
                    client.send(chunk)
                    await client.writer.drain()
            except ConnectionError:
                pass
            finally:
                reading.cancel()
                await asyncio.wait([reading])


async def _discard(client: RawClient) -> None:
    while await client.reader.read(1 << 16):
        pass


@pytest.mark.parametrize(
    ("start", "chunk"),
    [
        pytest.param(*flood, id=name, marks=pytest.mark.long if name in LONG else ())
        for name, flood in FLOODS.items()
    ],
)
async def test_who_is_honest_is_served_during_a_flood(
    attack: Attack, start: bytes, chunk: bytes
) -> None:
    """Thirty messages are answered one after another. Each took five seconds when each read was handled at once."""
    async with attack() as target:
        async with connect(target.server) as honest:
            assert await honest.join("room:honest") == ok()
            attackers = [asyncio.create_task(flood(target, start, chunk)) for _ in range(3)]
            for number in range(ROUNDS):
                await honest.heartbeat(str(number))
                await honest.expect(reply(None, str(number), "phoenix", ok()))
            assert not any(attacker.done() for attacker in attackers)
            for attacker in attackers:
                attacker.cancel()
            await asyncio.wait(attackers)
        await target.is_left_alone()


async def test_one_connection_takes_a_bounded_part_of_memory(attack: Attack) -> None:
    """Long topics, refs that are lists, and joins and leaves with large payloads are not kept."""
    async with attack() as target:
        assert await target.connections() == 0
        before = target.memory()
        big = "x" * (9 * MEGABYTE)
        lists: list[Any] = [[]] * MEGABYTE
        for message in (
            joining("1", f"room:{big}"),
            joining("1", "room:1")._replace(join_ref=lists),
            joining("1", "room:1")._replace(ref=lists),
            joining("1", "room:1", {"a": big}),
            joining("1", "room:1", lists),
        ):
            async with open_raw(target.server) as client:
                await client.open()
                reading = asyncio.create_task(_discard(client))
                client.send(text_frames(message))
                client.send(BEAT)
                await client.writer.drain()
                assert await target.connections() <= 1
                reading.cancel()
                await asyncio.wait([reading])
        await target.is_left_alone()
        assert target.memory() - before < 100 * MEGABYTE
