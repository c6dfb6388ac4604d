"""Open connections, and connections that break."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.support.frames import joining
from tests.support.raw import BINARY, TEXT, client_frame, open_raw, text_frames

from .conftest import Attack, Target
from .test_handshakes import ALLOWED

CONNECTIONS: Final = 1000
AT_ONCE: Final = 50

HALF: Final = {
    0: client_frame(TEXT, b"x" * 100_000)[:50_000],
    1: text_frames(joining("1", "room:1"))[:20],
    2: client_frame(BINARY, b"x" * 70_000, final=False) + client_frame(0, b"x" * 100)[:5],
    3: b"\x81",
    4: b"\x82\xff\x00\x00\x00\x00\x00\x90",
    5: text_frames(joining("1", "room:1")) + b"\x81\xfe\x00",
}
"""The bytes before the connection breaks: an incomplete frame or message."""


async def break_in_mid_frame(target: Target, number: int) -> None:
    """Connect, send an incomplete frame or message, and end with a reset, or without a close frame."""
    async with open_raw(target.server) as client:
        await client.open()
        client.send(HALF[number % len(HALF)])
        await client.writer.drain()
        if number % 2:
            client.reset()


async def test_a_thousand_connections_that_break_in_mid_frame(attack: Attack) -> None:
    """No connection and no memory is left."""
    async with attack() as target:
        numbers = iter(range(CONNECTIONS))

        async def attackers() -> None:
            for number in numbers:
                await break_in_mid_frame(target, number)

        assert await target.connections() == 0
        before = target.memory()
        await asyncio.gather(*(attackers() for _ in range(AT_ONCE)))
        await target.is_left_alone()
        assert target.memory() - before < ALLOWED
