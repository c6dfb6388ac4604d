"""The info of an upgrade request, and requests that are no valid upgrade."""

from __future__ import annotations

import pytest

from bennu import Endpoint
from tests.support.frames import error, reply
from tests.support.raw import ask
from tests.support.servers import Server
from tests.support.wire import connect, learn

from .divergence import decided_by_server

V2 = "vsn=2.0.0"


@pytest.mark.conformance("WS010", "WS012", "WS015")
async def test_headers_reach_connect(server: Server) -> None:
    headers = {
        "X-One": "1",
        "x-two": "zwei",
        "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "a=b",
        "User-Agent": "me",
        "Cookie": "a=1; b=%C3%A9",
    }
    info = await learn(server, headers=headers)
    assert sorted(info["x_headers"]) == [["x-one", "1"], ["x-two", "zwei"]]
    assert sorted(info["trace_context_headers"]) == [
        ["traceparent", headers["Traceparent"]],
        ["tracestate", "a=b"],
    ]
    assert info["user_agent"] == "me"
    assert info["cookies"] == {"a": "1", "b": "é"}


@pytest.mark.conformance("WS011")
async def test_websocket_headers_reach_connect_as_they_are(server: Server) -> None:
    async with connect(
        server, subprotocols=["phoenix", "123"], headers={"Sec-WebSocket-Extensions": "x-nothing"}
    ) as client:
        info = (await client.join("info:1"))["response"]
    headers = dict(info["sec_websocket_headers"])
    assert headers["sec-websocket-protocol"].replace(" ", "") == "phoenix,123"
    assert headers["sec-websocket-extensions"] == "x-nothing"
    assert headers["sec-websocket-version"] == "13"
    assert info["auth_token"] is None


@pytest.mark.conformance("WS013", "WS014")
async def test_the_request_reaches_connect(server: Server) -> None:
    async with connect(server, params={"a": "1"}) as client:
        info = (await client.join("info:1"))["response"]
        assert info["peer"] == list(client.websocket.local_address)
    assert info["uri"] == {
        "scheme": "http",
        "host": server.host,
        "port": server.port,
        "path": "/socket/websocket",
        "query": "a=1&vsn=2.0.0",
    }
    assert info["transport"] == "websocket"


@pytest.mark.conformance("WS019")
async def test_the_state_of_the_application_reaches_connect(server: Server) -> None:
    """Phoenix passes keys of its own; Bennu passes the endpoint's state."""
    assert (await learn(server))["state"] == "Journal"


@pytest.mark.conformance("WS049", "WS050")
async def test_a_path_with_variables(server: Server) -> None:
    """The variables are merged into the params, and win over them. Those with an underscore are hidden."""
    info = await learn(
        server,
        "/tenants/acme",
        transport_path="/of/r%C3%B6d/secret/ws",
        params={"tenant": "evil", "a": "1"},
    )
    assert info["params"] == {"vsn": "2.0.0", "tenant": "acme", "project": "röd", "a": "1"}


async def test_params_are_decoded_as_phoenix_does(server: Server) -> None:
    pairs = [("a[b]", "1"), ("c[]", "2"), ("c[]", "3"), ("d[e][0]", "x"), ("f", "1"), ("f", "2 3")]
    info = await learn(server, params=pairs)
    assert info["params"] == {
        "vsn": "2.0.0",
        "a": {"b": "1"},
        "c": ["2", "3"],
        "d": {"e": {"0": "x"}},
        "f": "2 3",
    }


# Requests that are no upgrade.


@pytest.mark.conformance("OB018", "WS043")
async def test_a_plain_request_is_told_what_is_missing(server: Server) -> None:
    """connect runs first: if it refuses, that is the answer. Else the answer says what is missing."""
    plain = {
        "Connection": None,
        "Upgrade": None,
        "Sec-WebSocket-Key": None,
        "Sec-WebSocket-Version": None,
    }
    response = await ask(server, f"/socket/websocket?{V2}", plain)
    assert response.status == 400
    assert response.body == "'connection' header must contain 'upgrade', got []"
    assert (await ask(server, f"/refusing/websocket?{V2}", plain)).status == 403
    assert (await ask(server, "/socket/websocket?vsn=3.0.0", plain)).status == 403
    assert (await ask(server, "/nothing", plain)).status == 404


@pytest.mark.conformance("OB018")
async def test_a_plain_post_is_refused(server: Server) -> None:
    plain = {"Connection": None, "Upgrade": None, "Content-Length": "0"}
    response = await ask(server, f"/socket/websocket?{V2}", plain, method="POST")
    assert (response.status, response.body) == (400, "")


UPGRADES: dict[str, tuple[dict[str, str | None], str]] = {
    "no key": ({"Sec-WebSocket-Key": None}, "'sec-websocket-key' header must be present"),
    "no version": (
        {"Sec-WebSocket-Version": None},
        "'sec-websocket-version' header must be '13', got ''",
    ),
    "another version": (
        {"Sec-WebSocket-Version": "12"},
        "'sec-websocket-version' header must be '13', got '12'",
    ),
    "no host": ({"Host": None}, "'host' header must be present"),
    "another connection": (
        {"Connection": "keep-alive"},
        "'connection' header must contain 'upgrade', got ['keep-alive']",
    ),
    "another upgrade": (
        {"Upgrade": "h2c"},
        "'upgrade' header must contain 'websocket', got ['h2c']",
    ),
    "no upgrade": ({"Upgrade": None}, "'upgrade' header must contain 'websocket', got []"),
}


@pytest.mark.conformance("AD004", "AD005", "AD006")
@pytest.mark.parametrize(("headers", "reason"), UPGRADES.values(), ids=UPGRADES)
@decided_by_server("malformed upgrades")
async def test_a_malformed_upgrade_is_told_what_is_wrong(
    server: Server, headers: dict[str, str | None], reason: str
) -> None:
    response = await ask(server, f"/socket/websocket?{V2}", headers)
    assert (response.status, response.body) == (400, reason)
    assert (await ask(server, f"/refusing/websocket?{V2}", headers)).status == 403


@pytest.mark.conformance("AD001")
@pytest.mark.parametrize(
    "headers",
    [
        {"Connection": "keep-alive, Upgrade"},
        {"Connection": "UPGRADE"},
        {"Upgrade": "WebSocket"},
        {"Origin": None},
        {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"},
    ],
    ids=str,
)
async def test_a_well_formed_upgrade_is_accepted(
    server: Server, headers: dict[str, str | None]
) -> None:
    assert (await ask(server, f"/socket/websocket?{V2}", headers)).status == 101


@decided_by_server("the 101")
async def test_the_101_has_what_is_needed_and_no_more(server: Server) -> None:
    response = await ask(
        server,
        f"/socket/websocket?{V2}",
        {"Sec-WebSocket-Extensions": "permessage-deflate", "Cookie": "a=1"},
    )
    assert response.status == 101
    assert response.headers == {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    }


@pytest.mark.conformance("AD002")
@decided_by_server("malformed upgrades")
async def test_http_1_0_is_refused(server: Server) -> None:
    response = await ask(server, f"/socket/websocket?{V2}", version="1.0")
    assert (response.status, response.body) == (400, "HTTP version must be 1.1, got '1.0'")


@pytest.mark.conformance("AD003")
@decided_by_server("malformed upgrades")
async def test_an_upgrade_by_another_method_is_refused(server: Server) -> None:
    for method in ("POST", "PUT", "HEAD", "OPTIONS"):
        response = await ask(
            server, f"/socket/websocket?{V2}", {"Content-Length": "0"}, method=method
        )
        assert (response.status, response.body) == (400, "")


async def test_a_query_may_be_long(server: Server, endpoint: Endpoint) -> None:
    """Servers take about 60 KB of request. Bennu's own limit is 1,000,000 bytes."""
    async with connect(server, params={"a": "x" * 8000}) as client:
        await client.send("1", "1", "room:1", "nothing")
        await client.expect(reply(None, "1", "room:1", error("unmatched topic")))
