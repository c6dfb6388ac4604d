from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from bennu.bus.nats.parts import MAX_BYTES, MAX_HELD, Joiner, cut


@given(st.binary(min_size=1, max_size=200), st.integers(1, 200))
def test_what_was_cut_is_joined(data: bytes, size: int) -> None:
    joiner = Joiner()
    parts = list(cut(data, size, b"me", 7))
    assert all(len(part) <= size for _, part in parts)
    *early, last = [joiner.add("room", reply, part) for reply, part in parts]
    assert early == [None] * (len(parts) - 1)
    assert last == data


def test_the_parts_of_two_publishers_and_channels_can_alternate() -> None:
    joiner = Joiner()
    one = list(cut(b"aabb", 2, b"one", 1))
    two = list(cut(b"ccdd", 2, b"two", 1))
    assert joiner.add("room", *one[0]) is None
    assert joiner.add("room", *two[0]) is None
    assert joiner.add("other", *two[0]) is None
    assert joiner.add("room", *two[1]) == b"ccdd"
    assert joiner.add("room", *one[1]) == b"aabb"
    assert joiner.add("other", *two[1]) == b"ccdd"


def test_a_message_with_a_missing_part_is_dropped() -> None:
    joiner = Joiner()
    first = list(cut(b"aabbcc", 2, b"one", 1))
    second = list(cut(b"ddeeff", 2, b"one", 2))
    assert joiner.add("room", *first[1]) is None  # the first part is missing
    assert joiner.add("room", *first[0]) is None
    assert joiner.add("room", *first[2]) is None  # the second part is missing
    assert joiner.add("room", *first[1]) is None
    assert joiner.add("room", *first[0]) is None
    assert joiner.add("room", *second[1]) is None  # a part of another message
    assert joiner.add("room", *second[2]) is None
    assert joiner.add("room", *first[0]) is None
    assert [joiner.add("room", *part) for part in second] == [None, None, b"ddeeff"]


@pytest.mark.parametrize(
    "reply", [b"_INBOX.x", b"part", b"part.one.1.0", b"part.one.-1.0.1", b"part.a b.1.0.1"]
)
def test_another_reply_says_nothing_about_parts(reply: bytes) -> None:
    assert Joiner().add("room", reply, b"data") == b"data"


def test_a_message_that_is_too_large_is_dropped() -> None:
    joiner = Joiner()
    half = bytes(MAX_BYTES // 2)
    assert [joiner.add("room", b"part.one.1.%d.3" % index, half) for index in range(3)] == [
        None
    ] * 3
    assert joiner.add("room", b"part.one.2.0.1", b"next") == b"next"


def test_what_publishers_left_incomplete_has_a_limit() -> None:
    joiner = Joiner()
    part = bytes(MAX_BYTES)
    count = MAX_HELD // MAX_BYTES
    for publisher in range(count + 1):
        assert joiner.add("room", b"part.p%d.1.0.2" % publisher, part) is None
    assert joiner.add("room", b"part.p0.1.1.2", b"") is None  # the oldest was dropped
    assert joiner.add("room", b"part.p1.1.1.2", b"") == part
