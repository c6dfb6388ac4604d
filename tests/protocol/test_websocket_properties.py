"""WebSocket frames of any kind: the reader never raises, and agrees with the ``websockets`` library.

The library is only compared where both must agree. It answers a close by its own rule, so no close is
among the invalid frames.
"""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import example, given, strategies as st
from websockets.frames import Frame, Opcode as LibraryOpcode
from websockets.protocol import CLIENT, SERVER, Protocol, State

from bennu.message import TEXT, Opcode
from bennu.protocol.websocket import CLOSE, FAILURE, Event

from ..support.masked import MASK, cut, raw, read
from ..support.properties import property_test


class Sent(NamedTuple):
    """A frame that a client can send: any header, and the content that it announces."""

    first: int
    content: bytes
    mask: bytes | None
    width: int | None

    def bytes(self) -> bytes:
        return raw(self.first, self.content, mask=self.mask, width=self.width)


_CONTENTS = st.binary(max_size=140) | st.text(max_size=40).map(str.encode) | st.just(bytes(300))
_MASKS = st.binary(min_size=4, max_size=4)
_FIRSTS = [0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A]

# Only the library accepts a control frame whose length is longer than necessary.
any_frames = st.builds(
    Sent,
    st.sampled_from(_FIRSTS) | st.integers(0, 255).filter(lambda first: first & 0x0F != CLOSE),
    _CONTENTS,
    _MASKS | st.none(),
    st.sampled_from([None, None, None, 2, 8]),
).map(lambda one: one._replace(width=None) if one.first & 0x8 else one)


@st.composite
def conversations(draw: st.DrawFn) -> bytes:
    """Frames that a correct client can send, written by the library."""
    client = Protocol(CLIENT, state=State.OPEN)
    for _ in range(draw(st.integers(1, 5))):
        send = draw(st.sampled_from([client.send_text, client.send_binary]))
        fragments = draw(st.lists(st.text(max_size=40).map(str.encode), min_size=1, max_size=3))
        for number, fragment in enumerate(fragments, start=1):
            final = number == len(fragments)
            (send if number == 1 else client.send_continuation)(fragment, fin=final)
            if draw(st.booleans()):
                control = draw(st.sampled_from([client.send_ping, client.send_pong]))
                control(draw(st.binary(max_size=125)))
    if draw(st.booleans()):
        client.send_close(1000, "bye")
    return b"".join(client.data_to_send())


def read_by_library(data: bytes) -> list[Event]:
    """Return the library's events for a client's bytes, in the form of the reader's events.

    The library reads frames, so this joins them to messages and checks them.
    """
    protocol = Protocol(SERVER, state=State.OPEN, max_size=None)
    protocol.receive_data(data)
    events: list[Event] = []
    parts: list[bytes] = []
    kind = LibraryOpcode.CONT
    for one in protocol.events_received():
        assert isinstance(one, Frame)
        if one.opcode >= LibraryOpcode.CLOSE:
            events.append((Opcode(one.opcode), bytes(one.data)))
            continue
        if one.opcode is not LibraryOpcode.CONT:
            kind = one.opcode
        parts.append(bytes(one.data))
        if one.fin:
            content = b"".join(parts)
            parts.clear()
            if kind is LibraryOpcode.TEXT and content.decode(errors="replace").encode() != content:
                return [*events, (FAILURE, 1007)]
            events.append((Opcode(kind), content))
    if protocol.parser_exc is not None:
        assert protocol.close_sent is not None
        events.append((FAILURE, protocol.close_sent.code))
    return events


def without_reasons(events: list[Event]) -> list[Event]:
    """Return the events, with only the code of a failure."""
    return [(kind, data[0] if kind is FAILURE else data) for kind, data in events]


@property_test
@given(st.lists(any_frames, max_size=6), st.lists(st.integers(0), max_size=6))
@example([Sent(0x01, b"\xc3", MASK, None), Sent(0x80, b"\xa9", MASK, None)], [5])
@example([Sent(0x82, bytes(119), MASK, 8)], [])
def test_frames_of_any_kind_mean_what_the_library_says(
    sent: list[Sent], positions: list[int]
) -> None:
    """Valid and invalid frames, in one piece or many, give the same messages and the same close code."""
    data = b"".join(one.bytes() for one in sent)

    assert without_reasons(read(cut(data, positions))) == read_by_library(data)


@property_test
@given(conversations(), st.lists(st.integers(0), max_size=10))
def test_a_conversation_is_read_without_a_failure(data: bytes, positions: list[int]) -> None:
    """Each cut gives the same messages, which are those of the library."""
    events = read(cut(data, positions))

    assert events == read_by_library(data)
    assert all(kind is not FAILURE for kind, _ in events)


@property_test
@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 200))
def test_no_bytes_at_all_raise_and_a_failure_is_the_last_event(
    chunks: list[bytes], max_size: int
) -> None:
    """Any bytes give events, and at most one end, with a code that can be sent."""
    events = read(chunks, max_size)

    for number, (kind, data) in enumerate(events, start=1):
        if kind is FAILURE or kind is CLOSE:
            assert number == len(events)
        if kind is FAILURE:
            assert data[0] in {1002, 1007, 1009}
        elif kind is TEXT:
            data.decode()
        if kind is not FAILURE:
            assert len(data) <= max(max_size, 125)


@property_test
@given(st.binary(max_size=300), st.lists(st.integers(0), max_size=8), st.integers(1, 200))
def test_where_bytes_are_cut_never_matters(
    data: bytes, positions: list[int], max_size: int
) -> None:
    """This also holds for bytes that are no frames."""
    assert read(cut(data, positions), max_size) == read([data], max_size)
