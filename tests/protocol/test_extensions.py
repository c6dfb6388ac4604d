"""The list of extensions that a client offers, as RFC 6455 and RFC 7692 write it."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from websockets.exceptions import InvalidHeader
from websockets.headers import parse_extension

from bennu.errors import DecodeError
from bennu.protocol.extensions import Offer, parse_offers

from ..support.properties import property_test


@pytest.mark.parametrize(
    ("header", "offers"),
    [
        ("", []),
        (" , ,", []),
        ("a", [Offer("a", ())]),
        ("a, b", [Offer("a", ()), Offer("b", ())]),
        ("a;b", [Offer("a", (("b", None),))]),
        ("\ta ;\tb = 8 ; c", [Offer("a", (("b", "8"), ("c", None)))]),
        ('a; b="8"', [Offer("a", (("b", "8"),))]),
        (r'a; b="\8\x"', [Offer("a", (("b", "8x"),))]),
        ("a; b=1; b=2", [Offer("a", (("b", "1"), ("b", "2")))]),
        ('a; b="8", a', [Offer("a", (("b", "8"),)), Offer("a", ())]),
    ],
)
def test_offers_are_read_in_their_order(header: str, offers: list[Offer]) -> None:
    """With every parameter, also one that stands twice; an element of the list may be empty."""
    assert parse_offers(header) == offers


@pytest.mark.parametrize(
    "header",
    [
        "a b",
        ";",
        "a;",
        "a; =8",
        "a; b=",
        'a; b="',
        'a; b="8',
        'a; b=""',
        'a; b="x y"',
        "a; b=8 9",
        "ä",
    ],
)
def test_what_is_malformed_is_a_decode_error(header: str) -> None:
    """A quoted value is a word as well: RFC 6455 wants it so."""
    with pytest.raises(DecodeError):
        parse_offers(header)


_PIECES = st.sampled_from(["a", "b8", ";", "=", ",", " ", "\t", '"', "\\", "8", "é"])


@property_test
@given(st.lists(_PIECES, max_size=14).map("".join).map(lambda text: text.strip(" \t")))
def test_the_library_reads_the_same(header: str) -> None:
    """But for a header without any extension, which is none to it and no harm to us."""
    try:
        theirs: list[Offer] | None = [
            Offer(name, tuple(parameters)) for name, parameters in parse_extension(header)
        ]
    except InvalidHeader:
        theirs = None
    try:
        ours: list[Offer] | None = parse_offers(header)
    except DecodeError:
        ours = None
    assert ours == theirs or (ours == [] and theirs is None)
