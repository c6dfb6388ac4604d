"""Erlang terms: written as OTP writes them, and read in every valid form (protocol, §8.5)."""

from __future__ import annotations

import tracemalloc
import zlib
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

import pytest
from hypothesis import given, strategies as st

from bennu.errors import DecodeError, EncodeError
from bennu.phoenix.etf import MAX_DEPTH, MAX_SIZE, Atom, Opaque, decode, encode

from ..support.properties import property_test, texts

BIGGEST_SMALL_BIG = 2 ** (8 * 255) - 1

TERMS: list[tuple[Any, str]] = [
    (None, "77 03 6e696c"),
    (True, "77 04 74727565"),
    (False, "77 05 66616c7365"),
    (Atom("ok"), "77 02 6f6b"),
    (Atom(""), "77 00"),
    (Atom("é"), "77 02 c3a9"),
    (Atom("é" * 128), "76 0100" + "c3a9" * 128),
    (0, "61 00"),
    (255, "61 ff"),
    (256, "62 00000100"),
    (-1, "62 ffffffff"),
    (2**31 - 1, "62 7fffffff"),
    (-(2**31), "62 80000000"),
    (2**31, "6e 04 00 00000080"),
    (-(2**31) - 1, "6e 04 01 01000080"),
    (5_000_000_000, "6e 05 00 00f2052a01"),
    (BIGGEST_SMALL_BIG, "6e ff 00" + "ff" * 255),
    (-BIGGEST_SMALL_BIG - 1, "6f 00000100 01" + "00" * 255 + "01"),
    (1.5, "46 3ff8000000000000"),
    (-0.0, "46 8000000000000000"),
    ("", "6d 00000000"),
    ("user-1", "6d 00000006 757365722d31"),
    ("é", "6d 00000002 c3a9"),
    (b"\xff\x00", "6d 00000002 ff00"),
    ((), "68 00"),
    ((1, ()), "68 02 61 01 68 00"),
    ((None,) * 256, "69 00000100" + "77 03 6e696c" * 256),
    ([], "6a"),
    ([0, 255], "6b 0002 00ff"),
    ([1] * 65535, "6b ffff" + "01" * 65535),
    ([1] * 65536, "6c 00010000" + "6101" * 65536 + "6a"),
    ([1, -1], "6c 00000002 61 01 62 ffffffff 6a"),
    ([1, True], "6c 00000002 61 01 77 04 74727565 6a"),
    ([1, 256], "6c 00000002 61 01 62 00000100 6a"),
    ([1, "a"], "6c 00000002 61 01 6d 00000001 61 6a"),
    ([[]], "6c 00000001 6a 6a"),
    ({}, "74 00000000"),
    ({"id": 7}, "74 00000001 6d 00000002 6964 61 07"),
    ({Atom("id"): [{}]}, "74 00000001 77 02 6964 6c 00000001 74 00000000 6a"),
]
"""What is written, and read again."""


@pytest.mark.parametrize(("value", "term"), TERMS)
def test_a_value_is_written_as_otp_writes_it_and_comes_back(value: Any, term: str) -> None:
    """The bytes are equal, so tokens of equal data are equal."""
    data = bytes.fromhex("83" + term)

    assert encode(value) == data
    assert_same(decode(data), value)


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    BIG = 300


class Point(NamedTuple):
    x: int
    y: int


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Colour.RED, "red"),
        (Size.BIG, 300),
        (Point(1, 2), (1, 2)),
        (bytearray(b"\xff"), b"\xff"),
        (Atom("nil"), None),
        (Atom("true"), True),
        (b"text", "text"),
    ],
)
def test_what_is_like_a_plain_value_is_written_as_that(value: Any, plain: Any) -> None:
    """It is read as the plain value."""
    assert encode(value) == encode(plain)
    assert_same(decode(encode(value)), plain)


KEYS: list[Any] = [
    -1, 2, 0.5, 3.5, Atom("b"), False, None, (9,), (1, 2), ("a", 1), ("b", 0), "", "a", "aa", b"b\xff",
]  # fmt: skip


@pytest.mark.parametrize("keys", [KEYS, KEYS[::-1]])
def test_the_keys_of_a_map_stand_in_the_order_of_erlang(keys: list[Any]) -> None:
    """The order is numbers (integers first), atoms, tuples by size, binaries. So equal dicts are equal terms."""
    expected = [encode(key)[1:] + encode(0)[1:] for key in KEYS]

    assert encode(dict.fromkeys(keys, 0)) == b"\x83\x74" + len(KEYS).to_bytes(4, "big") + b"".join(
        expected
    )


@pytest.mark.parametrize("value", [object(), {1}, Decimal(1), 1j, [object()], {"a": (range(3),)}])
def test_what_is_no_term_is_refused_and_named(value: Any) -> None:
    """The error says what to write instead."""
    with pytest.raises(EncodeError, match=r"is no Erlang term: write None, bool, int, .* or dict"):
        encode(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), "Erlang has no nan"),
        ([float("inf")], "Erlang has no inf"),
        ({"a": float("-inf")}, "Erlang has no -inf"),
        ("\ud800", "UTF-8 can't carry"),
        (Atom("\ud800"), "UTF-8 can't carry"),
        (Atom("a" * 256), "an atom has at most 255 characters, got 256"),
        ({"a": 1, b"a": 2}, "two keys of a dict are one in Erlang"),
        ({None: 1, Atom("nil"): 2}, "two keys of a dict are one in Erlang"),
        ({frozenset[int](): 1}, "frozenset is no Erlang term"),
    ],
)
def test_what_erlang_has_not_is_refused(value: Any, text: str) -> None:
    """The error comes here, and not in Erlang."""
    with pytest.raises(EncodeError, match=text):
        encode(value)


def test_a_term_that_is_written_has_at_most_a_million_bytes() -> None:
    """The bound is the same as for reading, and is allowed itself."""
    longest = "a" * (MAX_SIZE - 6)

    assert decode(encode(longest)) == longest
    with pytest.raises(EncodeError, match="at most 1000000 bytes, got 1000001"):
        encode(longest + "a")


# What others wrote.


@pytest.mark.parametrize(
    ("term", "value"),
    [
        pytest.param("64 0003 6e696c", None, id="atoms before OTP 26"),
        pytest.param("64 0001 e9", Atom("é"), id="an atom in Latin-1"),
        pytest.param("73 02 6f6b", Atom("ok"), id="a short atom in Latin-1"),
        pytest.param("76 0004 74727565", True, id="a long atom in UTF-8 that is short"),
        pytest.param("62 00000001", 1, id="an integer that could be shorter"),
        pytest.param("6e 00 00", 0, id="no digits"),
        pytest.param("6e 02 01 0100", -1, id="digits that are nought"),
        pytest.param("6f 00000001 00 05", 5, id="a large number that is small"),
        pytest.param("69 00000001 61 01", (1,), id="a tuple that could be shorter"),
        pytest.param("6c 00000000 6a", [], id="an empty list with its length"),
        pytest.param("6c 00000001 61 01 6a", [1], id="a charlist that is none"),
        pytest.param("6b 0000", [], id="an empty charlist"),
        pytest.param("74 00000002 6101 6102 6100 6103", {1: 2, 0: 3}, id="unsorted keys"),
        pytest.param("61 01 ff", 1, id="bytes after the term"),
    ],
)
def test_other_spellings_of_a_value_are_read(term: str, value: Any) -> None:
    """They come from older releases, and from libraries other than OTP."""
    assert_same(decode(bytes.fromhex("83" + term)), value)


@pytest.mark.parametrize(
    ("text", "value"),
    [(b"1.50000000000000000000e+00", 1.5), (b"-2.5", -2.5), (b"1.0E-3", 0.001)],
)
def test_floats_of_old_releases_are_read(text: bytes, value: float) -> None:
    """They are text, padded to 31 bytes."""
    assert decode(b"\x83\x63" + text.ljust(31, b"\0")) == value


def test_a_compressed_term_is_read() -> None:
    """``term_to_binary(term, [:compressed])`` makes it."""
    value = ["a" * 1000] * 10

    data = compressed(encode(value))
    assert len(data) < 200
    assert decode(data) == value


NODE = "77 04 61406263"

OPAQUE = [
    pytest.param("67" + NODE + "00" * 9, id="a pid before OTP 23"),
    pytest.param("58" + NODE + "00" * 12, id="a pid"),
    pytest.param("66" + NODE + "00" * 5, id="a port before OTP 23"),
    pytest.param("59" + NODE + "00" * 8, id="a port"),
    pytest.param("78" + NODE + "00" * 12, id="a port since OTP 24"),
    pytest.param("65" + NODE + "00" * 5, id="a reference of old"),
    pytest.param("72 0003" + NODE + "00" * 13, id="a reference before OTP 23"),
    pytest.param("5a 0003" + NODE + "00" * 16, id="a reference"),
    pytest.param("67 64 0004 61406263" + "00" * 9, id="a pid of a node in Latin-1"),
    pytest.param("4d 00000001 04 f0", id="a bitstring"),
]


@pytest.mark.parametrize("term", OPAQUE)
def test_what_only_erlang_understands_is_kept_as_it_came(term: str) -> None:
    """So the values beside it can be read, and the whole can be written again."""
    data = bytes.fromhex("83 68 02" + term + "61 01")

    value = decode(data)
    assert value == (Opaque(bytes.fromhex(term)), 1)
    assert encode(value) == data
    assert encode({value[0]: 1, Atom("z"): 2}).endswith(bytes.fromhex(term + "61 01"))


@pytest.mark.conformance("TK035")
@pytest.mark.parametrize(
    ("term", "name"),
    [
        ("70 0000001d 00" + "00" * 24, "NEW_FUN"),
        ("75 00000000" + NODE, "FUN"),
        ("71 77 01 61 77 01 62 61 00", "EXPORT"),
        ("79 0000", "LOCAL"),
    ],
)
def test_functions_are_refused_wherever_they_stand(term: str, name: str) -> None:
    """They are refused in a list, in a tuple, and as the key of a map. No callable object is ever made."""
    for around in ("{}", "68 01 {}", "6c 00000001 {} 6a", "74 00000001 {} 61 01"):
        with pytest.raises(DecodeError, match=f"not read: {name}$"):
            decode(bytes.fromhex("83" + around.format(term)))


@pytest.mark.conformance("TK035")
def test_an_atom_that_nobody_knows_makes_no_symbol() -> None:
    """OTP never frees an atom, so Phoenix can refuse new atoms. In Python an atom is a normal value."""
    griffin = decode(bytes((131, 100, 0, 7, 103, 114, 105, 102, 102, 105, 110)))

    assert griffin == Atom("griffin")
    assert griffin != "griffin"
    assert griffin is not decode(encode(griffin))
    assert repr(griffin) == "Atom('griffin')"


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("", "cut off"),
        ("ff", "not read: 255"),
        ("50", "not as long as it says"),
        ("50 00000001 ffff", "does not decompress"),
        ("52 00", "not read: 82"),
        ("61", "cut off"),
        ("6d 00000005 61", "cut off"),
        ("6c ffffffff 6a", "cut off"),
        ("69 ffffffff", "cut off"),
        ("74 ffffffff", "cut off"),
        ("6f ffffffff 00", "cut off"),
        ("46 7ff0000000000000", "not finite"),
        ("46 7ff8000000000000", "not finite"),
        ("63" + b"1.0e999".ljust(31, b"\0").hex(), "not finite"),
        ("63" + b"nan".ljust(31, b"\0").hex(), "no number"),
        ("63" + b" 1.0".ljust(31, b"\0").hex(), "no number"),
        ("77 01 ff", "not UTF-8"),
        ("64 0100" + "61" * 256, "at most 255 characters, got 256"),
        ("6c 00000001 61 01 61 02", "an improper list"),
        ("74 00000001 6a 61 01", "can't be a key of a dict"),
        ("74 00000001 74 00000000 61 01", "can't be a key of a dict"),
        ("74 00000001 68 01 6a 61 01", "can't be a key of a dict"),
        ("74 00000002 61 01 61 01 61 01 61 01", "equal in Python"),
        ("74 00000002 61 01 61 01 46 3ff0000000000000 61 01", "equal in Python"),
        ("4d 00000001 00 f0", "has no bits, or too many"),
        ("4d 00000001 09 f0", "has no bits, or too many"),
        ("4d 00000000 01", "has no bits, or too many"),
        ("67 61 01" + "00" * 9, "a node whose name is no atom"),
        ("72 ffff" + NODE, "cut off"),
    ],
)
def test_what_is_no_term_or_no_value_of_python_is_refused(term: str, text: str) -> None:
    """There is one documented exception."""
    with pytest.raises(DecodeError, match=text):
        decode(bytes.fromhex("83" + term))


@pytest.mark.parametrize("data", [b"", b"\x82a\x01", b"a\x01"])
def test_what_has_another_version_is_no_term(data: bytes) -> None:
    """There is only one version."""
    with pytest.raises(DecodeError, match="begins with the byte 131"):
        decode(data)


def test_binaries_stay_bytes_if_that_is_wanted() -> None:
    """Otherwise bytes that are UTF-8 by chance would become text."""
    data = encode({"a": [b"\xff", "é"], Atom("b"): "c"})

    assert decode(data) == {"a": [b"\xff", "é"], Atom("b"): "c"}
    assert decode(data, text=False) == {b"a": [b"\xff", "é".encode()], Atom("b"): b"c"}


# Bounds.


@pytest.mark.parametrize(
    ("before", "after"), [("68 01", ""), ("6c 00000001", "6a"), ("74 00000001 61 00", "")]
)
def test_containers_nest_to_a_depth_that_no_data_needs(before: str, after: str) -> None:
    """The bound is the same in both directions, and no stack overflows."""

    def nested(depth: int) -> bytes:
        return bytes.fromhex("83" + before * depth + "61 01" + after * depth)

    value = decode(nested(MAX_DEPTH))
    if after == "":
        assert encode(value) == nested(MAX_DEPTH)
    for depth in (MAX_DEPTH + 1, 10_000):
        with pytest.raises(DecodeError, match=f"at most {MAX_DEPTH} deep"):
            decode(nested(depth))
    with pytest.raises(EncodeError, match=f"at most {MAX_DEPTH} deep"):
        encode([value])


def test_a_value_that_holds_itself_is_nested_too_deep() -> None:
    """It is found without a stack overflow."""
    value: list[Any] = []
    value.append(value)

    with pytest.raises(EncodeError, match=f"at most {MAX_DEPTH} deep"):
        encode(value)


def test_a_term_that_is_read_has_at_most_a_million_bytes() -> None:
    """This holds for compressed terms too."""
    too_long = b"\x83\x6d" + (MAX_SIZE).to_bytes(4, "big") + bytes(MAX_SIZE)

    with pytest.raises(DecodeError, match=f"at most 1000000 bytes, got {len(too_long)}"):
        decode(too_long)
    with pytest.raises(DecodeError, match=f"at most 1000000 bytes, got {len(too_long) - 1}"):
        decode(compressed(too_long))


@pytest.mark.parametrize("claimed", [0, 9, 11, MAX_SIZE])
def test_a_compressed_term_has_the_size_that_it_claims(claimed: int) -> None:
    """It must not be larger or smaller."""
    data = compressed(encode("hello"), claimed)

    assert decode(compressed(encode("hello"), 10)) == "hello"
    with pytest.raises(DecodeError, match="not as long as it says"):
        decode(data)


def test_a_compressed_term_is_whole() -> None:
    """Its check sum comes last."""
    data = compressed(encode("hello" * 100))

    with pytest.raises(DecodeError, match="not as long as it says"):
        decode(data[:-1])
    with pytest.raises(DecodeError, match="does not decompress"):
        decode(data[:-1] + bytes((data[-1] ^ 1,)))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x83\x6c\xff\xff\xff\xff" + b"\x6a" * 10_000, id="empty lists"),
        pytest.param(b"\x83\x6c\xff\xff\xff\xff" + b"\x74\0\0\0\0" * 3_000, id="empty maps"),
        pytest.param(b"\x83\x6c\xff\xff\xff\xff" + b"\x73\x01a" * 5_000, id="atoms"),
        pytest.param(b"\x83\x6f\xff\xff\xff\xff\x00" + b"\xff" * 50_000, id="a number"),
        pytest.param(b"\x83\x50\0\0\0\x09" + zlib.compress(bytes(50_000_000)), id="a bomb"),
    ],
)
def test_what_is_read_takes_memory_in_proportion_to_its_size(data: bytes) -> None:
    """The claimed size and the decompressed size have no effect."""
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            decode(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200 * len(data)


# Properties.


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = _scalars | st.tuples(_scalars, _scalars)
    return (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
    )


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**2100), 2**2100)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.binary(max_size=20).filter(lambda data: not _is_text(data))
    | texts.filter(lambda name: name not in ("nil", "true", "false")).map(Atom)
)

terms = st.recursive(_scalars, _nested, max_leaves=12)


@property_test
@given(terms)
def test_every_term_comes_back(value: Any) -> None:
    """Types are kept: 1, 1.0 and True are equal in Python, but differ in Erlang."""
    data = encode(value)

    assert_same(decode(data), value)
    assert_same(decode(data + b"more"), value)
    assert_same(decode(compressed(data)), value)


@property_test
@given(terms)
def test_no_term_is_cut_off_unnoticed(value: Any) -> None:
    """This holds for each byte."""
    data = encode(value)

    for end in range(len(data)):
        with pytest.raises(DecodeError):
            decode(data[:end])


@property_test
@given(st.dictionaries(_scalars, st.integers(), max_size=6).map(lambda d: list(d.items())))
def test_equal_dicts_are_equal_terms(items: list[tuple[Any, int]]) -> None:
    """The order of insertion has no effect."""
    assert encode(dict(items)) == encode(dict(reversed(items)))


_PIECES = st.sampled_from(
    [bytes.fromhex(term) for _, term in TERMS if len(term) < 60]
    + [bytes((tag,)) for tag in range(70, 122)]
    + [b"\0\0\0\2", b"\0\0\0\1", b"\0\1", b"\0", b"\xff\xff\xff\xff"]
)


@property_test
@given(st.binary(max_size=60) | st.lists(_PIECES, max_size=30).map(b"".join), st.booleans())
def test_no_bytes_raise_anything_but_a_decode_error(data: bytes, text: bool) -> None:
    """A decoded value can be encoded, and decodes to the same value."""
    for term in (b"\x83" + data, compressed(b"\x83" + data)):
        try:
            value = decode(term, text=text)
        except DecodeError:
            continue
        assert_same(decode(encode(value), text=text), value)


# Helpers.


def compressed(data: bytes, claimed: int | None = None) -> bytes:
    size = len(data) - 1 if claimed is None else claimed
    return b"\x83\x50" + size.to_bytes(4, "big") + zlib.compress(data[1:])


def assert_same(got: Any, expected: Any) -> None:
    """Check that two values are equal, with equal types at every depth."""
    assert type(got) is type(expected)
    if isinstance(expected, (list, tuple)):
        assert len(got) == len(expected)
        for got_one, one in zip(got, expected, strict=True):
            assert_same(got_one, one)
    elif isinstance(expected, dict):
        assert got == expected
        keys = {key: key for key in got}
        for key, one in expected.items():
            assert_same(keys[key], key)
            assert_same(got[key], one)
    else:
        assert repr(got) == repr(expected)
