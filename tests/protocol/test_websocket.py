"""Reading WebSocket frames: valid and invalid bytes, cut at any place.

The comparison with the ``websockets`` library is in test_websocket_properties.
"""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from websockets.frames import Frame, Opcode as LibraryOpcode
from websockets.protocol import CLIENT, Protocol, State

from bennu.message import BINARY, TEXT, Opcode
from bennu.protocol.websocket import (
    CLOSE,
    PING,
    PONG,
    Event,
    Reader,
    close_answer,
    close_frame,
    frame,
)

from ..support.inside import held_by
from ..support.masked import LARGE, binary, failure, raw, read, text
from ..support.properties import property_test

MIX = b"".join(
    [
        text("hello"),
        raw(0x89),  # a ping without content
        text("é" * 63),  # 126 bytes: a length of two bytes
        raw(0x01, b"fra"),
        raw(0x89, b"between fragments"),
        raw(0x00),  # a fragment without content
        raw(0x00, b"gmen"),
        raw(0x8A, b"pong"),
        raw(0x80, b"ts"),
        binary(b""),
        raw(0x02, "é".encode()[:1]),
        raw(0x80, "é".encode()[1:]),
        raw(0x01, "ü".encode()[:1]),  # a character cut in two by its fragments
        raw(0x80, "ü".encode()[1:]),
        raw(0x82, b"x" * 119, width=8),  # 133 bytes, with a length that is longer than necessary
        raw(0x82, b"y" * 125),
        raw(0x82, b"z" * 127),
        text(""),
        raw(0x88, b"\x03\xe8bye"),
        text("after the close"),
    ]
)
MIX_EVENTS: list[Event] = [
    (TEXT, b"hello"),
    (PING, b""),
    (TEXT, "é".encode() * 63),
    (PING, b"between fragments"),
    (PONG, b"pong"),
    (TEXT, b"fragments"),
    (BINARY, b""),
    (BINARY, "é".encode()),
    (TEXT, "ü".encode()),
    (BINARY, b"x" * 119),
    (BINARY, b"y" * 125),
    (BINARY, b"z" * 127),
    (TEXT, b""),
    (CLOSE, b"\x03\xe8bye"),
]


def test_a_mix_of_frames_is_read_as_messages_and_control_frames() -> None:
    """Fragments are joined, control frames come between them, and a close is the last event."""
    assert read([MIX]) == MIX_EVENTS


def test_a_cut_at_any_byte_makes_no_difference() -> None:
    """Two reads of the socket give the same events as one."""
    for position in range(1, len(MIX)):
        assert read([MIX[:position], MIX[position:]]) == MIX_EVENTS, f"cut at {position}"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 64, 133])
def test_pieces_of_any_size_make_no_difference(size: int) -> None:
    """Reads of any size, down to one byte, give the same events."""
    assert read(MIX[at : at + size] for at in range(0, len(MIX), size)) == MIX_EVENTS


@pytest.mark.parametrize("length", [0, 1, 5, 125, 126, 127, 133, 65535, 65536, 70_000])
@pytest.mark.parametrize("first", [0x81, 0x82])
def test_one_frame_a_read_is_read_alike_at_every_length(first: int, length: int) -> None:
    """The most frequent case has its own code, which gives the same events, as do the frames after it."""
    content = bytes(index % 128 for index in range(length))
    kind = TEXT if first == 0x81 else BINARY
    whole = raw(first, content)

    assert read([whole]) == [(kind, content)]
    assert read([whole, whole + whole]) == [(kind, content)] * 3


def test_the_beginning_of_a_long_frame_is_never_taken_for_a_whole_one() -> None:
    """A length of eight bytes is marked with the length 127."""
    long = raw(0x82, bytes(70_000))
    for size in range(1, 140):
        assert read([long[:size]]) == [], f"the first {size} bytes"
        assert read([long[:size], long[size:]]) == [(BINARY, bytes(70_000))]


@pytest.mark.parametrize(
    "mask", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x02\x03\x04", b"\0\0\0\1"]
)
def test_every_mask_is_taken_off(mask: bytes) -> None:
    """A mask of zeros is removed too."""
    assert read([raw(0x82, b"abcdefg", mask=mask)]) == [(BINARY, b"abcdefg")]


@pytest.mark.parametrize("width", [2, 8])
@pytest.mark.parametrize("content", [b"", b"x", b"x" * 125])
def test_a_length_that_is_written_longer_than_needed_is_read(content: bytes, width: int) -> None:
    """RFC 6455 forbids a length that is longer than necessary, and every library accepts it."""
    data = raw(0x82, content, width=width)

    assert read([data]) == [(BINARY, content)]
    assert read([data, data]) == [(BINARY, content)] * 2


def test_fragments_of_nothing_make_an_empty_message_and_take_no_memory() -> None:
    """Phoenix closes with 1008 for an empty continuation. RFC 6455 and Bennu allow it."""
    data = raw(0x02) + raw(0x00) * 10_000 + raw(0x80)

    assert read([data]) == [(BINARY, b"")]


def test_more_fragments_than_most_libraries_allow_are_one_message() -> None:
    """Only the size of the message counts."""
    data = raw(0x01, b"a") + raw(0x00, b"b") * 5000 + raw(0x80, b"c")

    assert read([data]) == [(TEXT, b"a" + b"b" * 5000 + b"c")]


def test_a_close_between_fragments_closes() -> None:
    """RFC 6455 allows control frames at any place."""
    assert read([raw(0x01, b"half") + raw(0x88, b"\x03\xe9")]) == [(CLOSE, b"\x03\xe9")]


def test_nothing_is_read_after_a_close() -> None:
    """Bytes after a close are ignored, in the same read and in later reads."""
    reader = Reader(LARGE)

    assert reader.receive(raw(0x88) + text("same") + b"\xff") == [(CLOSE, b"")]
    assert reader.receive(text("later")) == []
    assert reader.receive(b"\xff") == []


def test_a_reader_that_has_read_whole_frames_holds_nothing() -> None:
    """An idle connection needs no buffer."""
    reader = Reader(LARGE)
    for data in (text("x"), text("x") + raw(0x89), raw(0x01, b"a"), raw(0x80, b"b")):
        reader.receive(data)

    assert held_by(reader, bytes, bytearray, list) == []


@pytest.mark.parametrize("opcode", [0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF])
@pytest.mark.parametrize("final", [0x00, 0x80])
def test_an_opcode_that_means_nothing_is_a_protocol_error(opcode: int, final: int) -> None:
    """The close code is 1002."""
    assert failure(read([raw(final | opcode)])) == 1002


@pytest.mark.parametrize("bits", [0x10, 0x20, 0x40, 0x70])
@pytest.mark.parametrize("opcode", [0x1, 0x2, 0x8, 0x9, 0xA])
def test_a_reserved_bit_is_a_protocol_error(opcode: int, bits: int) -> None:
    """No extension was negotiated, so a reserved bit is an error."""
    assert failure(read([raw(0x80 | bits | opcode)])) == 1002


@pytest.mark.parametrize("content", [b"", b"hello", b"x" * 126, b"x" * 70_000])
@pytest.mark.parametrize("first", [0x81, 0x82, 0x88, 0x89, 0x01])
def test_a_frame_without_a_mask_is_a_protocol_error(first: int, content: bytes) -> None:
    """A client must mask: else it could make a proxy take its data for a response."""
    assert failure(read([raw(first, content, mask=None)])) == 1002


@pytest.mark.parametrize("opcode", [0x8, 0x9, 0xA])
def test_a_fragmented_control_frame_is_a_protocol_error(opcode: int) -> None:
    """A control frame can't be fragmented."""
    assert failure(read([raw(opcode)])) == 1002


@pytest.mark.parametrize("opcode", [0x8, 0x9, 0xA])
def test_a_control_frame_has_at_most_125_bytes(opcode: int) -> None:
    """125 bytes are allowed. More bytes, or a long length, are a protocol error."""
    assert read([raw(0x80 | opcode, b"x" * 125)]) == [(Opcode(opcode), b"x" * 125)]
    assert failure(read([raw(0x80 | opcode, b"x" * 126)])) == 1002
    assert failure(read([raw(0x80 | opcode, b"x", width=2)])) == 1002
    assert failure(read([raw(0x80 | opcode, b"x", width=8)])) == 1002


@pytest.mark.parametrize("first", [0x00, 0x80])
def test_a_continuation_of_nothing_is_a_protocol_error(first: int) -> None:
    """It is also an error after a whole message, and after the last fragment of a message."""
    assert failure(read([raw(first, b"x")])) == 1002
    assert failure(read([text("whole") + raw(first, b"x")])) == 1002
    assert failure(read([raw(0x01, b"a") + raw(0x80, b"b") + raw(first, b"x")])) == 1002


@pytest.mark.parametrize("first", [0x01, 0x81, 0x02, 0x82])
def test_a_new_message_before_the_last_fragment_is_a_protocol_error(first: int) -> None:
    """It is also an error if the new message comes in its own read."""
    assert failure(read([raw(0x01, b"half") + raw(first, b"new")])) == 1002
    assert failure(read([raw(0x01, b"half"), raw(first, b"new")])) == 1002


NOT_UTF_8 = [
    b"\xff",
    b"abc\x80",
    b"\xc3",  # half of a character
    b"\xc0\xaf",  # an overlong slash
    b"\xed\xa0\x80",  # a lone surrogate
    b"\xf4\x90\x80\x80",  # beyond Unicode
    b"a" * 70_000 + b"\xff",
]


@pytest.mark.parametrize("content", NOT_UTF_8, ids=lambda content: repr(content[-4:]))
def test_text_that_is_not_utf_8_is_invalid_data(content: bytes) -> None:
    """The close code is 1007, in one frame or many. Binary messages can have any bytes."""
    assert failure(read([raw(0x81, content)])) == 1007
    assert failure(read([text("first") + raw(0x81, content)])) == 1007
    assert failure(read([raw(0x01, content[:1]) + raw(0x80, content[1:])])) == 1007
    assert read([raw(0x82, content)]) == [(BINARY, content)]


def test_what_was_whole_before_a_violation_still_counts() -> None:
    """Messages before the violation in the same read are returned, and those behind it are not."""
    assert read([text("one") + text("two") + raw(0x83) + text("three")])[:-1] == [
        (TEXT, b"one"),
        (TEXT, b"two"),
    ]


def test_a_reader_is_dead_after_a_violation() -> None:
    """The reader fails once, and reads nothing more."""
    reader = Reader(LARGE)

    assert failure(reader.receive(raw(0x83))) == 1002
    assert reader.receive(text("later")) == []
    assert reader.receive(raw(0x83)) == []


def test_a_violation_shows_as_soon_as_its_header_is_there() -> None:
    """The reader does not wait for ten megabytes of a frame that it refuses."""
    assert failure(read([raw(0x83, b"x" * 200)[:2]])) == 1002
    assert failure(read([raw(0x82, b"x" * 200)[:4]], max_size=199)) == 1009


@pytest.mark.parametrize("first", [0x81, 0x82])
@pytest.mark.parametrize("limit", [1, 125, 126, 1000, 65_536])
def test_a_frame_beyond_the_limit_is_too_big(first: int, limit: int) -> None:
    """The close code is 1009. The limit is for the content of a frame, and the limit itself is allowed."""
    fits = raw(first, b"x" * limit)

    assert read([fits, fits], max_size=limit) == [(Opcode(first & 0x0F), b"x" * limit)] * 2
    assert failure(read([raw(first, b"x" * (limit + 1))], max_size=limit)) == 1009


def test_a_length_of_eight_bytes_that_no_memory_has_is_too_big() -> None:
    """The highest bit, which must be 0, makes no difference."""
    for length in (2**62, 2**63, 2**64 - 1):
        assert failure(read([b"\x82\xff" + length.to_bytes(8, "big")])) == 1009


def test_a_message_of_fragments_beyond_the_limit_is_too_big() -> None:
    """The sum of the fragments counts. A new message starts at zero."""
    half = b"x" * 50

    whole = raw(0x02, half) + raw(0x80, half)
    assert read([whole + whole], max_size=100) == [(BINARY, half * 2)] * 2
    assert failure(read([raw(0x02, half) + raw(0x00, half) + raw(0x00, b"x")], 100)) == 1009
    assert failure(read([raw(0x02, half) + raw(0x80, half + b"x")], 100)) == 1009


def test_a_ping_between_fragments_does_not_count_for_their_message() -> None:
    """A ping is not part of the message."""
    data = raw(0x02, b"x" * 90) + raw(0x89, b"p" * 50) + raw(0x80, b"y" * 10)

    assert read([data], max_size=100) == [(PING, b"p" * 50), (BINARY, b"x" * 90 + b"y" * 10)]


# Frames of the server.


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536, 70_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_servers_frame_is_what_the_library_writes(opcode: Opcode, length: int) -> None:
    """The frame is final, without a mask, and its length is as short as possible."""
    content = b"x" * length

    expected = Frame(LibraryOpcode(opcode), content).serialize(mask=False)
    assert frame(opcode, content) == expected


@pytest.mark.parametrize("opcode", [PING, PONG])
def test_a_servers_control_frame_is_what_the_library_writes(opcode: Opcode) -> None:
    """A pong has the content of its ping."""
    assert frame(opcode, b"abc") == Frame(LibraryOpcode(opcode), b"abc").serialize(mask=False)


def closed_with(data: bytes) -> tuple[int, str]:
    """Return the code and reason that a client reads from a close frame."""
    client = Protocol(CLIENT, state=State.OPEN)
    client.receive_data(data)
    assert client.close_rcvd is not None
    return client.close_rcvd.code, client.close_rcvd.reason


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1007, 1009, 1011, 1012, 1013, 3000, 4999])
def test_a_close_frame_carries_code_and_reason(code: int) -> None:
    """A client of the library reads the code and the reason."""
    assert closed_with(close_frame(code, "bye")) == (code, "bye")
    assert closed_with(close_frame(code)) == (code, "")


def test_a_close_frame_without_a_code_is_empty() -> None:
    """Clients read the code 1005 from an empty close frame."""
    assert close_frame(None) == b"\x88\x00"


@property_test
@given(st.text(max_size=200))
def test_a_reason_is_cut_to_what_a_control_frame_holds(reason: str) -> None:
    """The reason is cut between characters."""
    code, read_reason = closed_with(close_frame(1011, reason))

    assert code == 1011
    assert reason.startswith(read_reason)
    assert read_reason == reason or len(read_reason.encode()) > 123 - 4


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        pytest.param(b"", 1000, id="no code"),
        *[
            pytest.param(code.to_bytes(2, "big"), 1000, id=str(code))
            for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4999)
        ],
        *[
            pytest.param(code.to_bytes(2, "big"), 1002, id=str(code))
            for code in (0, 1, 999, 1004, 1005, 1006, 1012, 1015, 1016, 1100, 2000, 2999)
        ],
        pytest.param(b"\x03", 1002, id="half a code"),
        pytest.param(b"\x03\xe8bye", 1000, id="a reason"),
        pytest.param("\u03e8".encode("utf-16-be") + "é".encode(), 1000, id="a reason in UTF-8"),
        pytest.param(b"\x03\xe8\xff", 1002, id="a reason that is not UTF-8"),
        pytest.param(b"\x13\x88", 1002, id="5000"),
        pytest.param(b"\xff\xff", 1002, id="65535"),
    ],
)
def test_a_clients_close_is_answered_by_its_code(data: bytes, answer: int) -> None:
    """The answer is 1000 for no code and for the codes of the protocol document, §1.13; else 1002.

    Codes above 4999 are in no registry, so they are answered with 1002, unlike in Phoenix. The reason must be
    UTF-8.
    """
    assert close_answer(data) == answer


@property_test
@given(st.binary(max_size=125))
def test_every_close_has_an_answer(data: bytes) -> None:
    """The answer is 1000 or 1002."""
    assert close_answer(data) in {1000, 1002}
