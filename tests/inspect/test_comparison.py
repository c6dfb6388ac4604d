"""A replay is compared with its recording."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.inspect.comparison import Comparison, Ignored
from bennu.inspect.reading import Read

from ..support.frames import Frame, broadcast, error, heartbeat, ok, pushing, reply
from .sessions import close, recording, said

SAY = pushing("1", "2", "room:1", "say")


def compared(
    expected: list[dict[str, Any]], *got: Frame | str | bytes, ignored: tuple[str, ...] = ()
) -> list[str]:
    one = Comparison(recording(*expected), Ignored(ignored), ["tick"])
    for frame in got:
        one.take(Read(*frame) if isinstance(frame, Frame) else frame)
    return [str(difference) for difference in one.finish()]


def test_the_same_messages_in_another_order() -> None:
    first, second = broadcast("room:1", "said", {"n": 1}), broadcast("room:1", "said", {"n": 2})
    answer = reply("1", "2", "room:1", ok({"id": 7}))
    expected = [said("client", SAY), *(said("server", one) for one in (first, answer, second))]
    assert compared(expected, second, answer, first) == []


def test_a_reply_that_differs() -> None:
    expected = [said("client", SAY, 0.1), said("server", reply("1", "2", "room:1", ok()), 0.2)]
    [found] = compared(expected, reply("1", "2", "room:1", error("full")))
    assert found.splitlines() == [
        "at 0.200 s: the reply to 'say' (ref 2) on 'room:1' differs",
        "  status: expected 'ok', got 'error'",
        "  response.reason: expected nothing, got 'full'",
    ]


def test_messages_that_are_missing_or_new() -> None:
    line = {"at": 0, "from": "server", "text": "odd", "wrong": True}
    expected = [line, said("server", broadcast("room:1", "said", {"n": 1}), 0.2)]
    assert compared(expected, broadcast("room:1", "gone", {"n": 1})) == [
        "'gone' on 'room:1' was not recorded\n  payload: {'n': 1}",
        "at 0.200 s: 'said' on 'room:1' is missing\n  payload: {'n': 1}",
    ]


def test_ignored_values_and_events() -> None:
    old = {"user": {"id": 1}, "at": 5, "list": [{"id": 1}], "phx_ref": "a"}
    new = {"user": {"id": 2}, "list": [{"id": 3}], "phx_ref": "b", "extra": 1}
    expected = [said("server", broadcast("room:1", "said", old), 0.2)]
    got = broadcast("room:1", "said", new)
    assert (
        compared(expected, got, broadcast("room:1", "tick", {}), ignored=("id", "at", "extra"))
        == []
    )
    [found] = compared(expected, got, ignored=("user.id", "*.x"))
    assert found.splitlines()[1:] == [
        "  at: expected 5, got nothing",
        "  list[0].id: expected 1, got 3",
        "  extra: expected nothing, got 1",
    ]


@pytest.mark.parametrize(
    ("one", "other", "lines"),
    [
        ("[FILTERED]", {"any": 1}, []),
        (1, 1.0, []),
        (1, True, ["the payload: expected 1, got True"]),
        ([1, 2], [1, 2], []),
        ([1], [1, 2], ["the payload: expected 1 items, got 2: [1, 2]"]),
        ({"a": [1]}, {"a": [2]}, ["a[0]: expected 1, got 2"]),
        ({"a": 1}, [1], ["the payload: expected {'a': 1}, got [1]"]),
    ],
)
def test_values(one: Any, other: Any, lines: list[str]) -> None:
    assert Ignored().differences(one, other) == lines


def test_what_was_marked_as_wrong_must_not_come_again() -> None:
    wrong = reply("1", "2", "room:1", ok({"sum": 5}))
    expected = [said("client", SAY), said("server", wrong, 0.3, wrong=True)]
    assert compared(expected) == []
    assert compared(expected, reply("1", "2", "room:1", ok({"sum": 4}))) == []
    assert compared(expected, wrong) == [
        "at 0.300 s: the reply to 'say' (ref 2) on 'room:1' is as wrong as it was"
    ]


def test_frames_without_a_protocol_are_compared_in_order() -> None:
    lines = [said("client", "a"), said("server", "A"), said("client", "b"), said("server", b"B")]
    one = Comparison(recording(*lines, vsn=None))
    assert one.is_ready(0)
    assert not one.is_ready(2)
    one.take("A")
    assert one.is_ready(2)
    one.take(b"C")
    assert one.is_complete
    [found] = one.finish()
    assert found.kind == "differs"
    assert compared([said("server", b"B")]) == [
        "at 0.000 s: a binary message is missing\n  payload: b'B'"
    ]


def test_when_the_client_can_go_on() -> None:
    """It waits for the replies that the client had, and for no push."""
    lines = [
        said("client", heartbeat("1")),
        said("server", broadcast("room:1", "said", {})),
        said("server", reply(None, "1", "phoenix", ok())),
        said("client", SAY),
    ]
    one = Comparison(recording(*lines))
    assert not one.is_ready(3)
    one.take(Read(*reply(None, "1", "phoenix", ok())))
    assert one.is_ready(3)
    assert not one.is_complete


@pytest.mark.parametrize(
    ("recorded", "code", "by_server", "found"),
    [
        (None, 1000, False, []),
        (("client", 1000), 1000, False, []),
        (("server", 1001), 1001, True, []),
        (
            ("server", 1001),
            1011,
            True,
            ["at 9.000 s: the server's close differs\n  code: expected 1001, got 1011 why"],
        ),
        (("server", 1001), 1000, False, ["at 9.000 s: the server's close with 1001 is missing"]),
        (("client", 1000), 1011, True, ["the server's close with 1011 why was not recorded"]),
    ],
)
def test_the_end(
    recorded: tuple[str, int] | None, code: int, by_server: bool, found: list[str]
) -> None:
    lines = [] if recorded is None else [close(*recorded)]
    one = Comparison(recording(*lines, {"at": 0, "from": "server", "lost": 1}))
    one.ended(code, "why", by_server=by_server)
    assert [str(difference) for difference in one.finish()] == found
