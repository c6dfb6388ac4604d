"""Frames are found wherever the bytes are split, and bad bytes are refused."""

from __future__ import annotations

import struct
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from bennu.bus.ipc.frames import (
    MAX_DATA,
    MAX_FRAME,
    Farewell,
    Flush,
    Flushed,
    FrameReader,
    Hello,
    Interest,
    InterestReady,
    InterestTaken,
    NoInterest,
    Welcome,
    control_frame,
    message_frame,
    parts,
)
from bennu.errors import DecodeError, EncodeError

from ...support.properties import property_test

CONTROLS = [
    Hello(1, "web-1", 7),
    Welcome("web-2", 2**62),
    Interest(3, [b"room:1", b"", b"\xff"]),
    InterestReady(3),
    InterestTaken(3, True, {b"room:1": 9}),
    NoInterest([b"room:1"]),
    Flush(4),
    Flushed(4),
    Farewell(),
]

messages = st.tuples(st.binary(max_size=20), st.binary(max_size=50))
frames = st.lists(messages | st.sampled_from(CONTROLS), max_size=12)


def reader(found: list[Any]) -> FrameReader:
    return FrameReader(lambda key, data: found.append((key, data)), found.append)


def encoded(frame: Any) -> bytes:
    return message_frame(*frame) if isinstance(frame, tuple) else control_frame(frame)


@given(frames, st.lists(st.integers(0, 700), max_size=20))
@property_test
def test_frames_are_found_wherever_the_bytes_are_split(sent: list[Any], cuts: list[int]) -> None:
    data = b"".join(encoded(frame) for frame in sent)
    found: list[Any] = []
    reading = reader(found)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, stop in pairwise(places):
        reading.feed(data[start:stop])
    assert found == sent


def test_frames_are_found_byte_by_byte() -> None:
    found: list[Any] = []
    reading = reader(found)
    for byte in b"".join(encoded(frame) for frame in [(b"t", b"data"), *CONTROLS]):
        reading.feed(bytes([byte]))
    assert found == [(b"t", b"data"), *CONTROLS]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (struct.pack(">IB", MAX_FRAME + 1, 1), "bytes; a frame has"),
        (struct.pack(">IB", 0, 1), "a frame of 0 bytes"),
        (struct.pack(">IB", 1, 9), "unknown kind 9"),
        (struct.pack(">IBB", 2, 1, 0), "without a topic"),
        (struct.pack(">IBH", 3, 1, 1), "longer than its message"),
        (struct.pack(">IB", 3, 2) + b"\xc1\xc1", "can't be decoded"),
        (struct.pack(">IB", 8, 2) + b"\x91\xa5never", "can't be decoded"),
        (struct.pack(">IB", 5000, 2) + b"\x91" * 4999, "can't be decoded"),
        (b"GET / HTTP/1.1\r\n\r\n", "a frame of"),
    ],
)
def test_bad_bytes_are_refused(data: bytes, text: str) -> None:
    found: list[Any] = []
    with pytest.raises(DecodeError, match=text):
        reader(found).feed(data)
    assert found == []


@given(st.binary(max_size=200))
@property_test
def test_random_bytes_raise_nothing_else(data: bytes) -> None:
    with suppress(DecodeError):
        reader([]).feed(data)


def test_a_message_has_a_bounded_length() -> None:
    found: list[Any] = []
    reader(found).feed(message_frame(b"t", bytes(MAX_DATA)))
    assert len(found[0][1]) == MAX_DATA
    with pytest.raises(EncodeError, match="at most"):
        message_frame(b"t", bytes(MAX_DATA + 1))


def test_an_interest_is_split_into_frames() -> None:
    keys = [b"%060000d" % number for number in range(10)]
    split = list(parts(keys))
    assert [key for part in split for key in part] == keys
    assert len(split) > 1
    assert list(parts([])) == []
