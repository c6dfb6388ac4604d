"""The handshake: its steps, their order, and the refusals of each step."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import Struct

from bennu import Channel, ConnectInfo, Endpoint, Refused, Socket
from bennu.protocol import JSONV1, JSONV2
from bennu.server.handshake import Accepted
from bennu.server.request import ConnectRequest, Denied
from bennu.telemetry import Event, SocketConnected

from ..support.inside import decide

pytestmark = pytest.mark.clock("real")


class Room(Channel):
    """A channel that no client joins here."""


@asynccontextmanager
async def started(sockets: dict[str, Socket[Any]], **options: Any) -> AsyncIterator[Endpoint]:
    """Yield an endpoint that is started."""
    endpoint = Endpoint(sockets=sockets, **options)
    await endpoint.start()
    try:
        yield endpoint
    finally:
        await endpoint.stop()


def socket(**options: Any) -> Socket[Any]:
    """Return a socket that accepts all clients, except for the given options."""
    defaults: dict[str, Any] = {"connect": lambda: "me", "channels": {"room:*": Room}}
    return Socket(**(defaults | options))


def is_accepted(outcome: Accepted | Denied) -> bool:
    """Return whether the client is accepted."""
    return isinstance(outcome, Accepted)


async def test_an_accepted_client_brings_all_that_a_connection_needs() -> None:
    async with started(
        {"/socket": socket(id=lambda user: f"users:{user}", subprotocols=["a"])}
    ) as endpoint:
        outcome = await decide(endpoint, headers=[(b"sec-websocket-protocol", b"b, a")])
        assert isinstance(outcome, Accepted)
        assert (outcome.assigns, outcome.id) == ("me", "users:me")
        assert outcome.serializer is JSONV2
        assert outcome.subprotocol == "a"
        assert outcome.info.transport == "websocket"
        outcome = await decide(endpoint, query=b"")
        assert isinstance(outcome, Accepted)
        assert outcome.serializer is JSONV1


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD"])
async def test_another_method_is_refused_before_anything_else(method: str) -> None:
    """This holds even if the query is too long, and connect would refuse."""
    async with started({"/socket": socket(connect=refuse)}) as endpoint:
        outcome = await decide(endpoint, method=method, query=b"x" * 1_000_001, type="http")
        assert outcome == Denied(400)


async def test_a_query_has_a_limit() -> None:
    async with started({"/socket": socket()}) as endpoint:
        assert await decide(endpoint, query=b"x" * 1_000_001) == Denied(414)
        query = b"vsn=2.0.0&a=" + b"x" * (1_000_000 - 12)
        assert is_accepted(await decide(endpoint, query=query))


async def test_a_query_is_utf8(caplog: pytest.LogCaptureFixture) -> None:
    async with started({"/socket": socket()}) as endpoint:
        assert await decide(endpoint, query=b"vsn=2.0.0&a=%ff%fe") == Denied(400)
    assert "Refusing a connection to /socket: a query string that is not UTF-8" in caplog.text


def refuse() -> str:
    """Refuse all clients."""
    raise Refused("no")


async def test_the_steps_come_in_their_order() -> None:
    """The order is origin, token, subprotocol, version, connect. The first failure decides."""
    reached: list[str] = []

    def connect() -> str:
        reached.append("connect")
        raise Refused("no")

    strict = socket(connect=connect, auth_token=True, check_origin=["//good.example"])
    async with started({"/socket": strict}) as endpoint:
        origin = (b"origin", b"https://good.example")
        bad_origin = (b"origin", b"https://evil.example")
        bad_token = (b"sec-websocket-protocol", b"other, base64url.bearer.phx.%%")
        bad_protocol = (b"sec-websocket-protocol", b"other")
        query = b"vsn=9.9.9"
        assert await decide(endpoint, headers=[bad_origin, bad_token], query=query) == Denied(403)
        assert await decide(endpoint, headers=[origin, bad_token], query=query) == Denied(500)
        assert await decide(endpoint, headers=[origin, bad_protocol], query=query) == Denied(403)
        assert await decide(endpoint, headers=[origin], query=query) == Denied(403)
        assert not reached
        assert await decide(endpoint, headers=[origin]) == Denied(403)
        assert reached == ["connect"]


# Origins.


@pytest.mark.conformance("OR003")
async def test_a_sockets_own_policy_wins_over_the_endpoints() -> None:
    sockets = {"/socket": socket(), "/open": socket(check_origin=False)}
    async with started(sockets, check_origin=["https://a.example"]) as endpoint:
        for path, origin, accepted in (
            ("/socket/websocket", b"https://a.example", True),
            ("/socket/websocket", b"https://b.example", False),
            ("/open/websocket", b"https://b.example", True),
        ):
            outcome = await decide(endpoint, path, headers=[(b"origin", origin)])
            assert is_accepted(outcome) is accepted


@pytest.mark.conformance("OR022")
async def test_sockets_keep_their_origins_apart() -> None:
    """This holds for any order of use."""
    sockets = {
        "/a": socket(check_origin=["https://a.example"]),
        "/b": socket(check_origin=["https://b.example"]),
    }
    async with started(sockets) as endpoint:
        for path, name in [("/a", "a"), ("/b", "b"), ("/a", "b"), ("/b", "a"), ("/a", "a")]:
            origin = f"https://{name}.example".encode()
            outcome = await decide(endpoint, f"{path}/websocket", headers=[(b"origin", origin)])
            assert is_accepted(outcome) is (path == f"/{name}")


@pytest.mark.conformance("OR013")
@pytest.mark.parametrize(
    ("origin", "accepted"),
    [
        ("https://example.com", True),
        ("https://example.com:443", True),
        ("http://example.com", False),
        ("https://example.com:8443", False),
    ],
)
async def test_the_very_same_origin_under_tls(origin: str, accepted: bool) -> None:
    async with started({"/socket": socket(check_origin="conn")}) as endpoint:
        outcome = await decide(endpoint, scheme="wss", headers=[(b"origin", origin.encode())])
        assert is_accepted(outcome) is accepted


@pytest.mark.conformance("OR009")
async def test_a_refused_origin_is_logged_with_what_to_write(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with started({"/socket": socket()}) as endpoint:
        await decide(endpoint, headers=[(b"origin", b"https://other.example")])
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "origin 'https://other.example' (the request's host is 'example.com')" in caplog.text
    assert 'check_origin=["https://other.example"]' in caplog.text


# Subprotocols and the token.


async def test_of_a_repeated_header_the_first_counts() -> None:
    async with started({"/socket": socket(subprotocols=["a", "b"])}) as endpoint:
        name = b"sec-websocket-protocol"
        outcome = await decide(endpoint, headers=[(name, b"b"), (name, b"a")])
        assert isinstance(outcome, Accepted)
        assert outcome.subprotocol == "b"


@pytest.mark.conformance("OR026")
async def test_subprotocols_without_anything_in_common_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with started({"/socket": socket(subprotocols=["a"])}) as endpoint:
        outcome = await decide(endpoint, headers=[(b"sec-websocket-protocol", b"x, y")])
        assert outcome == Denied(403)
    assert "the client offers the subprotocols x, y, the socket has ('a',)" in caplog.text


@pytest.mark.conformance("OB019")
@pytest.mark.parametrize(
    ("offered", "left"),
    [
        (b"phoenix, base64url.bearer.phx.MTIzNA", [("sec-websocket-protocol", "phoenix")]),
        (b"base64url.bearer.phx.MTIzNA", []),
    ],
)
async def test_the_token_is_taken_out_of_the_headers(
    offered: bytes, left: list[tuple[str, str]]
) -> None:
    async with started({"/socket": socket(auth_token=True)}) as endpoint:
        outcome = await decide(
            endpoint, headers=[(b"x-other", b"1"), (b"sec-websocket-protocol", offered)]
        )
        assert isinstance(outcome, Accepted)
        assert outcome.info.auth_token == "1234"
        assert outcome.info.sec_websocket_headers == left
        assert outcome.info.headers["x-other"] == "1"


async def test_a_token_where_none_is_wanted_is_left_alone() -> None:
    """Without ``auth_token`` it is a normal subprotocol."""
    async with started({"/socket": socket()}) as endpoint:
        offered = b"phoenix, base64url.bearer.phx.MTIzNA"
        outcome = await decide(endpoint, headers=[(b"sec-websocket-protocol", offered)])
        assert isinstance(outcome, Accepted)
        assert outcome.info.auth_token is None
        assert outcome.subprotocol is None
        assert outcome.info.headers["sec-websocket-protocol"] == offered.decode()


# connect.


class Params(Struct):
    """The type of the query."""

    page: int


async def test_connect_may_want_nothing_the_params_or_the_info_too() -> None:
    async def nothing() -> str:
        return "nothing"

    async def params(params: Params) -> int:
        return params.page

    async def both(params: dict[str, Any], info: ConnectInfo) -> tuple[str, str]:
        return params["page"], info.uri.path

    sockets = {f"/{one.__name__}": socket(connect=one) for one in (nothing, params, both)}
    async with started(sockets) as endpoint:
        query = b"vsn=2.0.0&page=7"
        expected = {"nothing": "nothing", "params": 7, "both": ("7", "/both/websocket")}
        for name, assigns in expected.items():
            outcome = await decide(endpoint, f"/{name}/websocket", query)
            assert isinstance(outcome, Accepted)
            assert outcome.assigns == assigns


async def test_a_plain_connect_runs_in_a_thread() -> None:
    """So a connect that blocks, on a database for example, blocks no other client."""
    async with started(
        {"/socket": socket(connect=lambda: threading.current_thread().name)}
    ) as endpoint:
        outcome = await decide(endpoint)
        assert isinstance(outcome, Accepted)
        assert outcome.assigns.startswith("bennu")


@pytest.mark.parametrize("error", [RuntimeError("s3cret"), KeyError("s3cret")], ids=repr)
async def test_a_connect_that_crashes_tells_the_client_nothing(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def crash() -> None:
        raise error

    async with started({"/socket": socket(connect=crash)}) as endpoint:
        assert await decide(endpoint) == Denied(500, b"Internal Server Error")
    assert "connect of /socket crashed" in caplog.text
    assert "s3cret" in caplog.text


async def test_an_error_handler_makes_the_answer_of_a_refusal() -> None:
    """It gets the exception, with all its arguments."""

    async def busy() -> None:
        raise Refused("busy", retry_after=7)

    def handler(refused: Refused) -> tuple[int, bytes]:
        return 429, f"{refused.reason} {refused.extra['retry_after']}".encode()

    async with started({"/socket": socket(connect=busy, error_handler=handler)}) as endpoint:
        assert await decide(endpoint) == Denied(429, b"busy 7")


async def test_params_that_do_not_fit_are_a_refusal() -> None:
    """The refusal has the errors, for an error handler."""
    seen: list[Refused] = []

    async def connect(params: Params) -> None:
        raise AssertionError(f"{params} can't be")

    def handler(refused: Refused) -> tuple[int, bytes]:
        seen.append(refused)
        return 422, b""

    async with started({"/socket": socket(connect=connect, error_handler=handler)}) as endpoint:
        assert await decide(endpoint, query=b"vsn=2.0.0&page=x") == Denied(422)
    (refused,) = seen
    assert refused.reason == "invalid_params"
    assert refused.extra["errors"][0]["path"] == "page"


@pytest.mark.parametrize(
    ("query", "result"),
    [(b"vsn=2.0.0", "ok"), (b"vsn=2.0.0&no=1", "error"), (b"vsn=3.0.0", None)],
    ids=["accepted", "refused", "no such version"],
)
async def test_who_connects_is_told_to_telemetry(query: bytes, result: str | None) -> None:
    """The event says whether connect accepted or refused. A wrong version emits no event."""
    events: list[Event] = []

    async def connect(params: dict[str, Any]) -> None:
        if "no" in params:
            raise Refused("no")

    async with started({"/socket": socket(connect=connect)}) as endpoint:
        endpoint.telemetry.attach(events.append)
        await decide(endpoint, query=query)
    if result is None:
        assert not events
        return
    (event,) = events
    assert isinstance(event, SocketConnected)
    assert (event.socket, event.transport, event.result) == ("/socket", "websocket", result)
    assert event.params["vsn"] == "2.0.0"
    assert event.duration >= 0


def test_an_upgrade_is_explained_from_its_scope() -> None:
    """Header names are compared as ASGI gives them. A missing header counts as empty."""
    headers = [
        (b"host", b"localhost"),
        (b"connection", b"Upgrade"),
        (b"upgrade", b"websocket"),
        (b"sec-websocket-key", b"x"),
        (b"sec-websocket-version", b"13"),
    ]

    def explain(**scope: Any) -> str | None:
        target: Any = None
        return ConnectRequest(target, {"headers": headers, **scope}, "websocket").explain_upgrade()

    assert explain() is None
    assert "13" in str(explain(headers=headers[:-1]))
    assert "GET" in str(explain(method="POST"))
    assert "1.1" in str(explain(http_version="1.0"))
