"""Replies find their pushes, and the frames tell of joins and of ends."""

from __future__ import annotations

from bennu.inspect import JoinSeen, LeaveSeen
from bennu.inspect.conversation import MAX_OPEN, Answered, Conversation
from bennu.inspect.reading import Read

from ..support.frames import (
    PHX_JOIN,
    Frame,
    broadcast,
    closed,
    crashed,
    error,
    joining,
    leaving,
    ok,
    pushing,
    reply,
)


def seen(frame: Frame) -> Read:
    return Read(*frame)


def joined() -> Conversation:
    talk = Conversation("1")
    talk.client_sent(seen(joining("1", "room:1")), 1.0)
    assert talk.server_sent(seen(reply("1", "1", "room:1", ok())), 1.5) == (
        Answered(PHX_JOIN, 0.5),
        JoinSeen(at=1.5, connection="1", topic="room:1", status="ok", took=0.5),
    )
    assert talk.topics == ("room:1",)
    return talk


def test_a_join_and_a_push() -> None:
    talk = joined()
    talk.client_sent(seen(pushing("1", "2", "room:1", "say")), 2.0)
    talk.client_sent(seen(pushing("1", None, "room:1", "typing")), 2.0)
    assert talk.server_sent(seen(broadcast("room:1", "said", {})), 2.1) == (None, None)
    answer = seen(reply("1", "2", "room:1", ok()))
    assert talk.server_sent(answer, 2.25) == (Answered("say", 0.25), None)
    assert talk.server_sent(answer, 3.0) == (None, None)


def test_a_join_that_is_refused() -> None:
    talk = Conversation("1")
    talk.client_sent(seen(joining("1", "room:1")), 1.0)
    _, told = talk.server_sent(seen(reply("1", "1", "room:1", error("no"))), 1.0)
    assert told == JoinSeen(at=1.0, connection="1", topic="room:1", status="error", took=0.0)
    assert not talk.topics


def test_a_join_with_a_binary_reply_or_an_odd_one() -> None:
    talk = Conversation("1")
    talk.client_sent(seen(joining("1", "room:1")), 1.0)
    _, told = talk.server_sent(seen(reply("1", "1", "room:1", b"x"))._replace(status="ok"), 1.0)
    assert isinstance(told, JoinSeen)
    talk.client_sent(seen(joining("2", "room:2")), 1.0)
    _, told = talk.server_sent(seen(reply("2", "2", "room:2", [])), 1.0)
    assert talk.topics == ("room:1",)


def test_the_ends_of_a_channel() -> None:
    for frame, leaves, reason in (
        (closed("1", "room:1"), True, "left"),
        (closed("1", "room:1"), False, "closed"),
        (crashed("1", "room:1"), False, "crashed"),
    ):
        talk = joined()
        if leaves:
            talk.client_sent(seen(leaving("1", "9", "room:1")), 2.0)
        _, told = talk.server_sent(seen(frame), 3.0)
        assert isinstance(told, LeaveSeen)
        assert told.reason == reason
        assert talk.server_sent(seen(frame), 3.0) == (None, None)
        assert talk.ended(4.0) == []
    assert [one.reason for one in joined().ended(4.0)] == ["disconnected"]


def test_topics_that_are_joined_before() -> None:
    talk = Conversation("1", ["room:1"])
    assert talk.topics == ("room:1",)


def test_a_client_without_replies_is_bounded() -> None:
    """The oldest message is forgotten."""
    talk = Conversation("1")
    for number in range(MAX_OPEN + 1):
        talk.client_sent(seen(pushing("1", str(number), "room:1", "say")), 0.0)
    assert talk.server_sent(seen(reply("1", "0", "room:1", ok())), 1.0) == (None, None)
    assert talk.server_sent(seen(reply("1", "1", "room:1", ok())), 1.0)[0] == Answered("say", 1.0)


def test_a_join_is_open_until_its_reply() -> None:
    """Or until it is forgotten."""
    talk = Conversation("1")
    found = []
    talk.client_sent(seen(joining("1", "room:1")), 0.0)
    found.append(talk.is_joining)
    talk.server_sent(seen(reply("1", "1", "room:1", ok())), 1.0)
    found.append(talk.is_joining)
    talk.client_sent(seen(joining("a", "room:1")), 0.0)
    for number in range(MAX_OPEN):
        talk.client_sent(seen(pushing("a", str(number), "room:1", "say")), 0.0)
    found.append(talk.is_joining)
    assert found == [True, False, False]


def test_a_reply_on_a_topic_that_is_no_text_tells_nothing() -> None:
    """A client can send any value as a topic, and the server answers it."""
    talk = Conversation("1")
    assert talk.server_sent(seen(reply(None, "1", 7, error("unmatched topic"))), 1.0) == (
        None,
        None,
    )
