"""Clients that send at full speed: other clients are served, and memory stays bounded."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from tests.support.frames import ok
from tests.support.raw import BINARY, CONTINUATION, PING, TEXT, RawClient, client_frame, open_raw
from tests.support.wire import connect, reply

from .conftest import Attack, Target

ROUNDS: Final = 30
CHUNK: Final = 5_000
MEGABYTE: Final = 1_000_000

HELLO: Final = client_frame(TEXT, b'["1","1","room:1","phx_join",{}]')
BEAT: Final = client_frame(TEXT, b'[null,"9","phoenix","heartbeat",{}]')
FRAGMENT: Final = client_frame(CONTINUATION, b"", final=False)

FLOODS: Final = {
    "pings": (b"", client_frame(PING, b"") * CHUNK),
    "fragments": (client_frame(BINARY, b"", final=False), FRAGMENT * CHUNK),
    "heartbeats": (b"", BEAT * CHUNK),
    "rejoins": (HELLO, HELLO * CHUNK),
}


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


@pytest.mark.parametrize(("start", "chunk"), FLOODS.values(), ids=FLOODS)
async def test_who_is_honest_is_served_during_a_flood(
    attack: Attack, start: bytes, chunk: bytes
) -> None:
    """Thirty messages are answered one after another. Each took five seconds when each read was handled at once."""
    async with attack() as target:
        async with connect(target.server) as honest:
            assert await honest.join("room:honest") == ok()
            attackers = [asyncio.create_task(flood(target, start, chunk)) for _ in range(3)]
            for number in range(ROUNDS):
                await honest.send(None, str(number), "phoenix", "heartbeat", {})
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
        big = b"x" * (9 * MEGABYTE)
        lists = b"[" + b",".join([b"[]"] * MEGABYTE) + b"]"
        for message in (
            b'["1","1","room:%b","phx_join",{}]' % big,
            b'[%b,"1","room:1","phx_join",{}]' % lists,
            b'["1",%b,"room:1","phx_join",{}]' % lists,
            b'["1","1","room:1","phx_join",{"a":"%b"}]' % big,
            b'["1","1","room:1","phx_join",%b]' % lists,
        ):
            async with open_raw(target.server) as client:
                await client.open()
                reading = asyncio.create_task(_discard(client))
                client.send(client_frame(TEXT, message))
                client.send(BEAT)
                await client.writer.drain()
                assert await target.connections() <= 1
                reading.cancel()
                await asyncio.wait([reading])
        await target.is_left_alone()
        assert target.memory() - before < 100 * MEGABYTE
