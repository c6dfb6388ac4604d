"""The file of a recording."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bennu.errors import DecodeError
from bennu.inspect import Recording
from bennu.inspect.reading import read
from bennu.inspect.recording import holds_hidden, line_of
from bennu.inspect.records import Direction
from bennu.inspect.sights import FrameSight
from bennu.logs.hiding import ParameterFilter
from bennu.message import BINARY, TEXT, Opcode
from bennu.protocol import JSONV2

from ..support.frames import encode_v2, ok, push, pushing, reply
from .sessions import close, recording, said

HIDE = ParameterFilter().whole


def line(direction: Direction, opcode: Opcode, data: bytes, *, is_raw: bool = False) -> Any:
    message = None if is_raw else read(JSONV2, opcode, data, is_client=direction == "in")
    frame = line_of(FrameSight(2.0, "1", direction, opcode, data, message), 1.5, HIDE)
    [_, found] = Recording(recording().header, (frame,)).lines()
    return json.loads(found)


def test_a_message_has_no_secrets() -> None:
    frame = pushing("1", "2", "room:1", "login", {"name": "ann", "password": "1234"})
    data = str(encode_v2(frame)).encode()
    hidden = frame._replace(payload={"name": "ann", "password": "[FILTERED]"})
    assert line("in", TEXT, data) == said("client", hidden, 0.5)


def test_long_payloads_are_whole() -> None:
    frame = pushing("1", "2", "room:1", "draw", {"points": [*range(2000)], "text": "x" * 5000})
    assert line("in", TEXT, str(encode_v2(frame)).encode()) == said("client", frame, 0.5)


def test_binary_messages() -> None:
    frame = pushing("1", "2", "room:1", "draw", b"\x00\x01")
    content = encode_v2(frame)
    assert isinstance(content, bytes)
    found = line("in", BINARY, content)
    assert found == said("client", frame, 0.5)
    answer = JSONV2.reply("1", "2", "room:1", "ok", b"\x02")
    [frame_read] = recording(line("out", *answer)).frames
    assert frame_read.parts == (*reply("1", "2", "room:1", ok(b"\x02")),)
    [frame_read] = recording(found).frames
    assert frame_read.parts == (*frame,)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("hello", "hello"),
        ("token=abc", "[FILTERED]"),
        ('{"a": 1}', '{"a": 1}'),
        ('{"a":1,"token":"abc"}', '{"a":1,"token":"[FILTERED]"}'),
    ],
)
def test_text_that_is_no_message(text: str, kept: str) -> None:
    assert line("in", TEXT, text.encode(), is_raw=True) == said("client", kept, 0.5)
    [frame] = recording(said("client", kept)).frames
    assert frame.data == kept


def test_bytes_that_are_no_message() -> None:
    assert line("out", BINARY, b"\x00", is_raw=True) == said("server", b"\x00", 0.5)
    [frame] = recording(said("client", b"\x00")).frames
    assert (frame.data, frame.is_message) == (b"\x00", False)


def test_a_file_is_read_as_it_was_written() -> None:
    lines = [said("client", pushing("1", "2", "room:1", "say")), close("server", 1000)]
    one = recording(*lines, {"at": 0, "from": "server", "lost": 3}, params={"token": "[FILTERED]"})
    text = b"\n".join(one.lines()).decode()
    again = Recording.read(["", "# a note", *text.splitlines()])
    assert again == one
    assert (again.lost, again.is_raw, again.hidden_params) == (3, False, ["token"])
    assert recording(vsn=None).is_raw


def test_hidden_values() -> None:
    assert holds_hidden({"a": [1, {"b": "[FILTERED]"}]})
    assert not holds_hidden({"a": [1, "b"]})
    payload = {"password": "[FILTERED]", "people": [{"name": "ann", "token": "[FILTERED]"}]}
    frame = pushing("1", "2", "room:1", "login", payload)
    answer = push("1", "room:1", "news", {"secret": "[FILTERED]"})
    lines = (said("client", frame), said("client", frame), said("server", answer))
    assert recording(*lines).hidden_keys == ["password", "token"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "line 1: expected the header of a recording"),
        (
            ['{"bennu": "x", "version": 1, "path": "/"}'],
            "line 1: expected a recording of version 1",
        ),
        (['{"bennu": "recording", "version": 2, "path": "/"}'], "version 2"),
        ([None, "{}"], "line 2: expected a line of a recording"),
        ([None, '{"at": 0, "from": "client"}'], 'line 2: expected "message", "text"'),
        ([None, '{"at": 0, "from": "client", "base64": "x"}'], "line 2: base64"),
    ],
)
def test_what_is_no_recording(lines: list[Any], words: str) -> None:
    header = next(recording().lines())
    with pytest.raises(DecodeError, match=words):
        Recording.read([header if one is None else one for one in lines])
