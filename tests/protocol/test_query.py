"""The query string as Phoenix decodes it (protocol, §1.6)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, strategies as st

from bennu.errors import DecodeError
from bennu.protocol.query import MAX_QUERY, decode_query

from ..support.properties import property_test, texts


@pytest.mark.parametrize(
    ("query", "params"),
    [
        (b"", {}),
        (b"a=1", {"a": "1"}),
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=1&a=2", {"a": "2"}),
        (b"a", {"a": ""}),
        (b"a=", {"a": ""}),
        (b"a=b=c", {"a": "b=c"}),
        (b"=1", {"": "1"}),
        (b"&&a=1&&b=2&", {"a": "1", "b": "2"}),
        (b"a=%zz&b=%1&c=100%", {"a": "%zz", "b": "%1", "c": "100%"}),
        (b"a=x+y%2Bz&b+c=1", {"a": "x y+z", "b c": "1"}),
        (b"a=%C3%A9&%C3%A9=1", {"a": "é", "é": "1"}),
        (b"a=\xc3\xa9", {"a": "é"}),
        (b"a%5Bb%5D=1", {"a": {"b": "1"}}),
        (b"vsn=2.0.0&token=a.b-c_d~", {"vsn": "2.0.0", "token": "a.b-c_d~"}),
    ],
)
def test_pairs_are_unescaped_and_the_last_of_a_key_counts(
    query: bytes, params: dict[str, Any]
) -> None:
    """Empty pairs and invalid escapes are accepted, because clients send both."""
    assert decode_query(query) == params


@pytest.mark.parametrize(
    ("query", "params"),
    [
        (b"a[b]=1", {"a": {"b": "1"}}),
        (b"a[b]=1&a[c]=2", {"a": {"b": "1", "c": "2"}}),
        (b"a[b][c]=1&a[b][d]=2", {"a": {"b": {"c": "1", "d": "2"}}}),
        (b"a[]=1", {"a": ["1"]}),
        (b"a[]=1&a[]=2", {"a": ["1", "2"]}),
        (b"a[b][]=1&a[b][]=2", {"a": {"b": ["1", "2"]}}),
        (b"a[b][0]=x&a[b][1]=y", {"a": {"b": {"0": "x", "1": "y"}}}),
        (b"a[b]=1&a[b]=2", {"a": {"b": "2"}}),
        (b"a[b]", {"a": {"b": ""}}),
    ],
)
def test_brackets_nest_maps_and_make_lists(query: bytes, params: dict[str, Any]) -> None:
    """An index is an ordinary key: the JavaScript client writes arrays with it."""
    assert decode_query(query) == params


@pytest.mark.parametrize(
    ("query", "params"),
    [
        (b"a=1&a[b]=2", {"a": {"b": "2"}}),
        (b"a[b]=2&a=1", {"a": "1"}),
        (b"a=1&a[]=2", {"a": ["2"]}),
        (b"a[]=1&a[b]=2", {"a": {"b": "2"}}),
        (b"a[b]=1&a[]=2", {"a": ["2"]}),
        (b"a[b]=1&a[b][c]=2", {"a": {"b": {"c": "2"}}}),
    ],
)
def test_a_key_that_is_used_in_two_ways_has_its_last_meaning(
    query: bytes, params: dict[str, Any]
) -> None:
    """Any combination is decoded to some value, and raises nothing."""
    assert decode_query(query) == params


@pytest.mark.parametrize("key", ["[b]", "a[b", "a]b", "a[b]c", "a[", "[]", "]", "a" + "[b]" * 33])
def test_a_key_with_brackets_that_do_not_nest_is_taken_as_it_is(key: str) -> None:
    """A key with unbalanced brackets, or with too many, is an ordinary key."""
    assert decode_query(f"{key}=1".encode()) == {key: "1"}


def test_nesting_is_followed_to_a_depth_that_no_client_needs() -> None:
    """The depth of nesting is bounded."""
    params = decode_query(b"a" + b"[b]" * 32 + b"=1")

    depth = 0
    inner: Any = params["a"]
    while isinstance(inner, dict):
        inner = inner["b"]
        depth += 1
    assert (depth, inner) == (32, "1")


@pytest.mark.parametrize("query", [b"a=%ff", b"%ff=1", b"a=\xff", b"a=%ed%a0%80", b"a=%C3"])
def test_what_is_not_utf_8_once_unescaped_is_refused(query: bytes) -> None:
    """The request is answered with HTTP 400."""
    with pytest.raises(DecodeError, match="not UTF-8"):
        decode_query(query)


def test_a_query_string_has_at_most_a_million_bytes() -> None:
    """A longer query is answered with HTTP 414. The bound itself is allowed."""
    longest = b"a=" + b"x" * (MAX_QUERY - 2)

    assert decode_query(longest) == {"a": "x" * (MAX_QUERY - 2)}
    with pytest.raises(DecodeError, match="at most 1000000 bytes, got 1000001"):
        decode_query(longest + b"x")


@property_test
@given(st.dictionaries(texts.filter(lambda text: "[" not in text), texts, max_size=6))
def test_what_a_client_encodes_comes_out_again(params: dict[str, str]) -> None:
    """Both spellings of a space are decoded."""
    assert decode_query(urlencode(params).encode()) == params
    assert decode_query(urlencode(params, quote_via=quote).encode()) == params


_PARTS = st.sampled_from([b"a", b"b", b"[", b"]", b"[]", b"=", b"&", b"%", b"%5B", b"+", b"\xc3"])


@property_test
@given(st.binary(max_size=60) | st.lists(_PARTS, max_size=30).map(b"".join))
def test_no_query_string_raises_anything_but_a_decode_error(query: bytes) -> None:
    """The decoded values have text as keys, on all levels."""
    try:
        params = decode_query(query)
    except DecodeError:
        return
    _check(params)


def _check(value: Any) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            assert isinstance(key, str)
            _check(inner)
    elif isinstance(value, list):
        assert all(isinstance(inner, str) for inner in value)
    else:
        assert isinstance(value, str)
