"""``ConnectInfo``, read from an ASGI scope."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from bennu.connect_info import URI, ConnectInfo, Headers, Peer


def info(headers: list[tuple[bytes, bytes]] | None = None, **scope: Any) -> ConnectInfo:
    """Return the info of a request with these headers."""
    whole = {"path": "/socket/websocket", "headers": headers or [], **scope}
    return ConnectInfo(whole, transport="websocket")


def test_headers_are_found_in_any_case_and_the_first_of_a_name_counts() -> None:
    """Headers are a case-insensitive mapping. The first value of a repeated name counts."""
    headers = Headers([(b"x-one", b"1"), (b"x-two", b"a:b"), (b"x-one", b"2")])

    assert headers["X-One"] == "1"
    assert headers.get("x-two") == "a:b"
    assert headers.get("x-three") is None
    assert headers.getlist("X-ONE") == ["1", "2"]
    assert headers.getlist("x-three") == []
    assert "x-TWO" in headers
    assert "x-three" not in headers
    with pytest.raises(KeyError, match="x-three"):
        headers["x-three"]


def test_headers_have_each_name_once_and_the_raw_pairs_as_they_came() -> None:
    """Iteration gives each name once, in order; ``raw`` gives all headers."""
    headers = Headers(((b"b", b"1"), (b"a", b"\xe9"), (b"b", b"")))

    assert list(headers) == ["b", "a"]
    assert len(headers) == 2
    assert headers.raw == [("b", "1"), ("a", "é"), ("b", "")]
    assert repr(headers) == "Headers([('b', '1'), ('a', 'é'), ('b', '')])"


def test_a_request_without_headers_has_none() -> None:
    """A request without headers has an empty mapping."""
    headers = Headers([])

    assert (list(headers), len(headers), headers.raw) == ([], 0, [])


@pytest.mark.conformance("WS010")
def test_x_headers_are_those_whose_name_begins_with_x() -> None:
    """The headers are pairs in order, with repeated headers."""
    found = info([(b"x-b", b"1"), (b"host", b"h"), (b"x-a", b"2"), (b"x-b", b"3"), (b"xa", b"4")])

    assert found.x_headers == [("x-b", "1"), ("x-a", "2"), ("x-b", "3")]


@pytest.mark.conformance("WS011")
def test_sec_websocket_headers_are_verbatim() -> None:
    """The headers are unchanged. Only the handshake takes an auth token out of them."""
    headers = [
        (b"sec-websocket-protocol", b"phoenix, 123"),
        (b"sec-fetch-mode", b"websocket"),
        (b"sec-websocket-extensions", b"permessage-deflate; client_max_window_bits"),
    ]

    assert info(headers).sec_websocket_headers == [
        ("sec-websocket-protocol", "phoenix, 123"),
        ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
    ]


def test_headers_that_the_handshake_changed_replace_those_of_the_scope() -> None:
    """Headers that the handshake has changed replace those of the scope, so a removed token is not in the headers."""
    scope = {"path": "/", "headers": [(b"sec-websocket-protocol", b"phoenix, secret")]}
    found = ConnectInfo(
        scope,
        transport="websocket",
        state="the state",
        auth_token="secret",
        headers=[(b"sec-websocket-protocol", b"phoenix")],
    )

    assert found.sec_websocket_headers == [("sec-websocket-protocol", "phoenix")]
    assert (found.auth_token, found.state, found.transport) == ("secret", "the state", "websocket")


def test_without_a_token_and_a_lifespan_there_is_neither() -> None:
    """Both are None without a token and a lifespan."""
    found = info()

    assert (found.auth_token, found.state) == (None, None)


@pytest.mark.conformance("WS012")
def test_trace_context_headers_are_traceparent_and_tracestate() -> None:
    """These are exactly the two headers ``traceparent`` and ``tracestate``."""
    headers = [
        (b"traceparent", b"00-1-2-01"),
        (b"trace", b"x"),
        (b"tracestate", b"a=1"),
        (b"traceparents", b"y"),
    ]

    assert info(headers).trace_context_headers == [
        ("traceparent", "00-1-2-01"),
        ("tracestate", "a=1"),
    ]


@pytest.mark.parametrize(
    ("client", "peer"),
    [
        pytest.param(
            ("127.0.0.1", 4711), Peer("127.0.0.1", 4711), marks=pytest.mark.conformance("WS013")
        ),
        (["::1", 4711], Peer("::1", 4711)),
        (("::1", 4711, 0, 0), Peer("::1", 4711)),
        (("127.0.0.1", "4711"), Peer("127.0.0.1", 4711)),  # as granian writes it
        (("/run/app.sock", None), Peer("/run/app.sock", None)),
        (None, Peer(None, None)),
    ],
)
def test_the_peer_is_the_address_of_the_other_end(client: Any, peer: Peer) -> None:
    """A Unix socket has no address. (Python's own TLS servers pass on no client certificate.)"""
    assert info(client=client).peer == peer
    assert info().peer == Peer(None, None)


@pytest.mark.conformance("WS015")
def test_the_user_agent_is_that_header_or_none() -> None:
    """The user agent is the value of its header, or None."""
    assert info([(b"user-agent", b"Bird/1.0")]).user_agent == "Bird/1.0"
    assert info().user_agent is None


@pytest.mark.conformance("WS014")
def test_the_uri_has_scheme_host_port_path_and_query() -> None:
    """The scheme is ``http`` or ``https``, as in Phoenix, and not ``ws``."""
    found = info(
        [(b"host", b"127.0.0.1:4807")],
        scheme="ws",
        path="/ws/connect_info/websocket",
        query_string=b"vsn=1.0.0&a=%20",
    )

    assert found.uri == URI(
        "http", "127.0.0.1", 4807, "/ws/connect_info/websocket", "vsn=1.0.0&a=%20"
    )


@pytest.mark.parametrize(
    ("scheme", "host", "expected"),
    [
        ("ws", b"example.com", ("http", "example.com", 80)),
        ("wss", b"example.com", ("https", "example.com", 443)),
        ("http", b"example.com:4000", ("http", "example.com", 4000)),
        ("https", b"example.com:", ("https", "example.com", 443)),
        ("ws", b"12345", ("http", "12345", 80)),
        ("https", b"[::1]", ("https", "::1", 443)),
        ("ws", b"[::1]:4000", ("http", "::1", 4000)),
        ("ws", b"", ("http", None, 80)),
        ("ws", b"example.com:\xb2", ("http", "example.com:\xb2", 80)),
        ("ws", b"example.com:" + b"9" * 5000, ("http", "example.com:" + "9" * 5000, 80)),
    ],
)
def test_the_port_of_a_uri_is_that_of_the_host_header_or_of_the_scheme(
    scheme: str, host: bytes, expected: tuple[str, str | None, int]
) -> None:
    """A Host header with an invalid port raises no error."""
    assert info([(b"host", host)], scheme=scheme).uri[:3] == expected


def test_a_request_without_a_host_header_has_a_uri_without_host() -> None:
    """A value that the scope lacks has the default of the ASGI specification."""
    assert info().uri == URI("http", None, 80, "/socket/websocket", "")


@pytest.mark.parametrize(
    ("headers", "cookies"),
    [
        ([], {}),
        ([b"a=1; b=2"], {"a": "1", "b": "2"}),
        ([b"a=1", b"b=2"], {"a": "1", "b": "2"}),
        ([b"a=%C3%A9%20x"], {"a": "é x"}),
        ([b'a="x y"'], {"a": "x y"}),
        ([b"a=x=y"], {"a": "x=y"}),
        ([b'a=""; b="'], {"a": "", "b": ""}),
        ([b"no cookie at all"], {}),
        ([b"; a=1;; ;b;=2"], {"a": "1"}),
        ([b"a=1; odd,name[:/]=2; b=3"], {"a": "1", "odd,name[:/]": "2", "b": "3"}),
        ([b"a=%FF"], {"a": "\N{REPLACEMENT CHARACTER}"}),
    ],
)
def test_cookies_are_decoded_and_a_malformed_header_is_no_error(
    headers: list[bytes], cookies: dict[str, str]
) -> None:
    """A malformed cookie is left out: other applications of the same host can set any cookie."""
    found = info([(b"cookie", header) for header in headers]).cookies

    assert found == cookies


# Expiry and ids of a connection.


def test_a_connection_is_bound_to_nothing_unless_someone_says_so() -> None:
    found = info()

    assert (found.expires_at, found.ids, found.is_bound) == (None, (), False)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (60, 60.0),
        (datetime(1970, 1, 1, 0, 2, tzinfo=UTC), 120.0),
        (None, None),
        (math.inf, None),
    ],
)
def test_the_end_is_a_time_or_never(when: Any, expected: float | None) -> None:
    """The time is in seconds since 1970, or a datetime. The last call counts."""
    found = info()
    found.expire_at(1.0)
    assert found.is_bound

    found.expire_at(when)

    assert found.expires_at == expected
    assert found.is_bound is (expected is not None)


@pytest.mark.parametrize("when", [math.nan, datetime(1970, 1, 1)])  # noqa: DTZ001 - the mistake that is tested
def test_the_end_is_a_time_that_means_one(when: Any) -> None:
    """A datetime without a time zone is refused, because it is ambiguous."""
    with pytest.raises(ValueError, match="expire_at takes"):
        info().expire_at(when)


def test_an_id_is_added_once_and_is_text() -> None:
    """Ids are in the order in which they were added."""
    found = info()
    for name in ("b", "a", "b"):
        found.add_id(name)

    assert found.ids == ("b", "a")
    assert found.is_bound
    with pytest.raises(ValueError, match="add_id takes text, got 7"):
        found.add_id(7)  # type: ignore[arg-type]


@pytest.mark.parametrize("transport", ["websocket", "longpoll"])
@pytest.mark.parametrize(
    ("scheme", "expected"), [("ws", "http"), ("wss", "https"), ("http", "http")]
)
def test_the_transport_is_known_whatever_the_scheme(
    transport: str, scheme: str, expected: str
) -> None:
    """A plain GET of a WebSocket's path has the transport ``websocket`` too."""
    scope = {"path": "/", "headers": [], "scheme": scheme}
    found = ConnectInfo(scope, transport=transport)

    assert found.transport == transport
    assert found.uri.scheme == expected


def test_a_connection_has_a_random_id_once_it_is_asked_for() -> None:
    """A request with a later token is the same connection."""
    one, other = info(), info()
    assert one.connection_id == one.connection_id == one.renewed().connection_id
    assert one.connection_id != other.connection_id
    assert len(one.connection_id) == 12


@pytest.mark.parametrize(
    ("given", "shown"),
    [("ann", "ann"), (7, "7"), (UUID(int=1), "00000000-0000-0000-0000-000000000001"), (None, None)],
)
def test_connect_can_say_whose_connection_it_is(given: Any, shown: str | None) -> None:
    found = info()
    assert found.user_id is None
    found.user_id = given
    assert found.user_id == found.renewed().user_id == shown


@pytest.mark.parametrize("given", [True, 1.5, object(), ["ann"]])
def test_the_id_of_a_user_is_text_a_number_or_a_uuid(given: Any) -> None:
    with pytest.raises(ValueError, match="user_id is text, an integer or a UUID, got"):
        info().user_id = given


def test_the_trace_is_that_of_the_header() -> None:
    trace = b"4bf92f3577b34da6a3ce929d0e0e4736"
    header = (b"traceparent", b"00-" + trace + b"-00f067aa0ba902b7-01")
    assert info([header]).trace_id == trace.decode()
    assert info([header, header]).trace_id == ""
    assert info().trace_id == ""
