"""The X-Forwarded headers: the proxies that are trusted, and the values that are read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from bennu import DefinitionError
from bennu.protocol.proxies import Forwarded, TrustedProxies

PROXIES = TrustedProxies(["10.0.0.0/8", "127.0.0.1", "2001:db8::/32", "unix"])

Headers = list[tuple[bytes, bytes]]


def headers(**values: str) -> Headers:
    """Return X-Forwarded headers by the ends of their names; ``host`` is the Host header."""
    named = {"host": "asked.example:8000", **values}
    return [
        (b"host" if name == "host" else b"x-forwarded-" + name.rstrip("_").encode(), value.encode())
        for name, value in named.items()
    ]


def read(peer: str | None = "10.0.0.1", **values: str) -> Forwarded:
    said = PROXIES.read(peer, headers(**values))
    assert said is not None
    return said


@pytest.mark.parametrize("peer", ["203.0.113.9", "127.0.0.2", "::1", "11.0.0.1", "junk"])
def test_nobody_else_is_believed(peer: str) -> None:
    """The headers of a client that is no trusted proxy are not read."""
    assert PROXIES.read(peer, headers(**{"for": "6.6.6.6", "proto": "https"})) is None


@pytest.mark.parametrize(
    "peer", ["10.255.0.1", "127.0.0.1", "::ffff:10.0.0.1", "2001:db8::7", "2001:db8::7%eth0", None]
)
def test_trusted_proxies_are_believed(peer: str | None) -> None:
    """A proxy is trusted by its address or network, also as IPv4 in IPv6. A Unix socket has no address."""
    said = PROXIES.read(peer, headers(**{"for": "203.0.113.9"}))
    assert said == Forwarded(("203.0.113.9", None), None, None, ())


def test_a_unix_socket_is_trusted_only_if_it_was_said() -> None:
    assert not TrustedProxies(["10.0.0.0/8"]).trusts(None)
    assert not TrustedProxies(["unix"]).trusts("10.0.0.1")


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("203.0.113.9", ("203.0.113.9", None)),
        ("203.0.113.9:4711", ("203.0.113.9", 4711)),
        ("2001:DB9::1", ("2001:db9::1", None)),
        ("[2001:db9::1]", ("2001:db9::1", None)),
        ("[2001:db9::1]:4711", ("2001:db9::1", 4711)),
        ("6.6.6.6, 203.0.113.9", ("203.0.113.9", None)),
        ("6.6.6.6,203.0.113.9 ,10.0.0.7, 127.0.0.1", ("203.0.113.9", None)),
        ("junk, 203.0.113.9, 10.0.0.7", ("203.0.113.9", None)),
        ("10.0.0.8, 10.0.0.7", ("10.0.0.8", None)),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_no_proxy(
    chain: str, client: tuple[str, int | None]
) -> None:
    """The client itself wrote the values to the left. If all addresses are proxies, the leftmost is used."""
    assert read(**{"for": chain}) == Forwarded(client, None, None, ())


@pytest.mark.parametrize(
    "chain",
    ["unknown", "_hidden", "1.2.3", "[::1", "1.2.3.4:0", "1.2.3.4:70000", "a, , ", "300.1.1.1"],
)
def test_a_malformed_address_is_ignored(chain: str) -> None:
    """A malformed address is ignored and reported."""
    assert read(**{"for": chain}) == Forwarded(None, None, None, ("x-forwarded-for",))


def test_behind_a_malformed_address_the_last_proxy_is_what_is_known() -> None:
    """Values to the left of a malformed address are not used."""
    said = read(**{"for": "203.0.113.9, junk, 10.0.0.7"})
    assert said == Forwarded(("10.0.0.7", None), None, None, ("x-forwarded-for",))


def test_a_header_may_come_in_parts() -> None:
    """Several headers of one name are one list."""
    parts = [(b"x-forwarded-for", b"6.6.6.6, 203.0.113.9"), (b"x-forwarded-for", b"10.0.0.7")]
    said = PROXIES.read("10.0.0.1", parts)
    assert said is not None
    assert said.client == ("203.0.113.9", None)


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("wss", "https"), ("ws", "http"), ("http", "http")],
)
def test_the_scheme_is_the_clients(proto: str, scheme: str) -> None:
    assert read(proto=proto) == Forwarded(None, scheme, None, ())


@pytest.mark.parametrize(
    ("hops", "proto", "scheme"),
    [
        ("203.0.113.9", "http, https", "https"),
        ("203.0.113.9, 10.0.0.7", "https, http", "https"),
        ("203.0.113.9, 10.0.0.7", "http, https, http", "https"),
        ("203.0.113.9, 10.0.0.7, 10.0.0.8", "https", "https"),
    ],
)
def test_of_several_the_one_counts_that_the_first_proxy_saw(
    hops: str, proto: str, scheme: str
) -> None:
    """Each proxy can append its value, or leave the first one. The client wrote the values to the left."""
    assert read(**{"for": hops, "proto": proto}).scheme == scheme


@pytest.mark.parametrize(
    ("values", "authority"),
    [
        ({}, None),
        ({"host_": "app.example"}, "app.example"),
        ({"host_": "app.example:8443"}, "app.example:8443"),
        ({"host_": "[2001:db8::1]:8443"}, "[2001:db8::1]:8443"),
        ({"host_": "app.example", "port": "8443"}, "app.example:8443"),
        ({"host_": "app.example:1", "port": "8443"}, "app.example:1"),
        ({"port": "8443"}, "asked.example:8443"),
    ],
)
def test_host_and_port_are_those_that_the_client_asked_for(
    values: dict[str, str], authority: str | None
) -> None:
    """A port without a host is used with the Host header."""
    assert read(**values) == Forwarded(None, None, authority, ())


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"proto": "gopher"}, ["proto"]),
        ({"proto": "https, "}, ["proto"]),
        ({"host_": "a b"}, ["host"]),
        ({"host_": "a/b"}, ["host"]),
        ({"host_": "a:99999"}, ["host"]),
        ({"host_": "ä.example"}, ["host"]),
        ({"port": "0"}, ["port"]),
        ({"port": "http"}, ["port"]),
        ({"port": "99999"}, ["port"]),
        ({"proto": "?", "host_": "?", "port": "?"}, ["proto", "host", "port"]),
    ],
)
def test_what_is_malformed_is_ignored_and_said_to_be(
    values: dict[str, str], names: list[str]
) -> None:
    """A malformed header is ignored as if it were missing, and reported."""
    malformed = tuple(f"x-forwarded-{name}" for name in names)
    assert read(**values) == Forwarded(None, None, None, malformed)


def test_empty_headers_are_none() -> None:
    """Some proxies send empty headers."""
    said = read(**{"for": "", "proto": " ", "host_": "", "port": ""})
    assert said == Forwarded(None, None, None, ())


@given(st.lists(st.binary(max_size=20), max_size=5), st.sampled_from(["for", "proto", "port"]))
def test_nothing_that_a_client_sends_raises(values: list[bytes], name: str) -> None:
    """A proxy can pass on any value of a client."""
    lines = [(f"x-forwarded-{name}".encode(), value) for value in values]
    assert PROXIES.read("10.0.0.1", lines) is not None


@given(st.lists(st.ip_addresses().map(str), max_size=4))
def test_a_client_can_not_choose_its_address(made_up: list[str]) -> None:
    """The proxy appends the address that it saw."""
    assert read(**{"for": ", ".join([*made_up, "203.0.113.9"])}).client == ("203.0.113.9", None)


@pytest.mark.parametrize("wrong", ["10.0.0.1/8", "proxy.example", "", 7, None])
def test_a_proxy_is_named_by_its_address(wrong: Any) -> None:
    """A host name as a proxy is refused: its address can change."""
    with pytest.raises(DefinitionError, match="trusted_proxies"):
        TrustedProxies([wrong])


def test_one_address_needs_no_list() -> None:
    """A single address need not be in a list."""
    assert TrustedProxies("10.0.0.0/8").trusts("10.1.2.3")
