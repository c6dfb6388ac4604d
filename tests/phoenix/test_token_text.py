"""The text of a token: parts of base64, each in one spelling only."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given, strategies as st

from bennu.errors import TokenInvalid
from bennu.phoenix.token_text import MAX_TOKEN, from_base64, split, to_base64

from ..support.properties import property_test

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@property_test
@given(st.binary(max_size=60))
def test_bytes_are_written_without_padding_and_read_with_it_or_without(data: bytes) -> None:
    """Phoenix writes none, and reads both."""
    text = to_base64(data)

    assert set(text) <= set(ALPHABET)
    assert from_base64(text) == data
    assert from_base64(urlsafe_b64encode(data)) == data


@property_test
@given(st.binary(min_size=1, max_size=20), st.data())
def test_another_text_is_other_bytes_or_none(data: bytes, draw: st.DataObject) -> None:
    """Else one could change a token, and it would still be good."""
    text = to_base64(data)
    position = draw.draw(st.integers(0, len(text) - 1))
    other = draw.draw(st.sampled_from(ALPHABET).filter(lambda one: one != text[position]))

    try:
        changed = from_base64(text[:position] + bytes((other,)) + text[position + 1 :])
    except TokenInvalid:
        return
    assert changed != data


@pytest.mark.parametrize(
    "text",
    [
        b"A",
        b"AAAAA",
        b"AB",  # the unused bits are set
        b"AAB",
        b"AA=",
        b"AA===",
        b"AAA==",
        b"AAAA=",
        b"AAAA====",
        b"=",
        b"A A",
        b"AA\n",
        b"AA+A",
        b"AA/A",
        b"AA.A",
        b"=AAAA",
        b"AA==AA==",
        b"\xff\xff\xff\xff",
    ],
)
def test_what_nobody_writes_is_refused(text: bytes) -> None:
    """Wrong lengths and paddings, bits that mean nothing, other alphabets."""
    with pytest.raises(TokenInvalid, match="not base64"):
        from_base64(text)


def test_a_token_is_ascii_and_falls_apart_at_its_dots() -> None:
    """As text or as bytes; into six parts at most, since no token has more than five."""
    assert split("a.b.") == split(b"a.b.") == [b"a", b"b", b""]
    assert split("") == [b""]
    assert len(split("." * 1000)) == 6
    with pytest.raises(TokenInvalid, match="this is no token"):
        split("a.é")


def test_a_token_has_at_most_two_million_characters() -> None:
    """More is not even looked at."""
    assert split("a" * MAX_TOKEN) == [b"a" * MAX_TOKEN]
    with pytest.raises(TokenInvalid, match="at most 2000000 characters, got 2000001"):
        split("a" * (MAX_TOKEN + 1))
