"""The lines of the log, without secrets. Protocol document, §9."""

from __future__ import annotations

import logging

import pytest

from tests.support.frames import ok, reply
from tests.support.raw import ask
from tests.support.servers import Server, serve
from tests.support.wire import connect

from .app import make_endpoint


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the log lines about clients."""
    return [record.getMessage() for record in caplog.records if record.name == "bennu.access"]


@pytest.mark.conformance("WS020", "WS022", "WS023")
async def test_connects_joins_and_events_are_logged(
    server: Server, vsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Secrets are hidden by the name of their key."""
    caplog.set_level(logging.DEBUG, "bennu")
    async with (
        serve(server.name, make_endpoint()) as logging_server,
        connect(logging_server, vsn=vsn, params={"user_token": "s3cret", "a": "1"}) as client,
    ):
        assert await client.join("room:1", {"password": "s3cret", "b": 2}) == ok()
        await client.send("1", "2", "room:1", "echo", {"new_password": "s3cret", "c": 3})
        await client.expect(reply("1", "2", "room:1", ok({"new_password": "s3cret", "c": 3})))
    connected, joined, handled = messages(caplog)
    assert connected.startswith("CONNECTED TO /socket in ")
    assert f" (websocket, V{vsn[0]} JSON) Parameters: " in connected
    assert "'a': '1'" in connected
    assert joined.startswith("JOINED room:1 in ")
    assert "{'password': '[FILTERED]', 'b': 2}" in joined
    assert handled.startswith("HANDLED echo INCOMING ON room:1 (Room) in ")
    assert "{'new_password': '[FILTERED]', 'c': 3}" in handled
    assert "s3cret" not in "".join(messages(caplog))


async def test_refusals_are_logged(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bennu")
    async with serve(server.name, make_endpoint()) as logging_server:
        assert (await ask(logging_server, "/refusing/websocket?vsn=2.0.0")).status == 403
        async with connect(logging_server) as client:
            assert (await client.join("refusing:1"))["status"] == "error"
    refused, _, join = messages(caplog)
    assert refused == "REFUSED CONNECTION TO /refusing: bad token"
    assert join == "REFUSED JOIN refusing:1: unauthorized"


@pytest.mark.conformance("WS021")
async def test_a_socket_may_be_silent(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "bennu")
    async with (
        serve(server.name, make_endpoint()) as logging_server,
        connect(logging_server, "/quiet") as client,
    ):
        assert await client.join("room:1") == ok()
        await client.send("1", "2", "room:1", "echo")
        await client.expect(reply("1", "2", "room:1", ok()))
    assert not messages(caplog)


@pytest.mark.conformance("WS021")
async def test_nothing_is_logged_where_the_level_is_higher(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "bennu")
    async with (
        serve(server.name, make_endpoint()) as logging_server,
        connect(logging_server) as client,
    ):
        assert await client.join("room:1") == ok()
    assert not messages(caplog)
