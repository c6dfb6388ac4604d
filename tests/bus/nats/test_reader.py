from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from bennu.bus.nats.reader import MAX_LINE, NATSReader, NotNATS

STREAM = (
    b'INFO {"server_id":"A"}\r\nPING\r\n'
    b"MSG room 10 5\r\nhello\r\n"
    b"MSG room 11 inbox 0\r\n\r\n"
    b"HMSG room 10 12 14\r\nNATS/1.0\r\n\r\nab\r\n"
    b"HMSG room 10 inbox 12 12\r\nNATS/1.0\r\n\r\n\r\n"
    b"+OK\r\n"
    b"MSG room 10 9\r\nMSG a 1 2\r\n"
    b"-ERR 'Slow'\r\n"
)
READ = [
    b'INFO {"server_id":"A"}',
    b"PING",
    (b"10", b"", b"hello"),
    (b"11", b"inbox", b""),
    (b"10", b"", b"NATS/1.0\r\n\r\nab"),
    (b"10", b"inbox", b"NATS/1.0\r\n\r\n"),
    b"+OK",
    (b"10", b"", b"MSG a 1 2"),
    b"-ERR 'Slow'",
]


def reader() -> tuple[NATSReader, list[object]]:
    read: list[object] = []

    def line(line: bytes) -> bool:
        read.append(line)
        return line != b"STOP"

    return NATSReader(lambda *message: read.append(message), line), read


@given(st.lists(st.integers(0, len(STREAM))))
def test_blocks_can_end_anywhere(ends: list[int]) -> None:
    nats, read = reader()
    start = 0
    for end in [*sorted(ends), len(STREAM)]:
        nats.feed(STREAM[start:end])
        start = end
    assert read == READ
    assert nats.is_empty


def test_nothing_is_read_after_a_line_that_ends_it() -> None:
    nats, read = reader()
    nats.feed(b"STOP\r\nMSG room 10 1\r\nx\r\n")
    assert read == [b"STOP"]


def test_a_message_that_has_not_come_is_not_looked_for_again() -> None:
    nats, read = reader()
    nats.feed(b"MSG room 10 4\r\n\r")
    assert not nats.is_empty
    nats.feed(b"\n\r\n")
    assert read == []
    nats.feed(b"\r\n")
    assert read == [(b"10", b"", b"\r\n\r\n")]


@pytest.mark.parametrize(
    "data",
    [
        b"MSG room 10\r\n",
        b"MSG room 10 x\r\n",
        b"MSG room 10 -1\r\n",
        b"MSG room 10 99999999999\r\n",
        b"MSG room 10 a b 1\r\n",
        b"x" * (MAX_LINE + 1),
    ],
)
def test_another_protocol_is_refused(data: bytes) -> None:
    with pytest.raises(NotNATS):
        reader()[0].feed(data)
