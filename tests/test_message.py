"""Messages, broadcasts and replies are immutable values."""

from __future__ import annotations

import msgspec
import pytest

from bennu import message
from bennu.errors import ReservedEvent
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


def test_a_size_is_that_of_the_utf_8() -> None:
    """A value that is no text has none, and half a surrogate pair counts as a character."""
    assert message.bytes_of("room") == 4
    assert message.bytes_of("räum") == 5
    assert message.bytes_of("\ud800") == 3
    assert message.bytes_of(msgspec.Raw(b'{"a":1}')) == 7
    assert message.bytes_of(["room"]) == 0


def test_an_event_that_is_sent_is_text_and_none_of_the_protocol() -> None:
    message.expect_event("news")
    with pytest.raises(TypeError, match="an event is text, got 7"):
        message.expect_event(7)
    with pytest.raises(ReservedEvent, match="'phx_reply' can't be pushed or broadcast"):
        message.expect_event("phx_reply")
