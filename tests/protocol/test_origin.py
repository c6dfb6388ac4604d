"""The check of origins: each policy of the module's table, with the headers that browsers send.

Phoenix's ``true`` compares with a host in its configuration. Bennu's ``"host"`` compares with the Host
header, so it needs no configuration.
"""

from __future__ import annotations

import pytest

from bennu.errors import DefinitionError
from bennu.protocol.origin import Origin, Requested, compile_policy

HERE = Requested("http", "example.com", 80)
WITHOUT_HOST = [
    "null",
    "file://",
    "",
    "//",
    "http://",
    "http://:80",
    "not an origin",
    "http://[",
    "http://a:99999",
]


def allows(policy: object, origin: str, requested: Requested = HERE) -> bool:
    """Return whether pages of an origin may connect."""
    return compile_policy(policy)(Origin.parse(origin), requested)


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port"),
    [
        ("https://example.com", "https", "example.com", 443),
        ("http://example.com", "http", "example.com", 80),
        ("HTTP://EXAMPLE.COM:8080", "http", "example.com", 8080),
        ("wss://example.com", "wss", "example.com", 443),
        ("ws://example.com", "ws", "example.com", 80),
        ("app://local", "app", "local", None),
        ("http://[::1]:4000", "http", "::1", 4000),
        ("null", None, None, None),
        ("file://", "file", None, None),
        ("", None, None, None),
        ("http://[", None, None, None),
        ("http://a:99999", None, None, None),
    ],
)
def test_an_origin_is_parsed_in_lower_case_and_with_the_port_of_its_scheme(
    text: str, scheme: str | None, host: str | None, port: int | None
) -> None:
    """An origin that is no URL has no host. Its text is kept for the log."""
    assert Origin.parse(text) == Origin(text, scheme, host, port)


@pytest.mark.parametrize(
    ("scheme", "header", "expected"),
    [
        ("http", "example.com", Requested("http", "example.com", 80)),
        ("https", "Example.com", Requested("https", "example.com", 443)),
        ("ws", "example.com:4000", Requested("http", "example.com", 4000)),
        ("wss", "[::1]", Requested("https", "::1", 443)),
        ("http", None, Requested("http", None, 80)),
        ("http", "", Requested("http", None, 80)),
        ("http", "[", Requested("http", None, None)),
    ],
)
def test_what_was_requested_is_read_from_the_host_header(
    scheme: str, header: str | None, expected: Requested
) -> None:
    """The scheme of a WebSocket is that of its handshake."""
    assert Requested.parse(scheme, header) == expected


@pytest.mark.conformance("OR001", "OR014")
@pytest.mark.parametrize("origin", ["https://anywhere.org", *WITHOUT_HOST])
def test_false_lets_anything_pass(origin: str) -> None:
    """Each origin is accepted, also a missing one."""
    assert allows(False, origin)


@pytest.mark.conformance("OR002")
@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://example.com", True),
        ("https://example.com", True),
        ("http://EXAMPLE.com:3000", True),
        ("http://www.example.com", False),
        ("http://example.com.evil.org", False),
        ("http://example.com@evil.org", False),
        ("http://evil.org", False),
    ],
)
def test_host_compares_the_host_and_nothing_else(origin: str, allowed: bool) -> None:
    """Any scheme and port of the same host are accepted: a development server has its own port."""
    assert allows("host", origin) is allowed


@pytest.mark.conformance("OR009")
@pytest.mark.parametrize("origin", WITHOUT_HOST)
@pytest.mark.parametrize("policy", ["host", "conn", ["//example.com"]], ids=str)
@pytest.mark.parametrize("requested", [HERE, Requested("http", None, 80)], ids=["host", "none"])
def test_an_origin_without_a_host_is_refused(
    origin: str, policy: object, requested: Requested
) -> None:
    """An origin without a host is refused, also if the request has no host."""
    assert not allows(policy, origin, requested)


@pytest.mark.conformance("OR004", "OR005", "OR006")
@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://org1.ex.com", True),
        ("http://org1.ex.com", True),
        ("https://a.b.ex.com", True),
        ("https://ex.com", True),
        ("http://ex.com", True),
        ("https://prefix-ex.com", False),
        ("https://ex.com.evil.org", False),
        ("https://com", False),
    ],
)
def test_a_wildcard_matches_the_domain_and_every_depth_below_it(origin: str, allowed: bool) -> None:
    """A name that only ends with the same text is refused."""
    assert allows(["https://*.ex.com", "http://*.ex.com"], origin) is allowed
    assert allows(["//*.ex.com"], origin) is allowed


@pytest.mark.conformance("OR007")
@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://org1.foo.example.com", True),
        ("http://foo.example.com", True),
        ("http://bad.example.com", False),
        ("http://prefix-foo.example.com", False),
        ("http://org1.prefix-foo.example.com", False),
        ("http://org1.bar.example.com", False),
    ],
)
def test_a_wildcard_below_a_subdomain_stays_below_it(origin: str, allowed: bool) -> None:
    """``*.foo.example.com`` does not match ``example.com``."""
    assert allows(["//*.foo.example.com"], origin) is allowed


@pytest.mark.parametrize(
    ("entry", "origin", "allowed"),
    [
        pytest.param("//ex.com", "http://a.ex.com", False, marks=pytest.mark.conformance("OR008")),
        pytest.param("//ex.com", "http://ex.com", True, marks=pytest.mark.conformance("OR015")),
        pytest.param("//ex.com", "https://ex.com", True, marks=pytest.mark.conformance("OR015")),
        pytest.param("//ex.com", "http://ex.com:81", True, id="any port"),
        pytest.param(
            "http://ex.com", "https://ex.com", False, marks=pytest.mark.conformance("OR016")
        ),
        pytest.param(
            "https://ex.com", "http://ex.com", False, marks=pytest.mark.conformance("OR016")
        ),
        pytest.param(
            "http://ex.com", "http://ex.com:81", False, marks=pytest.mark.conformance("OR017")
        ),
        pytest.param("http://ex.com", "http://ex.com:80", True, id="the default port, written"),
        pytest.param("http://ex.com:81", "http://ex.com:81", True, id="another port, written"),
        pytest.param(
            "//ex.com:88", "https://ex.com:88", True, marks=pytest.mark.conformance("OR018")
        ),
        pytest.param("//ex.com:88", "http://ex.com", False, marks=pytest.mark.conformance("OR018")),
        pytest.param("//EX.com", "http://ex.COM", True, id="case"),
        pytest.param("app://ex.com", "app://ex.com:1", True, id="a scheme without a port"),
        pytest.param("app://ex.com", "http://ex.com", False, id="another scheme"),
        pytest.param("//ex.com", "http://evil.org", False, marks=pytest.mark.conformance("OR019")),
    ],
)
def test_an_entry_of_a_list_fixes_what_it_names(entry: str, origin: str, allowed: bool) -> None:
    """The scheme and the port must be equal if the entry has them. A known scheme has a default port."""
    assert allows(["//other.org", entry], origin) is allowed


def test_an_empty_list_lets_no_page_in() -> None:
    """An empty list accepts no page. It is not the same as False."""
    assert not allows([], "http://example.com")
    assert not allows((), "http://example.com")


@pytest.mark.parametrize(
    ("requested", "origin", "allowed"),
    [
        pytest.param(HERE, "http://example.com", True, marks=pytest.mark.conformance("OR011")),
        pytest.param(HERE, "http://example.com:80", True, marks=pytest.mark.conformance("OR011")),
        pytest.param(HERE, "https://example.com", False, marks=pytest.mark.conformance("OR012")),
        pytest.param(HERE, "ws://example.com", False, marks=pytest.mark.conformance("OR012")),
        pytest.param(HERE, "wss://example.com", False, marks=pytest.mark.conformance("OR012")),
        pytest.param(HERE, "http://other.com", False, marks=pytest.mark.conformance("OR012")),
        pytest.param(HERE, "http://www.example.com", False, marks=pytest.mark.conformance("OR012")),
        pytest.param(
            Requested("https", "example.com", 443),
            "https://example.com",
            True,
            marks=pytest.mark.conformance("OR013"),
        ),
        pytest.param(
            Requested("https", "example.com", 443),
            "http://example.com",
            False,
            marks=pytest.mark.conformance("OR013"),
        ),
        pytest.param(
            Requested("https", "example.com", 443),
            "https://example.com:4000",
            False,
            marks=pytest.mark.conformance("OR013"),
        ),
        pytest.param(Requested("http", "::1", 4000), "http://[::1]:4000", True, id="IPv6"),
    ],
)
def test_conn_compares_scheme_host_and_port_with_those_of_the_request(
    requested: Requested, origin: str, allowed: bool
) -> None:
    """The scheme, the host and the port must be those of the request."""
    assert allows("conn", origin, requested) is allowed


@pytest.mark.parametrize(
    "entry", ["example.com", "*.example.com", "", "null", "https://", "http://[", 5, None]
)
def test_an_entry_without_a_host_is_refused_at_start_up(entry: object) -> None:
    """Such an entry could never match. The error quotes it and shows the two slashes."""
    with pytest.raises(DefinitionError) as raised:
        compile_policy([entry])

    assert raised.value.got == repr(entry)
    assert raised.value.write == f'"//{entry}"'


@pytest.mark.parametrize("entry", ["//*", "//*.", "//a.*.org", "//*.*.org", "//*a.org"])
def test_a_star_that_stands_for_anything_but_subdomains_is_refused(entry: str) -> None:
    """Such an entry would match nothing, or too much."""
    with pytest.raises(DefinitionError):
        compile_policy([entry])


@pytest.mark.parametrize("policy", [True, None, "example.com", b"host", 5, {"//a.org": 1}])
def test_a_policy_of_no_known_kind_is_refused_at_start_up(policy: object) -> None:
    """A policy that is a text instead of a list is refused at start-up."""
    with pytest.raises(DefinitionError) as raised:
        compile_policy(policy)

    assert raised.value.subject == "check_origin"
    assert raised.value.got == repr(policy)
