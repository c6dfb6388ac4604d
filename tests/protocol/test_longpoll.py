"""Long polling as pure data: bodies, answers, and the buffer between them."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest
from hypothesis import given, strategies as st

from bennu.errors import DecodeError, EncodeError
from bennu.message import BINARY, TEXT
from bennu.protocol.longpoll import (
    FRAMING,
    MAX_BASE64,
    MAX_MESSAGES,
    OVERHEAD,
    Buffer,
    Status,
    answer_poll,
    answer_status,
    split_body,
)
from bennu.transports.longpoll.messages import (
    Answer,
    Arrived,
    Ended,
    Expired,
    Polled,
    Posted,
    Progress,
    Question,
    Taken,
)

NDJSON = "application/x-ndjson"


# The body of a POST.


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "text/plain", "application/x-ndj"]
)
def test_a_body_of_any_other_type_is_one_message(content_type: str) -> None:
    """V1 clients send one object at a time."""
    body = b'{"topic":\n"t"}\n'
    assert split_body(content_type, body) == [(TEXT, body)]


@pytest.mark.parametrize(
    "content_type", [NDJSON, f"{NDJSON}; charset=utf-8", f"{NDJSON.upper()} ;x=y"]
)
def test_a_batch_has_a_message_a_line(content_type: str) -> None:
    """The media type can have parameters. Phoenix would take the batch for one message."""
    assert split_body(content_type, b'["1"]\n["2"]\r\n["3"]') == [
        (TEXT, b'["1"]'),
        (TEXT, b'["2"]'),
        (TEXT, b'["3"]'),
    ]


def test_a_line_that_is_no_json_is_base64() -> None:
    """A line of base64 is a binary message; V1 objects are text."""
    body = b'["1"]\n' + base64.b64encode(b"\x00\xff") + b'\n{"topic":"t"}'
    assert split_body(NDJSON, body) == [
        (TEXT, b'["1"]'),
        (BINARY, b"\x00\xff"),
        (TEXT, b'{"topic":"t"}'),
    ]


@pytest.mark.parametrize("body", [b"", b"\n", b"\r\n\n", b"\n" * 1000])
def test_empty_lines_are_no_messages(body: bytes) -> None:
    """A line feed at the end is allowed. In Phoenix it ends the session."""
    assert split_body(NDJSON, body) == []


def test_only_the_first_hundred_lines_are_looked_at() -> None:
    """Stock clients send at most a hundred messages in one batch."""
    lines = [b"[%d]" % number for number in range(MAX_MESSAGES + 1)]
    assert split_body(NDJSON, b"\n".join(lines)) == [(TEXT, line) for line in lines[:-1]]
    assert split_body(NDJSON, b"\n".join([*lines[:MAX_MESSAGES], b"!"])) == [
        (TEXT, line) for line in lines[:-1]
    ]


@pytest.mark.parametrize("line", [b"!", b"AA", b"AA=", b"AAAA=", b"A\xffAA", b" AAAA", b"AAAA "])
def test_a_line_that_is_neither_is_refused(line: bytes) -> None:
    """No message of the batch is handled."""
    with pytest.raises(DecodeError, match="base64"):
        split_body(NDJSON, b'["1"]\n' + line)


def test_a_binary_line_has_a_bound() -> None:
    """A binary line has a bound in characters, before it is decoded."""
    fits = b"A" * MAX_BASE64
    assert split_body(NDJSON, fits) == [(BINARY, bytes(MAX_BASE64 // 4 * 3))]
    with pytest.raises(DecodeError, match="10000000 characters"):
        split_body(NDJSON, fits + b"AAAA")


@given(st.text(), st.binary())
def test_any_body_is_split_or_refused(content_type: str, body: bytes) -> None:
    """No other exception is raised, and the number of messages is bounded."""
    for type_ in (content_type, NDJSON):
        try:
            messages = split_body(type_, body)
        except DecodeError:
            continue
        assert len(messages) <= MAX_MESSAGES
        assert all(isinstance(data, bytes) for _, data in messages)


# Answers.


@given(st.lists(st.text()), st.text())
def test_an_answer_holds_each_message_as_a_string(texts: list[str], token: str) -> None:
    """An answer has the exact text of each message, framed one by one or joined."""
    texts = [text.encode(errors="replace").decode() for text in texts]
    token = token.encode(errors="replace").decode()
    frames = [FRAMING.frame(TEXT, text.encode()) for text in texts]
    body = answer_poll(Status.OK, token, FRAMING.join(frames))
    assert json.loads(body) == {"messages": texts, "status": 200, "token": token}


def test_other_answers_have_a_status_only() -> None:
    """Clients read only the status of other answers."""
    assert answer_status(Status.FORBIDDEN) == b'{"status":403}'


def test_bytes_have_no_form_in_an_answer() -> None:
    """The sender of bytes gets an error."""
    assert not FRAMING.carries_binary
    with pytest.raises(EncodeError, match="send JSON"):
        FRAMING.frame(BINARY, b"\x00")


# The buffer.


class WaitingPoll:
    """A poll that records what it is told."""

    def __init__(self) -> None:
        self.news: list[bytes | None] = []

    def wake(self, rest: bytes | None) -> None:
        self.news.append(rest)


def test_what_waits_is_taken_at_once_and_in_order() -> None:
    """No poll waits, and the buffer is empty afterwards."""
    buffer: Buffer[WaitingPoll] = Buffer()
    assert buffer.put(b"a") is None
    assert buffer.put(b"b,c") is None
    assert buffer.size == 4 + 2 * OVERHEAD
    assert buffer.take(WaitingPoll()) == b"a,b,c"
    assert buffer.size == 0
    assert buffer.put(b"d") is None, "a poll that was answered waits for nothing"


def test_a_poll_that_waits_is_told_once() -> None:
    """The poll then takes all messages that have come by then. It can wait again."""
    buffer, poll = Buffer[WaitingPoll](), WaitingPoll()
    for _ in range(2):
        assert buffer.take(poll) == b""
        assert buffer.put(b"a") is poll
        assert buffer.put(b"b") is None
        assert buffer.take(poll) == b"a,b"


def test_the_later_of_two_polls_waits() -> None:
    """The earlier poll is told nothing. If it expires, nothing changes."""
    buffer, earlier, later = Buffer[WaitingPoll](), WaitingPoll(), WaitingPoll()
    buffer.take(earlier)
    buffer.take(later)
    buffer.expire(earlier)
    assert buffer.put(b"a") is later


def test_a_poll_that_expired_is_told_nothing() -> None:
    """Later messages wait for the next poll."""
    buffer, poll = Buffer[WaitingPoll](), WaitingPoll()
    buffer.take(poll)
    buffer.expire(poll)
    assert buffer.put(b"a") is None
    assert buffer.take(poll) == b"a"


def test_a_poll_that_was_told_and_went_away_costs_nothing() -> None:
    """The messages stay in the buffer."""
    buffer, gone, next_one = Buffer[WaitingPoll](), WaitingPoll(), WaitingPoll()
    buffer.take(gone)
    buffer.put(b"a")
    buffer.expire(gone)
    assert buffer.put(b"b") is None
    assert buffer.take(next_one) == b"a,b"


@pytest.mark.parametrize("told", [True, False])
def test_at_the_end_what_is_left_goes_to_the_poll_that_waits(told: bool) -> None:
    """A poll that was told already, and has not taken the messages, gets them too."""
    buffer, poll = Buffer[WaitingPoll](), WaitingPoll()
    buffer.take(poll)
    if told:
        buffer.put(b"a")
    assert buffer.end() == (poll, b"a" if told else b"")
    assert buffer.take() == b""


def test_at_the_end_without_a_poll_what_is_left_stays() -> None:
    """A poll that is on its way takes the messages."""
    buffer: Buffer[WaitingPoll] = Buffer()
    buffer.put(b"a")
    assert buffer.end() == (None, b"")
    assert buffer.take() == b"a"


def test_what_waits_is_counted() -> None:
    """Each message counts 64 bytes more than its text."""
    buffer: Buffer[WaitingPoll] = Buffer()
    buffer.put(b"a" * 1000)
    buffer.put(b"b")
    assert buffer.size == 1001 + 2 * OVERHEAD


# Messages between processes.


@pytest.mark.parametrize(
    "message",
    [
        Polled("r"),
        Expired("r"),
        Posted("r", [(TEXT, b"[]"), (BINARY, b"\xff")]),
        Taken("r", b'"a"'),
        Ended("r", b'"a"'),
        Arrived("r"),
        Progress("r"),
        Progress("r", Status.GONE),
    ],
)
def test_what_is_said_can_travel(message: Question | Answer) -> None:
    """The messages are data with a tag for each type."""
    packed = msgspec.msgpack.encode(message)
    assert msgspec.msgpack.decode(packed, type=Question | Answer) == message
