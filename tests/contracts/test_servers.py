"""The servers of an AsyncAPI document, and the credentials that they take."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from bennu import Endpoint, Socket
from bennu.auth.session import StarletteSession
from bennu.contracts import asyncapi, contract_of
from tests.contracts.shop import endpoint


class Params(Struct):
    access_token: str
    lang: str = "en"


def document(url: str = "wss://shop.example.com/rt/") -> dict[str, Any]:
    return asyncapi(contract_of(endpoint), server=url)


def test_each_transport_is_a_server() -> None:
    servers = document()["servers"]
    assert {
        name: (one["protocol"], one["host"], one["pathname"]) for name, one in servers.items()
    } == {
        "socket": ("wss", "shop.example.com", "/rt/socket/websocket"),
        "socket_longpoll": ("https", "shop.example.com", "/rt/socket/longpoll"),
        "lines": ("wss", "shop.example.com", "/rt/lines/websocket"),
    }
    assert servers["lines"]["x-bennu"]["raw"]
    assert servers["socket"]["x-bennu"]["refusals"] == ["no token"]
    assert {one["protocol"] for one in document("ws://localhost:4000")["servers"].values()} == {
        "ws",
        "http",
    }


@pytest.mark.parametrize("url", ["https://shop.example.com", "shop.example.com", "ws://", ""])
def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected a URL that begins with ws://"):
        document(url)


def test_credentials() -> None:
    """The auth token, a parameter with the name of a credential, a session and its token."""
    schemes = document()["components"]["securitySchemes"]
    assert [(one["in"], one["name"]) for one in schemes.values()] == [
        ("header", "Sec-WebSocket-Protocol"),
        ("query", "token"),
    ]
    assert [one["$ref"] for one in document()["servers"]["socket"]["security"]] == [
        "#/components/securitySchemes/socket_auth_token",
        "#/components/securitySchemes/socket_token",
    ]

    async def connect(params: Params) -> None: ...

    session = StarletteSession("at least 20 bytes of it")
    socket: Socket[Any] = Socket(connect=connect, channels={}, session=session)
    found = asyncapi(contract_of(Endpoint(sockets={"/ws/{tenant}": socket})))
    assert [one["name"] for one in found["components"]["securitySchemes"].values()] == [
        "session",
        "_csrf_token",
        "access_token",
    ]
    assert [*found["servers"]["ws_tenant"]["variables"]] == ["tenant"]


def test_the_binding_has_the_query_and_the_header() -> None:
    bindings = document()["components"]["channelBindings"]
    own, params = bindings["socket"]["ws"]["query"]["allOf"]
    assert own["properties"]["vsn"]["enum"] == ["1.0.0", "2.0.0"]
    assert params == {"$ref": "#/components/schemas/Params"}
    assert "Sec-WebSocket-Protocol" in bindings["socket"]["ws"]["headers"]["properties"]
    assert "headers" not in bindings["lines"]["ws"]
