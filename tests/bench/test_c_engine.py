"""What the generator in C is told, and what its notes say."""

from __future__ import annotations

import json

import pytest

from bennu.bench.c_engine import arguments, explained

from ..support.frames import PHX_CLOSE, PHX_REPLY
from .plans import plan


def options(**changes: object) -> dict[str, str]:
    words = arguments(plan(**changes), "127.0.0.1", 4000, "localhost:4000")
    return dict(zip(words[::2], words[1::2], strict=True))


def test_the_arguments() -> None:
    given = options(topic='room:{n}"', topics=3, params={"a b": "c"}, token="abcd", event='"')
    assert given["--path"] == "/socket/websocket?a%20b=c&vsn=2.0.0"
    assert given["--header"] == "Sec-WebSocket-Protocol: phoenix, base64url.bearer.phx.YWJjZA\r\n"
    assert (given["--topic-before"], given["--topic-after"], given["--numbered"]) == (
        "room:",
        '\\"',
        "1",
    )
    assert given["--event"] == '\\"'
    assert json.loads(given["--body-before"] + "stamp" + given["--body-after"])["body"].startswith(
        "stamp"
    )
    assert "--topic-before" not in options(topic=None)
    assert options()["--numbered"] == "0"


def frame(event: str, payload: object) -> bytes:
    return json.dumps(["1", "2", "room:1", event, payload]).encode()


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        ("", b"", ""),
        (
            "refused",
            b'HTTP/1.1 403 Forbidden\r\nA: b\r\n\r\n{"reason": "no"}',
            "the server refused the connection with HTTP 403: no",
        ),
        ("refused", b"???", "the server refused the connection with HTTP 0"),
        (
            "join",
            frame(PHX_REPLY, {"status": "error", "response": {"reason": "full"}}),
            "the join of room:1 was refused: {'reason': 'full'}",
        ),
        (
            "push",
            frame(PHX_REPLY, {"status": "late", "response": {}}),
            "the push of echo to room:1 was answered with late: {}",
        ),
        (
            "push",
            b"\x01\x01\x01\x06\x0512room:1errorno",
            "the push of echo to room:1 was answered with error: b'no'",
        ),
        ("push", b'["1', 'the push was refused or ended: ["1'),
        ("push", b"\xff", "the push was refused or ended: \ufffd"),
        ("channel", frame(PHX_CLOSE, {}), "the server has closed the channel"),
        ("closed", b"code 1012 restart", "the connection has ended with code 1012 restart"),
        (
            "connect",
            b"Network is unreachable",
            "a connection can't be opened: Network is unreachable",
        ),
        ("timeout", b"no answer in time", "a connection was lost: no answer in time"),
    ],
)
def test_notes(kind: str, data: bytes, text: str) -> None:
    assert explained(kind, data.hex(), plan()) == text
