"""Messages, broadcasts and replies are immutable values."""

from __future__ import annotations

import msgspec
import pytest

from bennu import message
from bennu.message import Broadcast, Error, Message, Ok, Opcode, Reply


def test_opcodes_are_those_of_rfc_6455() -> None:
    """Opcodes have the numbers of RFC 6455, because they are sent."""
    assert {opcode.name: opcode.value for opcode in Opcode} == {
        "CONTINUATION": 0,
        "TEXT": 1,
        "BINARY": 2,
        "CLOSE": 8,
        "PING": 9,
        "PONG": 10,
    }


def test_the_reserved_names_are_those_of_the_protocol() -> None:
    """The reserved names are those that Phoenix clients use."""
    assert (message.PHOENIX, message.HEARTBEAT) == ("phoenix", "heartbeat")
    assert (message.PHX_JOIN, message.PHX_LEAVE) == ("phx_join", "phx_leave")
    assert (message.PHX_REPLY, message.PHX_CLOSE, message.PHX_ERROR) == (
        "phx_reply",
        "phx_close",
        "phx_error",
    )
    assert (message.DISCONNECT, message.OK, message.ERROR) == ("disconnect", "ok", "error")


def test_replies_without_a_response_answer_an_empty_object_of_their_own() -> None:
    """The default response of one reply can't be changed through another reply."""
    for one, other in ((Ok(), Ok()), (Error(), Error()), (Reply("x"), Reply("x"))):
        assert one.response == {}
        assert one.response is not other.response


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (Message("1", "2", "room:1", "e", msgspec.Raw(b"{}")), "topic"),
        (Broadcast("room:1", "e", {}), "topic"),
        (Ok(1), "response"),
        (Error(1), "response"),
        (Reply("s", 1), "status"),
    ],
)
def test_what_travels_can_not_be_changed(value: msgspec.Struct, field: str) -> None:
    """One message goes to many subscribers, so none of them can change it."""
    with pytest.raises(AttributeError):
        setattr(value, field, "other")


def test_broadcasts_with_equal_content_are_equal() -> None:
    """Equal broadcasts compare equal, which tests and users need."""
    assert Broadcast("room:1", "e", {"a": 1}) == Broadcast("room:1", "e", {"a": 1})
    assert Broadcast("room:1", "e", {"a": 1}) != Broadcast("room:2", "e", {"a": 1})
