"""Readable refusals: the client is accepted, gets the reason, and is closed after some seconds."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bennu import Channel, ConnectInfo, DefinitionError, Endpoint, Limits, Refused, Socket
from bennu.errors import TokenExpired
from bennu.refusals import MAX_HOLD, Readable
from bennu.testing.clock import advance
from bennu.testing.polling import SESSION_GONE

from ..support.frames import encode_v1, error, joining, ok, reply
from ..support.inside import topics_of
from ..support.memory import (
    Client,
    HandshakeRefused,
    Over,
    Version,
    both_transports,
    both_versions,
    endpoint_of,
    serve,
)


class Room(Channel[str]):
    """A channel that no refused client joins."""


async def connect(params: dict[str, str], info: ConnectInfo) -> str:
    """Accept or refuse, according to the parameter."""
    what, _, rest = params.get("do", "").partition(":")
    if what == "refuse":
        raise Refused("banned", by=rest)
    if what == "wait":
        raise Refused("full", retry_after_ms=int(rest))
    if what == "expired":
        raise TokenExpired(1.0, 2.0)
    if what == "crash":
        raise RuntimeError("connect is broken")
    if what == "unspeakable":
        raise Refused("odd", odd=math)
    return "ann"


def endpoint(**options: Any) -> Endpoint:
    options = {"connect": connect, "id": lambda name: name, "refusals": "readable", **options}
    return endpoint_of({"room:*": Room}, **options)


async def join(client: Client, topic: str = "room:1") -> dict[str, Any]:
    """Join, and return the response of the error reply."""
    reply = await client.join(topic)
    assert reply["status"] == "error"
    response: dict[str, Any] = reply["response"]
    return response


@both_transports
@both_versions
async def test_a_refused_client_is_told_why(over: Over, version: Version) -> None:
    """Each join and push is answered with the reason and a time for the next try.

    Then the connection is closed.
    """
    async with serve(endpoint()) as server:
        client = await server.connect(over=over, version=version, params={"do": "refuse:bob"})
        told = await join(client)
        assert (told["reason"], told["by"]) == ("banned", "bob")
        assert 5000 <= told["retry_after_ms"] <= 10_000
        assert await join(client, "nowhere") == told
        ref = client.push("phoenix", "token", {"token": "x"})
        await client.expect(reply(None, ref, "phoenix", error(told)))
        with pytest.raises(AssertionError, match="did not send the close"):
            await client.closed(within=told["retry_after_ms"] / 1000 - 0.01)
        assert await client.closed(within=0.02) == 4003


async def test_a_client_that_polls_is_told_why() -> None:
    """Its session ends as a connection does, and phoenix.js begins another session."""
    async with serve(endpoint(longpoll=True)) as server:
        client = await server.connect(over="longpoll", params={"do": "refuse:bob"})
        assert (await join(client))["reason"] == "banned"
        assert server.endpoint.connections == 0
        assert await client.closed(within=15) == SESSION_GONE


@both_transports
async def test_it_gets_its_heartbeats_and_leaves(over: Over) -> None:
    """Without these answers a client would assume that the connection is dead."""
    async with serve(endpoint()) as server:
        client = await server.connect(over=over, params={"do": "refuse"})
        assert await client.call("phoenix", "heartbeat") == ok()
        await join(client)
        ref = client.leave("room:1")
        await client.expect(reply("2", ref, "room:1", ok()))
        client.close()


async def test_it_is_no_connection() -> None:
    """It is not counted, has no id, and gets no broadcast."""
    async with serve(endpoint()) as server:
        client = await server.connect(params={"do": "refuse"})
        assert server.endpoint.connections == 0
        await join(client)
        await server.endpoint.broadcast("room:1", "said")
        await server.endpoint.disconnect("ann")
        await client.expect_nothing()
        assert not topics_of(server.endpoint.pubsub)
        client.close()


async def test_those_who_may_connect_do() -> None:
    async with serve(endpoint()) as server:
        client = await server.connect()
        assert await client.join("room:1") == ok()


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"do": "refuse"}, "banned"),
        ({"do": "expired"}, "token_expired"),
        ({"vsn": "3.0.0"}, "unsupported_vsn"),
        ({"vsn": "2.1.0"}, "unsupported_vsn"),
    ],
)
async def test_each_refusal_has_its_reason(params: dict[str, str], reason: str) -> None:
    """A client of an unknown version gets the answer in the format of the version before."""
    async with serve(endpoint()) as server:
        version: Any = params.pop("vsn", "2.0.0")
        client = await server.connect(version=version, params=params)
        assert (await join(client))["reason"] == reason
        client.close()
        for _ in server.records[:]:
            server.logged("asks for vsn=", level=30)


async def test_an_old_version_that_nobody_speaks_is_answered_in_the_oldest() -> None:
    """The oldest format has objects, not arrays."""
    async with serve(endpoint()) as server:
        client = await server.connect(version="0.9.0")  # type: ignore[arg-type]
        client.wire.send(encode_v1(joining("1", "room:1")))
        await advance(0)
        (frame,) = client.wire.received
        assert '"reason":"unsupported_vsn"' in str(frame)
        client.wire.received.clear()
        client.close()
        server.logged("asks for vsn=", level=30)


@pytest.mark.parametrize("vsn", ["two", "2.0", ""])
async def test_what_is_no_version_is_refused_by_a_status(vsn: Any) -> None:
    """The format of such a client is unknown."""
    async with serve(endpoint()) as server:
        with pytest.raises(HandshakeRefused) as refused:
            await server.connect(version=vsn)
        assert refused.value.status == 403
        server.logged("asks for vsn=", level=30)


async def test_a_crash_stays_a_status() -> None:
    """A crash of the server is no refusal of the client."""
    async with serve(endpoint()) as server:
        with pytest.raises(HandshakeRefused) as refused:
            await server.connect(params={"do": "crash"})
        assert refused.value.status == 500
        server.logged("connect of /socket crashed")


async def test_a_page_of_another_origin_reads_nothing() -> None:
    """This holds even if a limit would refuse the page before."""
    limits = Limits(connections=1)
    socket: Socket[str] = Socket(connect=connect, channels={}, refusals="readable")
    async with serve(Endpoint(sockets={"/socket": socket}, limits=limits)) as server:
        await server.connect()
        for _ in range(2):
            headers = [("Origin", "https://evil.example")]
            with pytest.raises(HandshakeRefused) as refused:
                await server.connect(headers=headers, params={"do": "refuse"})
            assert refused.value.status == 403
        assert all(
            "Over a limit" in line.getMessage() or "of the origin" in line.getMessage()
            for line in server.records
        )
        server.records.clear()


async def test_limits_are_readable_too() -> None:
    """Refused clients do not count for the limits. When other clients leave, there is room."""
    socket = Socket(connect=connect, channels={"room:*": Room}, refusals="readable")
    limits = Limits(connections=1)
    async with serve(Endpoint(sockets={"/socket": socket}, limits=limits)) as server:
        first = await server.connect()
        for _ in range(3):
            second = await server.connect()
            told = await join(second)
            assert told["reason"] == "too_many_connections"
            assert told["retry_after_ms"] > 0
        first.close()
        await advance(0)
        third = await server.connect()
        assert await third.join("room:1") == ok()
        server.records.clear()


async def test_a_client_that_shall_wait_long_is_held_long() -> None:
    """Otherwise the client would come back too early. The time has a limit."""
    async with serve(endpoint(timeout=1000)) as server:
        for wait, held in [(30_000, 30), (10**9, MAX_HOLD), (1, 5)]:
            client = await server.connect(params={"do": f"wait:{wait}"})
            assert await join(client) == {"reason": "full", "retry_after_ms": wait}
            await advance(held - 0.01)
            assert client.wire.code is None
            assert await client.closed(within=5.02) == 4003


async def test_the_others_are_refused_by_a_status_when_too_many_are_held() -> None:
    """When one of them has left, the next client can read its reason."""
    async with serve(endpoint(refusals=Readable(hold=5, max_held=2))) as server:
        clients = [await server.connect(params={"do": "refuse"}) for _ in range(2)]
        with pytest.raises(HandshakeRefused) as refused:
            await server.connect(params={"do": "refuse"})
        assert refused.value.status == 403
        clients[0].vanish()
        await advance(0)
        clients.append(await server.connect(params={"do": "refuse"}))
        for client in clients[1:]:
            assert await client.closed(within=11) == 4003


async def test_they_are_not_closed_all_at_once() -> None:
    """Each connection has a random time."""
    async with serve(endpoint()) as server:
        clients = [await server.connect(params={"do": "refuse"}) for _ in range(20)]
        times = {(await join(client))["retry_after_ms"] for client in clients}
        assert len(times) > 10
        for client in clients:
            await client.closed(within=11)


@both_transports
@pytest.mark.parametrize("subprotocols", [["phoenix", "base64url.bearer.phx.MTIzNA"]])
async def test_the_subprotocol_is_agreed_on(over: Over, subprotocols: list[str]) -> None:
    """A browser refuses a connection without a subprotocol that it offered."""
    async with serve(endpoint(auth_token=True)) as server:
        client = await server.connect(over=over, params={"do": "refuse"}, subprotocols=subprotocols)
        assert client.wire.subprotocol == "phoenix"
        client.close()


async def test_what_is_no_message_closes_it() -> None:
    """This is the same for all connections."""
    async with serve(endpoint()) as server:
        client = await server.connect(params={"do": "refuse"})
        client.wire.send("nonsense")
        assert await client.closed() == 1011


async def test_a_reason_that_cannot_be_written_is_a_crash_of_the_connect() -> None:
    """The error is found before the client is accepted."""
    async with serve(endpoint()) as server:
        with pytest.raises(HandshakeRefused) as refused:
            await server.connect(params={"do": "unspeakable"})
        assert refused.value.status == 500
        server.logged("The refusal of a connection to /socket crashed")


async def test_the_end_of_the_server_ends_it() -> None:
    """The code is the same for all connections."""
    async with serve(endpoint()) as server:
        client = await server.connect(params={"do": "refuse"})
        await server.endpoint.stop()
        assert await client.closed() == 1012


async def test_refusals_are_statuses_unless_it_was_said() -> None:
    """The default is that of Phoenix."""
    async with serve(endpoint(refusals="http")) as server:
        with pytest.raises(HandshakeRefused) as refused:
            await server.connect(params={"do": "refuse"})
        assert refused.value.status == 403


@pytest.mark.parametrize(
    "options",
    [
        {"refusals": "loud"},
        {"refusals": None},
        {"refusals": Readable(hold=0)},
        {"refusals": Readable(max_held=0)},
        {"refusals": "readable", "error_handler": lambda refused: (418, b"")},
    ],
    ids=["no way", "none", "at once", "nobody", "a handler"],
)
def test_what_can_not_work_is_found_at_start_up(options: Any) -> None:
    """An error_handler makes HTTP answers, which no client would get."""
    with pytest.raises(DefinitionError, match="refusals"):
        Socket(connect=connect, channels={}, **options)
