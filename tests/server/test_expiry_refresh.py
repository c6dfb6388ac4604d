"""Tokens that expire soon, and new tokens from connected clients."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from bennu import Channel, ConnectInfo, Ok, Refused, Socket, on
from bennu.errors import DefinitionError, TokenInvalid
from bennu.testing.clock import advance
from bennu.testing.polling import SESSION_GONE
from tests.support.clock import work

from ..support.frames import PHX_REPLY, broadcast, error, ok, reply
from ..support.inside import topics_of
from ..support.memory import (
    Client,
    Over,
    Server,
    Version,
    both_transports,
    both_versions,
    endpoint_of,
    serve,
)

pytestmark = pytest.mark.usefixtures("_time_stands_still")

EXPIRING = broadcast("phoenix", "token_expiring", {"expires_in_ms": 30_000})


class Room(Channel[str]):
    """A channel that returns its user."""

    @on("who")
    async def who(self) -> Ok:
        return Ok([self.assigns, self.connection.info.expires_at is not None])


async def connect(params: dict[str, str], info: ConnectInfo) -> str:
    if "seconds" in params:
        info.expire_at(time.time() + float(params["seconds"]))
    info.add_id("tokens:first")
    return params.get("name", "ann")


async def refresh(token: str, info: ConnectInfo) -> str | None:
    """Accept or refuse, according to the token."""
    what, _, rest = token.partition(":")
    if what == "refuse":
        raise Refused("no", detail=rest)
    if what == "invalid":
        raise TokenInvalid("for the log")
    if what == "crash":
        raise RuntimeError("refresh is broken")
    if what == "wait":
        await work(float(rest))
    if what == "never":
        await asyncio.Event().wait()
    if what == "past":
        info.expire_at(time.time() - 1)
    if what == "forever":
        info.expire_at(None)
    if what == "good":
        info.expire_at(time.time() + float(rest))
        info.add_id("tokens:second")
    if what in ("become", "rename"):
        return rest
    return None


def user_of(name: str) -> str:
    return f"users:{name[:3]}"


def endpoint(**options: Any) -> Any:
    options = {"connect": connect, "id": user_of, "refresh": refresh, **options}
    return endpoint_of({"room:*": Room}, **options)


async def send(client: Client, token: str, *, within: float | None = None) -> Any:
    """Push a new token, and return the response of the reply."""
    ref = client.push("phoenix", "token", {"token": token})
    frame = await client.receive(within=within)
    assert frame[:4] == (None, ref, "phoenix", PHX_REPLY)
    return frame.payload


async def is_open(client: Client, server: Server) -> bool:
    assert await client.call("phoenix", "heartbeat") == ok()
    return server.endpoint.connections == 1


@both_transports
@both_versions
async def test_a_client_is_told_before_its_time_is_over(over: Over, version: Version) -> None:
    """The warning comes on a topic that stock clients ignore, 30 s before the end by default."""
    async with serve(endpoint()) as server:
        client = await server.connect(over=over, version=version, params={"seconds": "60"})
        await advance(29)
        await client.expect_nothing()
        await client.expect(EXPIRING, within=1.5)
        assert await client.closed(within=31) == 4001


async def test_a_client_with_little_time_is_told_at_once() -> None:
    """The warning has the time that is left."""
    async with serve(endpoint(refresh_before=100)) as server:
        client = await server.connect(params={"seconds": "60"})
        frame = await client.receive()
        assert frame.event == "token_expiring"
        assert frame.payload["expires_in_ms"] == 60_000
        assert await client.closed(within=61) == 4001


@both_transports
async def test_a_new_token_prolongs_the_connection(over: Over) -> None:
    """The connection is not interrupted. This works many times."""
    async with serve(endpoint(timeout=1000)) as server:
        client = await server.connect(over=over, params={"seconds": "60"})
        for _ in range(3):
            await client.expect(EXPIRING, within=61)
            reply = await send(client, "good:90")
            assert reply["status"] == "ok"
            assert reply["response"]["expires_in_ms"] == 90_000
        await client.expect(EXPIRING, within=61)
        assert await client.closed(within=31) == 4001


async def test_a_new_token_may_have_no_end() -> None:
    """Then there are no warnings, and the connection does not expire."""
    async with serve(endpoint()) as server:
        client = await server.connect(params={"seconds": "60"})
        assert await send(client, "forever") == ok()
        await advance(50)
        assert await is_open(client, server)
        await advance(50)
        assert await is_open(client, server)


async def test_a_new_token_that_says_nothing_of_its_time_leaves_it() -> None:
    """A connection without a time limit still has none."""
    async with serve(endpoint()) as server:
        bounded = await server.connect(params={"seconds": "60"})
        unbounded = await server.connect()
        reply = await send(bounded, "whatever")
        assert reply["response"]["expires_in_ms"] == 60_000
        assert await send(unbounded, "whatever") == ok()
        assert await bounded.closed(within=61) == 4001


async def test_the_assigns_of_a_new_token_are_those_of_later_joins() -> None:
    """Channels that joined before keep their assigns. All channels see the new info."""
    async with serve(endpoint()) as server:
        client = await server.connect()
        await client.join("room:1")
        assert await send(client, "become:ann the second") == ok()
        await client.join("room:2")
        assert await client.call("room:1", "who") == ok(["ann", False])
        assert await client.call("room:2", "who") == ok(["ann the second", False])
        await send(client, "good:50")
        assert await client.call("room:1", "who") == ok(["ann", True])


async def test_a_token_of_another_user_is_refused() -> None:
    """A connection keeps its user."""
    async with serve(endpoint()) as server:
        client = await server.connect()
        assert await send(client, "become:bob") == error("token_of_another")
        await client.join("room:1")
        assert await client.call("room:1", "who") == ok(["ann", False])


@pytest.mark.parametrize(
    ("token", "response"),
    [
        ("refuse:why", {"reason": "no", "detail": "why"}),
        ("invalid", {"reason": "token_invalid"}),
        ("past", {"reason": "token_expired"}),
    ],
)
async def test_a_refused_token_changes_nothing(token: str, response: Any) -> None:
    """The client can send another token. The old token is valid until its end."""
    async with serve(endpoint()) as server:
        client = await server.connect(params={"seconds": "20"})
        await client.receive()
        assert await send(client, token) == error(response)
        await advance(19)
        assert await is_open(client, server)
        assert await client.closed(within=1.5) == 4001


async def test_a_refresh_that_crashes_is_answered_and_logged() -> None:
    """The connection goes on."""
    async with serve(endpoint()) as server:
        client = await server.connect()
        assert await send(client, "crash") == error("refresh crashed")
        assert "refresh is broken" in str(server.logged("refresh of a token crashed").exc_info)
        assert await is_open(client, server)


async def test_a_refresh_has_the_time_of_a_join() -> None:
    """The limit is the socket's join_timeout, ten seconds by default."""
    async with serve(endpoint()) as server:
        client = await server.connect()
        assert await send(client, "never", within=10) == error("refresh crashed")
        server.logged("refresh of a token crashed")


@pytest.mark.parametrize("payload", [{}, {"token": 7}, {"token": None}, ["good:1"]])
async def test_a_message_without_a_token_is_invalid(payload: Any) -> None:
    """The message never reaches the user's code."""
    async with serve(endpoint()) as server:
        client = await server.connect()
        reply = await client.call("phoenix", "token", payload)
        assert reply["response"]["reason"] == "invalid_payload"


async def test_one_token_is_looked_at_at_a_time() -> None:
    """The connection goes on during the check, and a second token is refused."""
    async with serve(endpoint()) as server:
        client = await server.connect()
        first = client.push("phoenix", "token", {"token": "wait:3"})
        assert await send(client, "good:90") == error("refreshing")
        await client.join("room:1")
        await client.expect(reply(None, first, "phoenix", ok()), within=3)
        assert (await send(client, "good:90"))["status"] == "ok"


@pytest.mark.parametrize(("token", "code"), [("refuse:it", 4001), ("become:ann", None)])
async def test_a_token_that_is_looked_at_when_the_time_comes_is_waited_for(
    token: str, code: int | None
) -> None:
    """The answer comes before the close. A valid token prevents the close."""
    release = asyncio.Event()

    async def slow_refresh(given: str, info: ConnectInfo) -> str | None:
        await release.wait()
        if code is None:
            info.expire_at(None)
        return await refresh(given, info)

    async with serve(endpoint(refresh=slow_refresh)) as server:
        client = await server.connect(params={"seconds": "5"})
        await client.receive()
        ref = client.push("phoenix", "token", {"token": token})
        await advance(6)
        await client.expect_nothing()
        release.set()
        if code is None:
            await client.expect(reply(None, ref, "phoenix", ok()))
            assert await is_open(client, server)
        else:
            frame = await client.receive()
            assert frame.ref == ref
            assert await client.closed() == code


async def test_a_client_that_polls_has_its_time_too() -> None:
    """The client gets the warning and can send a new token. Otherwise its session ends."""
    async with serve(endpoint(longpoll=True)) as server:
        client = await server.connect(over="longpoll", params={"seconds": "40"})
        await client.expect(EXPIRING, within=11)
        assert (await send(client, "good:60"))["status"] == "ok"
        await client.expect(EXPIRING, within=31)
        assert await client.closed(within=31) == SESSION_GONE


@both_transports
async def test_a_client_that_goes_away_meanwhile_leaves_nothing(over: Over) -> None:
    """The check of the token is cancelled."""
    async with serve(endpoint()) as server:
        client = await server.connect(over=over, params={"seconds": "60"})
        client.push("phoenix", "token", {"token": "never"})
        await client.expect_nothing()
        client.vanish()


async def test_the_ids_are_those_of_the_new_token() -> None:
    """The id of the old token no longer disconnects the client. A token without ids keeps the present ids."""
    async with serve(endpoint()) as server:
        client = await server.connect()
        await send(client, "become:ann")
        assert len(topics_of(server.endpoint.pubsub)) == 2
        await send(client, "good:90")
        await server.endpoint.disconnect("tokens:first")
        assert await is_open(client, server)
        await server.endpoint.disconnect("tokens:second")
        assert await client.closed() == 1001


async def test_a_plain_function_runs_in_a_thread() -> None:
    """A plain connect does too."""

    def plain(token: str, info: ConnectInfo) -> str:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return token

    async with serve(endpoint(refresh=plain)) as server:
        client = await server.connect()
        assert await send(client, "ann") == ok()


@both_versions
async def test_without_refresh_nothing_is_different(version: Version) -> None:
    """The message is unmatched, and there is no warning before the end."""
    async with serve(endpoint(refresh=None)) as server:
        client = await server.connect(version=version, params={"seconds": "60"})
        assert await send(client, "good:90") == error("unmatched topic")
        await advance(59)
        await client.expect_nothing()
        assert await client.closed(within=1.5) == 4001


@pytest.mark.parametrize("wrong", [lambda: None, "text"])
def test_a_refresh_takes_a_token_and_an_info(wrong: Any) -> None:
    """The error comes at start-up."""
    with pytest.raises(DefinitionError, match="a function of a token and the info"):
        Socket(connect=lambda: None, channels={}, refresh=wrong)


def test_the_time_of_the_warning_is_a_time() -> None:
    """The error comes at start-up."""
    with pytest.raises(DefinitionError, match="refresh_before"):
        Socket(connect=lambda: None, channels={}, refresh_before=0)
