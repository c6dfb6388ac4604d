"""The Host headers that fit the hosts of an endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.errors import DefinitionError
from bennu.protocol.hosts import LOOPBACK, Hosts, HostVerdict, is_loopback, parse_host

FITS, FOREIGN, MALFORMED = HostVerdict.FITS, HostVerdict.FOREIGN, HostVerdict.MALFORMED

SERVED = Hosts(
    ["example.com", "*.Wild.example.", "192.0.2.1", "[2001:DB8::1]", "::2", "bücher.example", "a_b"]
)

JUDGED = {
    FITS: [
        "example.com",
        "EXAMPLE.com",
        "example.com.",
        "example.com:443",
        "example.com.:65535",
        "example.com:",
        "a.wild.example",
        "a.b.WILD.example:80",
        "192.0.2.1",
        "192.0.2.1:4000",
        "[2001:db8::1]",
        "[2001:0DB8:0:0::1]:4000",
        "[::2]",
        "xn--bcher-kva.example",
        "a_b",
    ],
    FOREIGN: [
        "evil.example",
        "example.com.evil.example",
        "evilexample.com",
        "www.example.com",
        "wild.example",
        "evilwild.example",
        "192.0.2.2",
        "[2001:db8::3]",
        "localhost",
        "127.0.0.1",
        "com",
    ],
    MALFORMED: [
        "",
        " ",
        ".",
        ":80",
        "example.com..",
        ".example.com",
        "a..wild.example",
        "example.com:x",
        "example.com:65536",
        "example.com:-1",
        "example.com:000080",
        "example.com:80:80",
        "example.com evil.example",
        "example.com,evil.example",
        "example.com/",
        "http://example.com",
        "user@example.com",
        "example.com\r\nX: y",
        "example.com\n",
        "example.com\0",
        "b\xfccher.example",
        "2001:db8::1",
        "[2001:db8::1",
        "2001:db8::1]",
        "[192.0.2.1]",
        "[::x]",
        "[fe80::1%25eth0]",
        "[]",
        "a" * 64 + ".wild.example",
        "a." * 200 + "wild.example",
        "*.wild.example",
    ],
}


@pytest.mark.parametrize(
    ("header", "verdict"),
    [(header, verdict) for verdict, headers in JUDGED.items() for header in headers],
)
def test_a_header(header: str, verdict: HostVerdict) -> None:
    assert SERVED.judge([header]) is verdict
    everything = MALFORMED if verdict is MALFORMED else FITS
    assert Hosts(["*"]).judge([header]) is everything


@pytest.mark.parametrize("headers", [[], ["example.com", "example.com"], ["example.com", "evil"]])
def test_a_header_that_is_missing_or_there_twice_fits_nothing(headers: list[str]) -> None:
    assert SERVED.judge(headers) is MALFORMED
    assert Hosts(["*"]).judge(headers) is MALFORMED


@pytest.mark.parametrize(
    ("header", "fits"),
    {
        "localhost": True,
        "LocalHost.:4000": True,
        "app.localhost:4000": True,
        "127.0.0.1:4000": True,
        "127.1.2.3": True,
        "[::1]:4000": True,
        "[0:0:0:0:0:0:0:1]": True,
        "[::ffff:127.0.0.1]": True,
        "evil.example:4000": False,
        "localhost.evil.example": False,
        "127.0.0.1.evil.example": False,
        "evillocalhost": False,
        "192.0.2.1": False,
        "0.0.0.0": False,  # noqa: S104 - nothing listens here
        "[2001:db8::1]": False,
    }.items(),
)
def test_the_names_of_this_machine(header: str, fits: bool) -> None:
    assert LOOPBACK.judge([header]) is (FITS if fits else FOREIGN)
    assert LOOPBACK.judge([header, header]) is MALFORMED


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:192.0.2.1", False),
        ("0.0.0.0", False),  # noqa: S104 - nothing listens here
        ("192.0.2.1", False),
        ("/run/bennu.sock", False),
        ("localhost", False),
        (None, False),
    ],
)
def test_an_address_of_this_machine(address: Any, expected: bool) -> None:
    assert is_loopback(address) is expected


def test_a_long_header_is_looked_at_once() -> None:
    assert parse_host("a" * 1_000_000) is None
    assert parse_host("a." * 500_000) is None
    assert parse_host("[" + ":" * 1_000_000) is None


@pytest.mark.parametrize(
    ("given", "write"),
    [
        ("example.com", 'hosts=["example.com", "*.example.com"]'),
        (b"example.com", 'hosts=["example.com", "*.example.com"]'),
        ([], 'hosts=["example.com", "*.example.com"]'),
        (7, 'hosts=["example.com", "*.example.com"]'),
        ([7], 'hosts=["example.com", "*.example.com"]'),
        ([""], 'hosts=["example.com", "*.example.com"]'),
        (["https://app.example.com/"], 'hosts=["app.example.com"]'),
        (["app.example.com:443"], 'hosts=["app.example.com"]'),
        (["*.example.com:443"], 'hosts=["*.example.com"]'),
        (["*example.com"], 'hosts=["example.com", "*.example.com"]'),
        (["a.*.example.com"], 'hosts=["example.com", "*.example.com"]'),
        (["*."], 'hosts=["example.com", "*.example.com"]'),
        (["straße.example"], 'hosts=["xn--..."], the name as browsers send it'),
        (["ü" * 70 + ".example"], 'hosts=["example.com", "*.example.com"]'),
        (["a b"], 'hosts=["example.com", "*.example.com"]'),
    ],
    ids=repr,
)
def test_what_is_no_host_is_refused_with_what_to_write(given: Any, write: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        Hosts(given)
    assert caught.value.write == write


def test_hosts_may_come_as_any_list() -> None:
    assert Hosts(("example.com",)).judge(["example.com"]) is FITS
    assert SERVED.text.startswith("example.com, *.Wild.example.")
