"""Records are made of frames when they are read."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.inspect.reading import read
from bennu.inspect.sights import FrameSight
from bennu.logs.hiding import ParameterFilter
from bennu.message import BINARY, TEXT, Opcode
from bennu.protocol import JSONV2

from ..support.frames import encode_v2, pushing


@pytest.mark.parametrize(
    ("opcode", "data", "payload", "topic"),
    [
        (
            TEXT,
            encode_v2(pushing("1", "2", "t", "e", {"token": "a"})),
            {"token": "[FILTERED]"},
            "t",
        ),
        (
            BINARY,
            JSONV2.reply("1", "2", "t", "ok", b"\x01")[1],
            {"status": "ok", "response": b"\x01"},
            "t",
        ),
        (BINARY, JSONV2.push("1", "t", "e", b"\x01")[1], b"\x01", "t"),
        (TEXT, "no message", "no message", None),
        (BINARY, b"\xff", b"\xff", None),
        (TEXT, encode_v2(pushing("1", "2", 7, 8)), {}, None),
    ],
)
def test_payload_and_topic(
    opcode: Opcode, data: str | bytes, payload: Any, topic: str | None
) -> None:
    content = data.encode() if isinstance(data, str) else data
    message = read(JSONV2, opcode, content, is_client=False)
    sight = FrameSight(1.0, "1", "out", opcode, content, message)
    record = sight.record(ParameterFilter())
    assert (record.payload, record.topic, record.size) == (payload, topic, len(content))
    assert record.event == (None if topic is None else record.event)
    assert sight.weight > len(content)
