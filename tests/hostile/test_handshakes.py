"""Handshakes that never come to an end, and those that are too large: while they go on, others are served."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Final

import pytest

from tests.support.raw import PATIENCE, RawClient, open_raw

from .conftest import Attack, Target

MEGABYTE: Final = 1024 * 1024

ALLOWED: Final = 32 * MEGABYTE
"""Of memory that a server may come to need while it is attacked: its first clients, and the allocator."""


async def status(client: RawClient) -> int:
    """Return the status of the answer, after which the connection must end."""
    response = await client.response()
    assert await client.end() == b""
    return response.status


async def drip(client: RawClient) -> int:
    """Send a header a byte at a time, until there is an answer; return its status."""
    client.send(b"GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nX-Slow: ")
    answer = asyncio.create_task(status(client))
    while not answer.done():
        client.send(b"a")
        await asyncio.wait([answer], timeout=0.05)
    return answer.result()


async def test_slow_handshakes_are_cut_off(attack: Attack) -> None:
    """Two hundred clients that send a byte now and then hold nothing up, and are answered 408."""
    async with attack("--handshake-timeout", "1") as target, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_raw(target.server)) for _ in range(200)]
        attackers = [asyncio.create_task(drip(client)) for client in clients]
        assert await target.connections() == 0
        assert not any(attacker.done() for attacker in attackers)
        assert set(await asyncio.gather(*attackers)) == {408}


async def test_connections_that_send_nothing_are_cut_off(attack: Attack) -> None:
    async with attack("--handshake-timeout", "1") as target, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_raw(target.server)) for _ in range(500)]
        assert await target.connections() == 0
        statuses = await asyncio.gather(*(status(client) for client in clients))
        assert set(statuses) == {408}


async def test_a_connection_that_is_kept_alive_is_cut_off_too(attack: Attack) -> None:
    """It had its answer, and begins a second request that it never ends."""
    async with attack("--handshake-timeout", "1") as target, open_raw(target.server) as client:
        client.request("/nothing", {"Connection": None, "Upgrade": None})
        assert (await client.response()).status == 404
        client.send(b"GET /")
        assert await status(client) == 408


async def throw(target: Target, begin: bytes, piece: bytes, megabytes: int) -> int:
    """Send so much of a head that has no end; return the status of the answer."""
    async with open_raw(target.server) as client:
        client.send(begin)
        answer = asyncio.create_task(client.response())
        block = (piece * (MEGABYTE // len(piece) + 1))[:MEGABYTE]
        for _ in range(megabytes):
            if client.writer.transport.is_closing():
                break
            client.send(block)
            try:
                async with asyncio.timeout(PATIENCE):
                    await client.writer.drain()
            except OSError:
                break  # it is gone: nobody reads sixty megabytes
        return (await answer).status


BOMBS: Final = {
    "one header": (b"GET / HTTP/1.1\r\nX: ", b"a", 431),
    "many headers": (b"GET / HTTP/1.1\r\n", b"X: a\r\n", 431),
    "a target": (b"GET /", b"a", 414),
    "empty lines": (b"", b"\r\n", 431),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
async def test_a_head_of_sixty_megabytes_costs_no_memory(
    attack: Attack, bomb: tuple[bytes, bytes, int]
) -> None:
    """Ten of them at once: each is answered when it is too large, and what follows is thrown away."""
    begin, piece, status = bomb
    async with attack() as target:
        assert await target.connections() == 0
        before = target.memory()
        throws = [throw(target, begin, piece, 60) for _ in range(10)]
        assert set(await asyncio.gather(*throws)) == {status}
        assert await target.connections() == 0
        assert target.memory() - before < ALLOWED


async def test_what_is_hidden_behind_a_body_costs_no_memory(attack: Attack) -> None:
    """Trailers have no bound in the parser either; they are answered 431 if nothing else was by then."""
    begin = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: "
    async with attack() as target:
        assert await target.connections() == 0
        before = target.memory()
        statuses = await asyncio.gather(*(throw(target, begin, b"a", 60) for _ in range(5)))
        assert set(statuses) <= {404, 431}  # the first needs no body, and may be out before
        assert target.memory() - before < ALLOWED
