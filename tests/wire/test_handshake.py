"""The handshake: versions, the user's connect, origins, subprotocols and the auth token."""

from __future__ import annotations

import base64

import pytest

from tests.support.frames import ok
from tests.support.raw import ask
from tests.support.servers import Server
from tests.support.wire import connect, learn

from .divergence import decided_by_server

V2 = "vsn=2.0.0"


def bearer(token: str) -> str:
    """Return the subprotocol that carries the stock client's token."""
    encoded = base64.b64encode(token.encode()).decode().rstrip("=")
    return f"base64url.bearer.phx.{encoded}"


# Versions.


@pytest.mark.parametrize("version", ["1.0.0", "1.0.9", "1.0.1-rc.1"])
async def test_versions_that_mean_v1(server: Server, version: str) -> None:
    async with connect(server, vsn=version) as client:
        assert await client.join("room:1") == ok()


@pytest.mark.parametrize("version", ["2.0.0", "2.0.7", "2.0.0+b1", "2.0.1-rc.1"])
async def test_versions_that_mean_v2(server: Server, version: str) -> None:
    async with connect(server, vsn=version) as client:
        assert await client.join("room:1") == ok()


@pytest.mark.conformance("WS032")
@pytest.mark.parametrize(
    "version", ["123.1.1", "3.0.0", "2.1.0", "1.1.0", "2.0.0-rc.1", "2.0", "02.0.0", "v2.0.0", ""]
)
async def test_versions_that_nobody_speaks_are_refused(
    server: Server, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = await ask(server, f"/socket/websocket?vsn={version}")
    assert (response.status, response.body) == (403, "")
    assert repr(version) in caplog.text


async def test_a_version_that_is_a_list_is_refused(server: Server) -> None:
    assert (await ask(server, "/socket/websocket?vsn[]=2.0.0")).status == 403


# The user's connect.


@pytest.mark.conformance("WS028")
async def test_a_refused_connect(server: Server, vsn: str) -> None:
    response = await ask(server, f"/refusing/websocket?vsn={vsn}")
    assert (response.status, response.body) == (403, "")


@pytest.mark.conformance("WS029")
async def test_a_refused_connect_with_an_error_handler(server: Server, vsn: str) -> None:
    response = await ask(server, f"/busy/websocket?vsn={vsn}")
    assert (response.status, response.body) == (429, "later")


async def test_a_connect_that_crashes(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """The answer is 500 without the reason, which is in the log."""
    response = await ask(server, f"/crashing/websocket?{V2}")
    assert response.status == 500
    assert "as the test wanted" not in response.body
    assert "as the test wanted" in caplog.text


async def test_an_id_that_is_no_text_refuses(server: Server) -> None:
    assert (await ask(server, f"/odd/websocket?{V2}")).status == 403


@pytest.mark.parametrize(("query", "status"), [("page=7", 101), ("page=x", 403), ("", 403)])
async def test_params_are_converted_to_their_type(server: Server, query: str, status: int) -> None:
    """The conversion is lenient, because a query has only text. A value that does not fit refuses the client."""
    assert (await ask(server, f"/paged/websocket?{V2}&{query}")).status == status


async def test_a_query_that_is_no_utf8(server: Server) -> None:
    assert (await ask(server, f"/socket/websocket?{V2}&a=%ff")).status == 400


async def test_a_path_that_leads_nowhere(server: Server) -> None:
    for path in ("/nothing", "/socket", "/socket/longpoll", "/socket/websocket/more", "/"):
        assert (await ask(server, f"{path}?{V2}")).status == 404


async def test_empty_segments_of_a_path_are_ignored(server: Server) -> None:
    assert (await ask(server, f"/ws//admin/websocket/?{V2}")).status == 101


# Origins.


@pytest.mark.conformance("WS027", "OR002", "OR003", "OR008", "OR019")
@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://example.com", 101),
        ("https://EXAMPLE.com", 101),
        ("https://example.com:443", 101),
        ("http://example.com", 403),
        ("https://example.com:8443", 403),
        ("https://www.example.com", 403),
        ("http://example.org", 101),
        ("https://a.b.example.org:99", 101),
        ("https://bad-example.org", 403),
        ("null", 403),
        ("file://", 403),
        ("", 403),
    ],
)
async def test_a_list_of_origins(
    server: Server, origin: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    response = await ask(server, f"/strict/websocket?{V2}", {"Origin": origin})
    assert (response.status, response.body) == (status, "")
    if status == 403:
        assert f"of the origin {origin!r}" in caplog.text
        assert "check_origin=[" in caplog.text


@pytest.mark.conformance("OR002", "OR009")
async def test_by_default_a_page_of_the_same_host_may_connect(server: Server) -> None:
    """Phoenix compares with its configured host, and Bennu with the Host header."""
    target = f"/socket/websocket?{V2}"
    for origin in ("http://127.0.0.1", "https://127.0.0.1:1234"):
        assert (await ask(server, target, {"Origin": origin})).status == 101
    for origin in ("http://localhost", "null", "file://", ""):
        assert (await ask(server, target, {"Origin": origin})).status == 403
    assert (await ask(server, target)).status == 101


@pytest.mark.conformance("OR001", "OR014")
async def test_without_a_check_every_page_may_connect(server: Server) -> None:
    for origin in ("https://evil.example", "null", "file://", "nonsense", ""):
        response = await ask(server, f"/open/websocket?{V2}", {"Origin": origin})
        assert response.status == 101


@pytest.mark.conformance("OR011", "OR012")
async def test_the_very_same_origin(server: Server) -> None:
    """With ``"conn"`` the scheme, host and port must be those of the request."""
    own = f"{server.host}:{server.port}"
    for origin, status in (
        (f"http://{own}", 101),
        (f"https://{own}", 403),
        (f"ws://{own}", 403),
        (f"http://{server.host}", 403),
        (f"http://www.{own}", 403),
    ):
        response = await ask(server, f"/same/websocket?{V2}", {"Origin": origin})
        assert response.status == status, origin


@pytest.mark.conformance("OR010", "OR020")
async def test_a_function_decides_on_origins(server: Server) -> None:
    """The function is also called for an origin without a host."""
    for origin, status in (("null", 101), ("http://127.0.0.1", 403)):
        response = await ask(server, f"/asked/websocket?{V2}", {"Origin": origin})
        assert response.status == status


# Subprotocols and the auth token.


@pytest.mark.conformance("OR025", "OR026")
@pytest.mark.parametrize(
    ("offered", "status", "chosen"),
    [
        ("chat.v1", 101, "chat.v1"),
        ("chat.v1, other, chat.v2", 101, "chat.v2"),
        ("chat.v1,chat.v2", 101, "chat.v2"),
        ("other", 403, None),
        (None, 101, None),
    ],
)
async def test_a_subprotocol_is_agreed_on(
    server: Server, offered: str | None, status: int, chosen: str | None
) -> None:
    """The order of the server's list decides. Without a common subprotocol the client is refused."""
    response = await ask(server, f"/sub/websocket?{V2}", {"Sec-WebSocket-Protocol": offered})
    assert (response.status, response.headers.get("sec-websocket-protocol")) == (status, chosen)


@pytest.mark.conformance("OR023")
async def test_without_a_list_subprotocols_are_ignored(server: Server) -> None:
    response = await ask(server, f"/socket/websocket?{V2}", {"Sec-WebSocket-Protocol": "any"})
    assert response.status == 101
    assert "sec-websocket-protocol" not in response.headers


@pytest.mark.conformance("OB019")
@pytest.mark.parametrize(
    ("offered", "status", "chosen"),
    [
        (f"phoenix, {bearer('1234')}", 101, "phoenix"),
        (f"{bearer('1234')}, phoenix", 101, "phoenix"),
        (f"chat, phoenix, {bearer('1234')}", 101, "phoenix"),
        (f"chat, {bearer('1234')}", 101, "chat"),
        ("phoenix, base64url.bearer.phx.", 101, "phoenix"),
        ("phoenix", 101, "phoenix"),
        (f"phoenix, {bearer('a')}, {bearer('b')}", 101, "phoenix"),
        (None, 101, None),
        (f"other, {bearer('1234')}", 403, None),
        ("phoenix, base64url.bearer.phx.%%", 500, None),
    ],
)
async def test_a_token_among_the_subprotocols(
    server: Server, offered: str | None, status: int, chosen: str | None
) -> None:
    """The token is taken out, and the rest is negotiated. Invalid base64 is an error of the client."""
    response = await ask(server, f"/auth/websocket?{V2}", {"Sec-WebSocket-Protocol": offered})
    assert (response.status, response.headers.get("sec-websocket-protocol")) == (status, chosen)


@pytest.mark.conformance("OB019")
@decided_by_server("padding of a token")
async def test_a_token_may_be_padded(server: Server) -> None:
    offered = "phoenix, base64url.bearer.phx.MTIzNA=="
    response = await ask(server, f"/auth/websocket?{V2}", {"Sec-WebSocket-Protocol": offered})
    assert (response.status, response.headers["sec-websocket-protocol"]) == (101, "phoenix")


@pytest.mark.conformance("OB019")
async def test_a_token_alone_needs_no_answer(server: Server) -> None:
    """Without the token the header is empty, so there is nothing to negotiate."""
    response = await ask(server, f"/auth/websocket?{V2}", {"Sec-WebSocket-Protocol": bearer("x")})
    assert response.status == 101
    assert "sec-websocket-protocol" not in response.headers


@pytest.mark.conformance("OB019")
@pytest.mark.parametrize("token", ["1234", "å/?>~ü", "a" * 1000, ""])
async def test_the_token_reaches_connect(server: Server, token: str) -> None:
    """Only connect gets the token: the headers that a channel sees do not contain it."""
    offered = ["phoenix", bearer(token)]
    info = await learn(server, "/auth", subprotocols=offered)
    assert info["auth_token"] == token
    assert ["sec-websocket-protocol", "phoenix"] in info["sec_websocket_headers"]
    assert "bearer" not in str(info["sec_websocket_headers"])


@pytest.mark.conformance("OB019")
@pytest.mark.parametrize("offered", [["phoenix"], ["phoenix", bearer("a"), bearer("b")]])
async def test_without_exactly_one_token_there_is_none(server: Server, offered: list[str]) -> None:
    assert (await learn(server, "/auth", subprotocols=offered))["auth_token"] is None
