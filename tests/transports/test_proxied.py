"""A handshake behind proxies: the client's address for connect, for the logs and for the check of its origin."""

from __future__ import annotations

from typing import Any

import pytest

from bennu import Channel, ConnectInfo, Endpoint, Socket
from bennu.connect_info import URI, Peer
from tests.support.memory import HandshakeRefused, Over, both_transports, serve

pytestmark = pytest.mark.clock("virtual")

PROXIED = [
    ("X-Forwarded-For", "6.6.6.6, 203.0.113.9"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "app.example"),
]


class Seen(Channel[None]):
    """A channel that no client joins."""


def endpoint(seen: list[ConnectInfo], **options: Any) -> Endpoint:
    socket = Socket(connect=lambda params, info: seen.append(info), channels={"room": Seen})
    return Endpoint(sockets={"/socket": socket}, **options)


@both_transports
async def test_behind_a_trusted_proxy_the_client_is_who_the_proxy_saw(over: Over) -> None:
    """The URI is the URI that the client requested."""
    seen: list[ConnectInfo] = []
    async with serve(endpoint(seen, trusted_proxies=["127.0.0.1"])) as server:
        (await server.connect(over=over, headers=PROXIED)).close()
    (info,) = seen
    assert info.peer == Peer("203.0.113.9", None)
    expected = URI("https", "app.example", 443, "/socket/websocket", "vsn=2.0.0")
    assert info.uri == expected
    assert info.headers["x-forwarded-for"] == "6.6.6.6, 203.0.113.9"


@both_transports
@pytest.mark.parametrize("trusted", [(), ["10.0.0.0/8"]])
async def test_nobody_is_trusted_unless_it_was_said(over: Over, trusted: Any) -> None:
    """Without the option, these headers are normal headers."""
    seen: list[ConnectInfo] = []
    async with serve(endpoint(seen, trusted_proxies=trusted)) as server:
        (await server.connect(over=over, headers=PROXIED)).close()
    (info,) = seen
    assert info.peer == Peer("127.0.0.1", 50000)
    assert (info.uri.scheme, info.uri.host) == ("http", "localhost")


@pytest.mark.parametrize(
    ("policy", "origin", "fits"),
    [
        ("host", "https://app.example", True),
        ("host", "http://localhost", False),
        ("conn", "https://app.example", True),
        ("conn", "http://app.example", False),
        ("conn", "https://app.example:8443", False),
    ],
)
async def test_an_origin_is_compared_with_what_the_client_asked_for(
    policy: Any, origin: str, fits: bool
) -> None:
    """The proxy's request to the server has no effect."""
    options: dict[str, Any] = {"trusted_proxies": ["127.0.0.1"], "check_origin": policy}
    async with serve(endpoint([], **options)) as server:
        headers = [*PROXIED, ("Origin", origin)]
        if fits:
            (await server.connect(headers=headers)).close()
            return
        with pytest.raises(HandshakeRefused):
            await server.connect(headers=headers)
        server.logged(f"of the origin '{origin}' (the request's host is 'app.example')")


async def test_what_a_proxy_says_wrong_is_logged() -> None:
    """The header is ignored."""
    seen: list[ConnectInfo] = []
    headers = [("X-Forwarded-For", "unknown"), ("X-Forwarded-Port", "https")]
    async with serve(endpoint(seen, trusted_proxies=["127.0.0.1"])) as server:
        (await server.connect(headers=headers)).close()
        text = "request to /socket/websocket: x-forwarded-for, x-forwarded-port"
        server.logged(text, level=30)
    assert seen[0].peer == Peer("127.0.0.1", 50000)


async def test_the_address_is_the_sockets_whatever_middleware_made_of_it() -> None:
    """``bennu run`` records the address, since uvicorn's middleware can replace it before the endpoint."""
    seen: list[ConnectInfo] = []
    async with serve(endpoint(seen, trusted_proxies=["10.0.0.1"])) as server:
        inner = server.endpoint.serve_native

        async def from_proxy(scope: Any, native: Any) -> None:
            scope = {**scope, "client": ("203.0.113.9", 0), "bennu.peer": ("10.0.0.1", 80)}
            await inner(scope, native)

        server.endpoint.serve_native = from_proxy  # type: ignore[method-assign]
        (await server.connect(headers=PROXIED)).close()
    assert seen[0].uri.host == "app.example"
