"""Handshakes without an end, and handshakes that are too large: other clients are served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Final

import pytest

from tests.support.raw import PATIENCE, RawClient, open_raw

from .conftest import Attack, Target

MEGABYTE: Final = 1024 * 1024

ALLOWED: Final = 32 * MEGABYTE
"""Bytes of memory that a server can additionally need for its first clients, and for the allocator."""


async def status(client: RawClient) -> int:
    """Return the status of the answer. The connection must end after it."""
    response = await client.response()
    assert await client.end() == b""
    return response.status


async def drip(client: RawClient) -> int:
    """Send a header byte by byte until there is an answer; return its status."""
    client.send(b"GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nX-Slow: ")
    answer = asyncio.create_task(status(client))
    try:
        while not answer.done():
            client.send(b"a")
            await asyncio.wait([answer], timeout=0.05)
        return answer.result()
    finally:
        answer.cancel()


Handshake = tuple[Callable[[RawClient], Coroutine[Any, Any, int]], int]
"""The attack of one client, and the number of clients."""

HANDSHAKES: Final[dict[str, Handshake]] = {
    "slow": (drip, 200),
    "silent": (status, 500),
}


@pytest.mark.parametrize("handshake", HANDSHAKES.values(), ids=HANDSHAKES)
async def test_handshakes_without_an_end_hold_nobody_up(
    attack: Attack, handshake: Handshake
) -> None:
    """An honest client is served in the meantime. The handshakes have more time than the test."""
    begin, number = handshake
    async with attack("--handshake-timeout", "600") as target, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_raw(target.server)) for _ in range(number)]
        attackers = [asyncio.create_task(begin(client)) for client in clients]
        assert await target.connections() == 0
        assert not any(attacker.done() for attacker in attackers)
        for attacker in attackers:
            attacker.cancel()
        await asyncio.wait(attackers)


@pytest.mark.parametrize("handshake", HANDSHAKES.values(), ids=HANDSHAKES)
async def test_handshakes_without_an_end_are_cut_off(attack: Attack, handshake: Handshake) -> None:
    begin, number = handshake
    async with attack("--handshake-timeout", "1") as target, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_raw(target.server)) for _ in range(number)]
        assert set(await asyncio.gather(*map(begin, clients))) == {408}


async def second_request(target: Target) -> int | None:
    """Return the status of an endless request after a complete one. None: the complete request was too late."""
    async with open_raw(target.server) as client:
        client.request("/nothing", {"Connection": None, "Upgrade": None})
        first = (await client.response()).status
        if first == 408:
            return None
        assert first == 404
        client.send(b"GET /")
        return await status(client)


async def test_a_connection_that_is_kept_alive_is_cut_off_too(attack: Attack) -> None:
    """On a busy machine the first request can need several attempts."""
    async with attack("--handshake-timeout", "1") as target:
        while (found := await second_request(target)) is None:
            pass
        assert found == 408


async def throw(target: Target, begin: bytes, piece: bytes, megabytes: int) -> int:
    """Send this much of an endless head; return the status of the answer."""
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
                break  # the connection is closed: the server does not read sixty megabytes
        return (await answer).status


BOMBS: Final = {
    "one header": (b"GET / HTTP/1.1\r\nX: ", b"a", 431),
    "many headers": (b"GET / HTTP/1.1\r\n", b"X: a\r\n", 431),
    "a target": (b"GET /", b"a", 414),
    "empty lines": (b"", b"\r\n", 431),
}


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(bomb, id=name, marks=() if name == "one header" else pytest.mark.long)
        for name, bomb in BOMBS.items()
    ],
)
async def test_a_head_of_sixty_megabytes_costs_no_memory(
    attack: Attack, bomb: tuple[bytes, bytes, int]
) -> None:
    """Each of ten is answered when it is too large, and the rest is dropped."""
    begin, piece, status = bomb
    async with attack() as target:
        assert await target.connections() == 0
        before = target.memory()
        throws = [throw(target, begin, piece, 60) for _ in range(10)]
        assert set(await asyncio.gather(*throws)) == {status}
        assert await target.connections() == 0
        assert target.memory() - before < ALLOWED


async def test_what_is_hidden_behind_a_body_costs_no_memory(attack: Attack) -> None:
    """The parser has no bound for trailers. They are answered with 431 if there was no other answer."""
    begin = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: "
    async with attack() as target:
        assert await target.connections() == 0
        before = target.memory()
        statuses = await asyncio.gather(*(throw(target, begin, b"a", 60) for _ in range(5)))
        assert set(statuses) <= {
            404,
            431,
        }  # the first request needs no body, so its answer can be earlier
        assert target.memory() - before < ALLOWED
