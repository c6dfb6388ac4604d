"""The time limit of a connection, and the ids by which it is disconnected."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bennu import Channel, ConnectInfo
from bennu.errors import TokenError, TokenExpired, TokenInvalid, TokenMissing
from bennu.server.expiry import Expiry
from tests.support.clock import timers

from ..support.inside import connection_of, topics_of
from ..support.memory import HandshakeRefused, Over, both_transports, endpoint_of, error, ok, serve
from .rooms import CHANNELS, ended

pytestmark = pytest.mark.usefixtures("_time_stands_still")


async def bound(params: dict[str, str], info: ConnectInfo) -> str:
    """Bind the connection to the ids and the time in its parameters."""
    if "seconds" in params:
        info.expire_at(time.time() + float(params["seconds"]))
    for name in params.get("ids", "").split():
        info.add_id(name)
    return params.get("name", "")


def name_of(name: str) -> str | None:
    return f"users:{name}" if name else None


@both_transports
async def test_a_connection_ends_when_its_time_comes(over: Over) -> None:
    """The client gets 4001 and a reason. The channels end, and other connections go on."""
    async with serve(endpoint_of(CHANNELS, connect=bound, id=name_of)) as server:
        client = await server.connect(over=over, params={"seconds": "60"})
        other = await server.connect(over=over)
        assert await client.join("room:1") == ok()
        with pytest.raises(AssertionError, match="did not send the close"):
            await client.closed(within=59)
        assert await client.closed(within=1.5) == 4001
        assert ended == [("room:1", "expired")]
        assert await other.join("room:1") == ok()


async def test_a_connection_that_ends_before_its_time_leaves_no_timer() -> None:
    """Nothing happens at the time limit."""
    async with serve(endpoint_of(CHANNELS, connect=bound, id=name_of)) as server:
        await (await server.connect()).join("room:1")
        before = timers(), topics_of(server.endpoint.pubsub)
        client = await server.connect(params={"seconds": "60", "ids": "a"})
        assert timers() > before[0]
        client.close()
        assert await client.closed() == 1000
        assert (timers(), topics_of(server.endpoint.pubsub)) == before


@pytest.mark.parametrize("seconds", ["0", "-1"])
async def test_a_client_whose_time_is_over_does_not_get_in(seconds: str) -> None:
    """A client that is accepted and closed would come back at once."""
    async with serve(endpoint_of(CHANNELS, connect=bound, id=name_of)) as server:
        with pytest.raises(HandshakeRefused) as refused:
            await server.connect(params={"seconds": seconds})
        assert refused.value.status == 403


@both_transports
@pytest.mark.parametrize("name", ["users:ann", "tokens:1", "tokens:2"])
async def test_each_id_of_a_connection_disconnects_it(over: Over, name: str) -> None:
    """The id of a user disconnects all devices, the id of a token only the connections with this token."""
    async with serve(endpoint_of(CHANNELS, connect=bound, id=name_of)) as server:
        params = {"name": "ann", "ids": "tokens:1 tokens:2 tokens:1 users:ann"}
        client = await server.connect(over=over, params=params)
        await server.endpoint.disconnect("tokens:3")
        await server.endpoint.broadcast(name, "something else")
        assert await client.join("room:1") == ok()
        await server.endpoint.disconnect(name)
        assert await client.closed() == 1001


async def test_one_device_of_several_can_be_put_out() -> None:
    """The id of its token disconnects only this device."""
    async with serve(endpoint_of(CHANNELS, connect=bound, id=name_of)) as server:
        phone = await server.connect(params={"name": "ann", "ids": "tokens:phone"})
        laptop = await server.connect(params={"name": "ann", "ids": "tokens:laptop"})
        await server.endpoint.disconnect("tokens:phone")
        assert await phone.closed() == 1001
        assert await laptop.join("room:1") == ok()
        await server.endpoint.disconnect("users:ann")
        assert await laptop.closed() == 1001


async def test_an_id_alone_needs_no_expiry() -> None:
    """A connection without an id does not need one either, so usual connections have no additional cost."""
    async with serve(endpoint_of(CHANNELS, connect=bound, id=name_of)) as server:
        for params, expected in [({}, False), ({"name": "ann"}, False), ({"ids": "a"}, True)]:
            client = await server.connect(params=params)
            connection = connection_of(server.endpoint)
            assert isinstance(connection.expiry, Expiry) is expected
            client.close()
            await client.closed()


# Tokens that are not accepted.


class Locked(Channel[Any]):
    """A channel that needs a token for its join and for an event."""

    async def join(self, payload: dict[str, str]) -> None:
        raise TOKEN_ERRORS[payload["kind"]]


TOKEN_ERRORS: dict[str, TokenError] = {
    "expired": TokenExpired(signed_at=1.0, max_age=2.0),
    "invalid": TokenInvalid("for the log"),
    "missing": TokenMissing("for the log"),
}


@pytest.mark.parametrize("kind", list(TOKEN_ERRORS))
async def test_a_join_with_a_bad_token_is_refused(kind: str) -> None:
    """The client gets the reason, without the details for the log. Nothing has crashed."""
    async with serve(endpoint_of({"locked": Locked})) as server:
        client = await server.connect()
        assert await client.join("locked", {"kind": kind}) == error(f"token_{kind}")


@pytest.mark.parametrize("kind", list(TOKEN_ERRORS))
async def test_a_connect_with_a_bad_token_is_refused(kind: str) -> None:
    """The status is 403, since 500 would be an error of the server."""

    async def connect() -> None:
        raise TOKEN_ERRORS[kind]

    async with serve(endpoint_of({"locked": Locked}, connect=connect)) as server:
        with pytest.raises(HandshakeRefused) as refused:
            await server.connect()
        assert refused.value.status == 403
