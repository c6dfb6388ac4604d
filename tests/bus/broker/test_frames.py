"""Frames return what was put into them; other bytes are refused."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import example, given, strategies as st

from bennu.bus.broker.frames import (
    MAX_NODE,
    PART,
    Answer,
    Ask,
    BrokerFrame,
    FarewellToAll,
    FrameBody,
    FrameKind,
    NodeHeartbeat,
    OtherVersion,
    Probe,
    Recall,
    Recalled,
    Sender,
    body_of,
    control_of,
    head_of,
    sender_of,
    size_of,
    split,
)
from bennu.errors import DecodeError

from ...support.properties import property_test, texts

SENDER: Final = Sender("web-1", 2**63)
AT: Final = len(SENDER.head)
numbers = st.integers(0, 2**64 - 1)
CONTROLS: Final[list[BrokerFrame]] = [
    NodeHeartbeat(7, 1.5, is_back=True),
    FarewellToAll(),
    Probe(3),
    Ask(1, 2, 10.0, ["room:1", ""]),
    Answer(1, 2, 10.0, 1.5, [("room:1", 2**63, 0)]),
    Recall(1, 20.0),
    Recalled(1, False),
]


@given(texts.filter(bool), numbers, numbers, texts, st.binary())
@property_test
def test_a_frame_returns_what_was_put_into_it(
    node: str, epoch: int, number: int, topic: str, data: bytes
) -> None:
    sender = Sender(node, epoch)
    at = len(sender.head)
    for frame, body in (
        (sender.message(number, data), FrameBody(FrameKind.MESSAGE, number, None, data)),
        (sender.mark(number), FrameBody(FrameKind.MARK, number, None, b"")),
        (
            sender.addressed(number, topic.encode(), data),
            FrameBody(FrameKind.ADDRESSED, number, topic, data),
        ),
        (
            sender.addressed_mark(number, topic.encode()),
            FrameBody(FrameKind.ADDRESSED_MARK, number, topic, b""),
        ),
    ):
        assert head_of(frame) == sender.head
        assert sender_of(head_of(frame)) == (node, epoch)
        assert body_of(frame, at) == body


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: type(control).__name__)
def test_a_control_frame_returns_what_was_put_into_it(control: BrokerFrame) -> None:
    frame = SENDER.control(control)
    body = body_of(frame, AT)
    assert body.kind == FrameKind.CONTROL
    assert control_of(body.data) == control


def test_the_bytes_of_a_frame_stay_the_same() -> None:
    """Nodes of two versions of Bennu run side by side during a deploy. Change the version with the bytes."""
    assert Sender("a", 1).addressed(2, b"t", b"data").hex() == (
        "b30101"
        + b"a".hex()
        + "0000000000000001"
        + "03"
        + "0000000000000002"
        + "0001"
        + b"tdata".hex()
    )


def test_another_version_is_told_from_other_bytes() -> None:
    frame = bytearray(SENDER.message(1, b"x"))
    frame[1] = 2
    with pytest.raises(OtherVersion, match="version 2; this is version 1"):
        head_of(bytes(frame))
    with pytest.raises(DecodeError, match="no frame") as refused:
        head_of(b'{"json": 1}')
    assert not isinstance(refused.value, OtherVersion)


@pytest.mark.parametrize(
    "body",
    [
        b"\x01",
        b"\x02\x00",
        b"\x03" + bytes(8),
        b"\x03" + bytes(8) + b"\x00\x05abc",
        b"\x04" + bytes(8) + b"\x00\x01\xff",
        b"\x00" + bytes(20),
        b"\x06" + bytes(20),
        b"\xff",
    ],
)
def test_a_body_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        body_of(SENDER.head + body, AT)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x91\x63",
        b"\x92\x03\xa1x",
        b"\x93\x06\x01\xcb\x7f\xf0" + bytes(6),
        b"\x91" * 2000,
    ],
)
def test_a_control_frame_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        control_of(data)


@pytest.mark.parametrize("name", [b"", b"\xff", b"x" * (MAX_NODE + 1)])
def test_a_name_that_is_none_is_refused(name: bytes) -> None:
    with pytest.raises(DecodeError):
        sender_of(bytes((0xB3, 1, len(name))) + name + bytes(8))


@given(st.binary())
@example(SENDER.head)
@example(SENDER.head[:5])
@property_test
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    for frame in (data, SENDER.head + data, SENDER.head + b"\x05" + data):
        try:
            head = head_of(frame)
            sender_of(head)
            body = body_of(frame, len(head))
            if body.kind == FrameKind.CONTROL:
                control_of(body.data)
        except DecodeError:
            pass


@given(st.lists(st.integers(0, 40_000), max_size=30))
@example([40_000] * 7)
@property_test
def test_topics_are_split_into_frames(lengths: list[int]) -> None:
    topics = ["🐦" * (length // 4) for length in lengths]
    parts = [*split(topics)]
    assert [topic for part in parts for topic in part] == topics
    assert all(parts)
    for part in parts:
        frame = SENDER.control(Ask(0, 1, 0.0, part))
        assert len(frame) <= AT + 40 + size_of(part)
        assert size_of(part[:-1]) < PART
