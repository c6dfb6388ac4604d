"""What was framed for a transport becomes messages again."""

from __future__ import annotations

import pytest

from bennu.inspect.unframing import unframed
from bennu.message import BINARY, TEXT, Opcode
from bennu.protocol.deflate import DeflateFraming
from bennu.protocol.longpoll import FRAMING as POLLED
from bennu.protocol.websocket import frame
from bennu.pubsub import Framing
from bennu.transports.asgi import FRAMING as ASGI
from bennu.transports.native import FRAMING as NATIVE

MESSAGES = [
    (TEXT, b"hi"),
    (TEXT, '"Grüße", \\'.encode()),
    (TEXT, b"x" * 126),
    (TEXT, b"y" * 70_000),
    (TEXT, b""),
]


@pytest.mark.parametrize("framing", [NATIVE, ASGI, POLLED, DeflateFraming(6, 1, 15)])
def test_each_transport(framing: Framing) -> None:
    """One message by itself, and all of them joined."""
    frames = [framing.frame(*message) for message in MESSAGES]
    assert [unframed(one) for one in frames] == [[message] for message in MESSAGES]
    assert unframed(framing.join(frames)) == MESSAGES


@pytest.mark.parametrize("framing", [NATIVE, ASGI, DeflateFraming(6, 1, 15)])
def test_binary_messages(framing: Framing) -> None:
    assert unframed(framing.frame(BINARY, b"\x00\xff" * 80)) == [(BINARY, b"\x00\xff" * 80)]


def test_pongs_are_left_out() -> None:
    assert unframed(frame(Opcode.PONG, b"1") + frame(TEXT, b"a")) == [(TEXT, b"a")]
