"""Compressed messages of honest and hostile clients."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.protocol import CLIENT, Protocol, State

from bennu import Deflate
from bennu.message import BINARY, TEXT
from bennu.protocol.deflate import negotiate
from bennu.protocol.inflate import MAX_STREAMS, InflatingReader
from bennu.protocol.websocket import CLOSE, FAILURE, PING, Event, Note, Reader

from ..support.inside import held_by
from ..support.masked import LARGE, cut, raw
from ..support.properties import property_test, texts

HELLO = bytes.fromhex("f248cdc9c90700")  # RFC 7692, §7.2.3.1
OFFER = "permessage-deflate; client_max_window_bits"


def reader(max_size: int = LARGE, **options: Any) -> InflatingReader:
    """Return a reader for a client that offered what Chromium offers."""
    agreement = negotiate([OFFER], Deflate(**options))
    assert agreement is not None
    return InflatingReader(max_size, agreement)


def read(*chunks: bytes, max_size: int = LARGE, **options: Any) -> list[Event]:
    """Return the events of a new reader for pieces of bytes."""
    one = reader(max_size, **options)
    return [event for chunk in chunks for event in one.receive(chunk)]


def deflated(data: bytes, *, final: bool = False) -> bytes:
    """Return a message's content, compressed without Bennu's code."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    if final:
        return compressor.compress(data) + compressor.flush(zlib.Z_FINISH) + b"\x00"
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def code(events: list[Event]) -> int:
    """Return the close code of the violation that is the last event."""
    kind, data = events[-1]
    assert kind is FAILURE, events
    return int(data[0])


# Honest clients.


@pytest.mark.parametrize(
    "content",
    [
        "f248cdc9c90700",  # one block
        "00 05 00 fa ff 48 65 6c 6c 6f 00",  # a block without compression
        "f3 48 cd c9 c9 07 00 00",  # a last block, §7.2.3.4
        "f2 48 05 00 00 00 ff ff ca c9 c9 07 00",  # two blocks, §7.2.3.5
    ],
)
def test_the_examples_of_the_rfc_are_read(content: str) -> None:
    """RFC 7692, §7.2.3: "Hello", in each kind of block."""
    assert read(raw(0xC1, bytes.fromhex(content))) == [(TEXT, b"Hello")]


def test_a_fragmented_message_is_inflated_when_it_is_whole() -> None:
    """Only the first frame has the bit. A ping can come between the fragments."""
    frames = raw(0x41, HELLO[:3]) + raw(0x89, b"still there?") + raw(0x80, HELLO[3:])
    assert read(frames) == [(PING, b"still there?"), (TEXT, b"Hello")]
    assert read(raw(0x41), raw(0x00, HELLO), raw(0x80)) == [(TEXT, b"Hello")]


def test_a_client_need_not_compress_every_message() -> None:
    """Compressed and plain messages, whole and in fragments, can come in any order."""
    stream = (
        raw(0x81, b"plain")
        + raw(0xC1, HELLO)
        + raw(0x01, b"pl")
        + raw(0x80, b"ain")
        + raw(0xC2, deflated(b"\x00" * 20))
        + raw(0x82, b"\xff")
    )
    expected = [
        (TEXT, b"plain"),
        (TEXT, b"Hello"),
        (TEXT, b"plain"),
        (BINARY, b"\x00" * 20),
        (BINARY, b"\xff"),
    ]
    assert read(stream) == expected
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == expected


def test_an_empty_message_may_be_compressed() -> None:
    """RFC 7692, §7.2.3.6."""
    assert read(raw(0xC1, b"\x00")) == [(TEXT, b"")]


@pytest.mark.parametrize("context", [False, True])
def test_a_message_may_consist_of_several_last_blocks(context: bool) -> None:
    """A sender without a flush writes a last block for each write."""
    content = deflated(b"one ", final=True)[:-1] + deflated(b"two", final=True)
    stream = raw(0xC1, content) + raw(0xC1, HELLO)
    assert read(stream, client_context=context) == [(TEXT, b"one two"), (TEXT, b"Hello")]


def test_a_window_is_kept_if_that_was_agreed_on() -> None:
    """RFC 7692, §7.2.3.2: the second "Hello" refers to the first."""
    again = bytes.fromhex("f200110000")
    stream = raw(0xC1, HELLO) + raw(0xC1, again)
    assert read(stream, client_context=True) == [(TEXT, b"Hello")] * 2
    assert code(read(stream)) == 1007


@property_test
@given(
    st.lists(st.lists(texts.map(str.encode), min_size=1, max_size=3), max_size=5),
    st.lists(st.integers(0), max_size=10),
    st.booleans(),
    st.integers(9, 15),
)
def test_what_the_library_compresses_is_read(
    messages: list[list[bytes]], positions: list[int], context: bool, window: int
) -> None:
    """In any fragments and pieces, with and without a window."""
    client = Protocol(CLIENT, state=State.OPEN)
    client.extensions = [
        PerMessageDeflate(
            remote_no_context_takeover=True,
            local_no_context_takeover=not context,
            remote_max_window_bits=15,
            local_max_window_bits=window,
        )
    ]
    for fragments in messages:
        for number, fragment in enumerate(fragments, 1):
            send = client.send_text if number == 1 else client.send_continuation
            send(fragment, fin=number == len(fragments))
    data = b"".join(client.data_to_send())
    events = read(*cut(data, positions), client_context=context, client_window_bits=window)
    assert events == [(TEXT, b"".join(fragments)) for fragments in messages]


# Mistakes of clients.


@pytest.mark.parametrize("first", [0x40, 0xC0, 0xC8, 0xC9, 0xCA])
def test_the_bit_on_anything_but_the_start_of_a_message_is_a_protocol_error(first: int) -> None:
    """The bit on a continuation, a close, a ping or a pong is an error: RFC 6455, §6.1."""
    assert code(read(raw(0x41, HELLO[:3]) + raw(first, HELLO[3:]))) == 1002


@pytest.mark.parametrize("first", [0xA1, 0x91, 0xE1, 0xF2])
def test_the_other_reserved_bits_are_a_protocol_error_still(first: int) -> None:
    """The other reserved bits are an error with and without the bit of compression."""
    assert code(read(raw(first, HELLO))) == 1002


def test_without_an_agreement_the_bit_is_a_protocol_error() -> None:
    """Without compression the bit is an error, as before."""
    assert code(Reader(LARGE).receive(raw(0xC1, HELLO))) == 1002


@pytest.mark.parametrize("context", [False, True])
@pytest.mark.parametrize("content", [b"\xff\xff\xff", b"\x06", b"garbage", b"\x00\x05\x00\x00\x00"])
def test_garbage_is_invalid_data(content: bytes, context: bool) -> None:
    """Nothing is read after invalid data."""
    events = read(raw(0xC1, content) + raw(0x81, b"more"), client_context=context)
    assert (len(events), code(events)) == (1, 1007)


@pytest.mark.parametrize(
    "content",
    [*(HELLO[:length] for length in range(len(HELLO) - 1)), b"\x00\xff\x00\x00\xffshorter"],
)
def test_a_message_that_was_cut_short_is_invalid_data(content: bytes) -> None:
    """A message that was cut short is invalid, also if its data could be inflated."""
    assert code(read(raw(0xC1, content))) == 1007


def test_text_must_be_utf_8_when_it_is_inflated() -> None:
    """Inflated text must be UTF-8, as any text. Binary messages need not."""
    assert code(read(raw(0xC1, deflated(b"\xff\xfe")))) == 1007
    assert read(raw(0xC2, deflated(b"\xff\xfe"))) == [(BINARY, b"\xff\xfe")]
    assert read(raw(0xC1, deflated("ö".encode()))) == [(TEXT, "ö".encode())]


# Hostile clients.

LIMIT = 100_000


def bomb(size: int) -> bytes:
    """Return a compressed message of zeros, with a thousandth of their length."""
    content = deflated(bytes(size))
    assert len(content) * 900 < size
    return content


def fragments(content: bytes, count: int) -> Iterable[bytes]:
    """Return the frames of one compressed message, with pings between them."""
    size = -(-len(content) // count)
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    for number, piece in enumerate(pieces):
        first = 0x42 if number == 0 else 0x00
        yield raw(first | (0x80 if number == len(pieces) - 1 else 0), piece)
        yield raw(0x89, b"x" * 100)


def peak(one: Reader, stream: Iterable[bytes]) -> tuple[int, list[Event]]:
    """Return the most bytes that reading takes beside its input, and the last event."""
    chunks = list(stream)
    last: list[Event] = []
    tracemalloc.start()
    try:
        for chunk in chunks:
            last = one.receive(chunk) or last
        return tracemalloc.get_traced_memory()[1], last
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("context", [False, True])
@pytest.mark.parametrize("count", [1, 1000])
def test_a_bomb_is_too_big_and_takes_no_more_memory_than_the_bound(
    count: int, context: bool
) -> None:
    """A hundred megabytes in a hundred kilobytes, in one frame or a thousand."""
    content = bomb(100_000_000)[: LIMIT - 1]
    used, events = peak(reader(LIMIT, client_context=context), fragments(content, count))
    assert code(events) == 1009
    assert used < 8 * LIMIT  # copies of the input, and the bound while the message is joined


def test_a_bomb_in_many_streams_is_counted_as_one() -> None:
    """Each stream is below the bound, and their sum is above it."""
    content = deflated(bytes(LIMIT // 2), final=True)[:-1] * 3 + b"\x00"
    used, events = peak(reader(LIMIT), [raw(0xC2, content)])
    assert code(events) == 1009
    assert used < 8 * LIMIT


def test_the_streams_of_a_message_are_counted() -> None:
    """Each stream needs a new inflater: five million streams of two bytes each would block the server."""
    allowed = b"\x03\x00" * (MAX_STREAMS - 2) + b"\x00"
    assert read(raw(0xC1, allowed)) == [(TEXT, b"")]
    assert code(read(raw(0xC1, b"\x03\x00" * 1_000_000 + b"\x00"))) == 1007


def test_the_bound_is_met_exactly() -> None:
    """A message can have as many bytes as the bound, and not one more."""
    assert read(raw(0xC2, deflated(bytes(LIMIT))), max_size=LIMIT) == [(BINARY, bytes(LIMIT))]
    assert code(read(raw(0xC2, deflated(bytes(LIMIT + 1))), max_size=LIMIT)) == 1009


def test_a_message_is_bounded_before_it_is_inflated_too() -> None:
    """Compressed data above the bound is refused before it is inflated."""
    assert code(read(raw(0xC2, bytes(LIMIT + 1)), max_size=LIMIT)) == 1009
    assert code(read(raw(0x42, bytes(LIMIT)) + raw(0x00, b"x"), max_size=LIMIT)) == 1009


def test_a_ratio_bounds_what_is_below_the_limit() -> None:
    """``max_ratio`` refuses a message that inflates to more than this ratio."""
    content = deflated(bytes(1000))
    stream = raw(0xC2, content)
    assert read(stream, max_ratio=1000 / len(content)) == [(BINARY, bytes(1000))]
    assert code(read(stream, max_ratio=999 / len(content))) == 1009


def test_an_idle_reader_keeps_an_inflater_only_if_a_window_was_agreed_on() -> None:
    """By default no memory is kept of a message that was read."""
    inflater = type(zlib.decompressobj())
    forgets, keeps = reader(), reader(client_context=True)
    for one, kept in ((forgets, 0), (keeps, 1)):
        one.receive(raw(0xC1, HELLO))
        assert len(held_by(one, inflater)) == kept
    assert keeps.receive(raw(0x88)) == [(CLOSE, b"")]


def test_a_compressed_message_costs_what_it_may_inflate_to() -> None:
    """Ten kilobytes can become ten megabytes, so such a message is read in its own call."""
    agreement = negotiate([OFFER], Deflate())
    assert agreement is not None
    one = InflatingReader(LARGE, agreement, 64)
    content = deflated(bytes(3_000_000))
    plain = raw(0x81, b"x" * len(content))
    assert 2048 < len(content) < 64_000

    assert one.receive(plain) == [(TEXT, b"x" * len(content))]
    assert one.receive(raw(0xC2, content)) == [(Note.BEHIND, None)]
    assert one.more() == [(BINARY, bytes(3_000_000))]
    assert one.grown >= 3_000_000 - len(content) - 8
