"""Messages between trackers: their bytes, and bytes that are no message."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st
from msgspec import msgpack

from bennu.errors import DecodeError
from bennu.presence.crdt import (
    Entry,
    Goodbye,
    Heartbeat,
    ShardMessage,
    TransferAck,
    TransferRequest,
    decode,
    encode,
)
from bennu.presence.crdt.delta import Part

from ...support.properties import property_test

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
numbers = st.integers(0, 2**63 - 1)
metas = st.dictionaries(
    texts, st.none() | numbers | texts | st.lists(texts, max_size=2), max_size=2
)
refs = st.tuples(texts, numbers)
clocks = st.dictionaries(refs, numbers, max_size=3)
entries = st.builds(Entry, texts, numbers, texts, metas)


def _part(start: int, length: int, values: dict[int, Entry], cloud: set[int]) -> Part:
    return Part(start, start + length, cloud | values.keys(), values)


small = st.integers(0, 9)
parts = st.builds(
    _part, small, small, st.dictionaries(small, entries, max_size=2), st.sets(numbers, max_size=3)
)
deltas = st.dictionaries(refs, parts, max_size=2)
messages: st.SearchStrategy[ShardMessage] = st.one_of(
    st.builds(Heartbeat, refs, deltas, clocks),
    st.builds(TransferRequest, refs, clocks),
    st.builds(TransferAck, refs, deltas),
    st.builds(Goodbye, refs),
)


@property_test
@given(messages)
def test_a_message_is_what_it_was(message: ShardMessage) -> None:
    """The decoded message equals the encoded message."""
    assert decode(encode(message)) == message


EXTENSION = msgpack.Ext(5, b"")
PART = [0, 1, [], {1: ["t", 1, "k", {}]}]


def pack(message: Any) -> bytes:
    """Return any value as MessagePack."""
    return msgpack.encode(message)


def test_a_message_is_an_array_that_begins_with_its_name() -> None:
    """So other programs can read it."""
    delta = {("a", 1): Part(0, 1, set(), {1: Entry("t", 1, "k", {})})}

    assert encode(TransferAck(("b", 2), delta)) == pack(
        ["transfer_ack", ["b", 2], {("a", 1): PART}]
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        pack(None),
        pack(["graceful_permdown", ["a", 1]]) + b"\x00",
        pack(["graceful_permdown", ["a", 1]])[:-1],
        pack(["farewell", ["a", 1]]),
        pack(["graceful_permdown"]),
        pack(["graceful_permdown", ["a"]]),
        pack(["graceful_permdown", ["a", "1"]]),
        pack(["transfer_req", ["a", 1], {("a", 1): -1}]),
        pack(["transfer_req", ["a", 1], {"a": 1}]),
        pack(["transfer_ack", ["a", 1], {("a", 1): [2, 1, [], {}]}]),
        pack(["transfer_ack", ["a", 1], {("a", 1): [0, 1, [], {2: ["t", 1, "k", {}]}]}]),
        pack(["transfer_ack", ["a", 1], {("a", 1): [0, 1, [], {1: ["t", 1, "k", []]}]}]),
        pack(["transfer_ack", ["a", 1], {("a", 1): [0, 1, [], {1: ["t", 1, "k"]}]}]),
        pack(["heartbeat", ["a", 1], {}, {}]).replace(b"a", b"\xff"),
        pack(
            [
                "transfer_ack",
                ["a", 1],
                {("a", 1): [0, 1, [], {1: ["t", 1, "k", {"m": msgpack.Ext(5, b"")}]}]},
            ]
        ),
    ],
)
def test_other_bytes_are_an_error(data: bytes) -> None:
    """Every kind of defect is an error."""
    with pytest.raises(DecodeError, match="expected a message between trackers"):
        decode(data)


def _spoil(message: ShardMessage, index: int, byte: int) -> bytes:
    data = bytearray(encode(message))
    data[index % len(data)] = byte
    return bytes(data)


@property_test
@given(st.binary() | st.builds(_spoil, messages, st.integers(0, 200), st.integers(0, 255)))
def test_any_bytes_at_all_are_a_message_or_an_error(data: bytes) -> None:
    """A message with one wrong byte is too."""
    try:
        message = decode(data)
    except DecodeError:
        return
    assert decode(encode(message)) == message


def test_bytes_that_nest_too_deep_are_an_error() -> None:
    """They must not crash the reader."""
    deep = encode(
        TransferAck(("a", 1), {("b", 1): Part(0, 1, set(), {1: Entry("t", 1, "k", {"m": 5})})})
    )
    with pytest.raises(DecodeError):
        decode(deep[:-1] + b"\x91" * 100_000 + b"\xc0")
