"""Limits on the number and the rate of connections.

The refusal comes before any user code, with a time for the next try.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bennu import Channel, Endpoint, Limits, Refused, Socket
from bennu.reasons import Limit
from bennu.server.handshake import Accepted
from bennu.server.request import Denied
from bennu.telemetry import Event, LimitExceeded
from bennu.testing.clock import advance, settle

from ..support import inside
from ..support.memory import HandshakeRefused, Over, Server, both_transports, serve

pytestmark = pytest.mark.clock("virtual")


class Room(Channel[Any]):
    """A channel that no client joins here."""


def endpoint_of(limits: Limits, **options: Any) -> Endpoint:
    defaults: dict[str, Any] = {"connect": lambda: "me", "channels": {"room:*": Room}}
    return Endpoint(sockets={"/socket": Socket(**defaults | options)}, limits=limits)


async def refused(server: Server, over: Over = "native") -> tuple[int, bytes]:
    """Return the answer to a client that is refused."""
    with pytest.raises(HandshakeRefused) as caught:
        await server.connect(over=over)
    return caught.value.status, caught.value.body


@both_transports
async def test_so_many_connections_may_be_open(over: Over) -> None:
    """Further connections get 503. A connection that ends in any way makes room."""
    async with serve(endpoint_of(Limits(connections=2))) as server:
        first, second = await server.connect(over=over), await server.connect(over=over)
        assert await refused(server, over) == (503, b"too_many_connections")
        server.logged("Limits(connections=...)", "127.0.0.1", level=logging.WARNING)
        first.close()
        await settle()
        third = await server.connect(over=over)
        second.vanish()
        await settle()
        await server.connect(over=over)
        assert await refused(server, over) == (503, b"too_many_connections")
        await server.endpoint.disconnect("nobody")
        assert third.wire.code is None


@both_transports
async def test_so_many_connections_of_one_address_may_be_open(over: Over) -> None:
    async with serve(endpoint_of(Limits(connections_per_ip=1))) as server:
        client = await server.connect(over=over)
        assert await refused(server, over) == (429, b"too_many_connections")
        server.logged("Limits(connections_per_ip=...)", level=logging.WARNING)
        client.close()
        await settle()
        await server.connect(over=over)


@both_transports
async def test_so_fast_may_one_address_connect(over: Over) -> None:
    """The rate counts connections that stay and connections that end."""
    async with serve(endpoint_of(Limits(connects_per_ip="2/minute"))) as server:
        for _ in range(2):
            (await server.connect(over=over)).close()
            await settle()
        assert await refused(server, over) == (429, b"rate_limited")
        server.logged("Limits(connects_per_ip=...)", level=logging.WARNING)
        await advance(30)
        await server.connect(over=over)


@asynccontextmanager
async def started(endpoint: Endpoint) -> AsyncIterator[Endpoint]:
    await endpoint.start()
    try:
        yield endpoint
    finally:
        await endpoint.stop()


async def decide(endpoint: Endpoint, host: str | None, **more: Any) -> Accepted[Any] | Denied:
    """Return the decision on a client of an address."""
    client = None if host is None else (host, 1)
    return await inside.decide(endpoint, client=client, **more)


RATE_LIMITED = Denied(429, b"rate_limited", 60)


@pytest.mark.parametrize(
    ("first", "second", "are_one"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        (None, None, False),
        ("made up", "made up, too", True),
    ],
)
async def test_which_clients_are_one(first: str | None, second: str | None, are_one: bool) -> None:
    """A client is an IPv4 address, or an IPv6 network /64.

    A Unix socket has no limit. Other text counts as one client.
    """
    async with started(endpoint_of(Limits(connects_per_ip="1/minute"))) as endpoint:
        assert isinstance(await decide(endpoint, first), Accepted)
        outcome = await decide(endpoint, second)
        assert outcome == RATE_LIMITED if are_one else isinstance(outcome, Accepted)


@pytest.mark.parametrize(
    "limits", [Limits(connections=1), Limits(connections_per_ip=1), Limits(connects_per_ip="1/h")]
)
async def test_limits_come_before_all_code_of_the_user(limits: Limits) -> None:
    """The excess is counted and emitted, with the limit and the address."""
    calls: list[str] = []
    events: list[Event] = []

    async def connect() -> None:
        calls.append("connect")
        await asyncio.Event().wait()

    def check(origin: Any) -> bool:
        calls.append("origin")
        return True

    endpoint = endpoint_of(limits, connect=connect, check_origin=check)
    endpoint.telemetry.attach(events.append)
    async with started(endpoint):
        headers = [(b"origin", b"https://a")]
        waiting = asyncio.create_task(decide(endpoint, "192.0.2.1", headers=headers))
        await settle()
        assert calls == ["origin", "connect"]
        outcome = await decide(endpoint, "192.0.2.1", headers=headers)
        assert isinstance(outcome, Denied)
        assert calls == ["origin", "connect"]
        waiting.cancel()
        await asyncio.wait([waiting])
    (event,) = events
    assert isinstance(event, LimitExceeded)
    assert (event.peer, event.topic) == ("192.0.2.1", None)
    assert endpoint.telemetry.exceeded == {event.limit: 1}


async def test_a_client_that_is_looked_at_has_a_place() -> None:
    """So a thousand clients that arrive while connect waits for a database can't exceed the limit."""
    go = asyncio.Event()

    async def connect() -> None:
        await go.wait()

    async with serve(endpoint_of(Limits(connections=10), connect=connect)) as server:
        attempts = [asyncio.create_task(server.connect()) for _ in range(1000)]
        await settle()
        go.set()
        await asyncio.wait(attempts)
        assert sum(attempt.exception() is None for attempt in attempts) == 10
        assert server.endpoint.connections == 10
        assert server.endpoint.telemetry.exceeded == {Limit.CONNECTIONS: 990}
        server.logged("Limits(connections=...)", level=logging.WARNING)


@pytest.mark.parametrize("end", ["refused", "crashed", "no GET"])
async def test_who_was_not_let_in_holds_no_place(
    end: str, caplog: pytest.LogCaptureFixture
) -> None:
    """This holds for every outcome of the handshake."""

    async def connect(params: dict[str, str]) -> None:
        if end == "refused":
            raise Refused("no")
        raise ZeroDivisionError

    async with started(endpoint_of(Limits(connections=1), connect=connect)) as endpoint:
        more = {"method": "POST"} if end == "no GET" else {}
        for _ in range(3):
            outcome = await decide(endpoint, "192.0.2.1", **more)
            assert isinstance(outcome, Denied)
            assert outcome.status in {400, 403, 500}
        assert "Over a limit" not in caplog.text
