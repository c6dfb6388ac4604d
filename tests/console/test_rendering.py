"""What happens is shown as text and as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bennu.console import as_json, as_text
from bennu.console.happenings import (
    CommandFailed,
    ConnectionLost,
    ConnectionOpened,
    EventCame,
    FrameShown,
    Happening,
    HelpShown,
    PingAnswered,
    PresenceShown,
    PushMade,
    PushReplied,
    TopicClosed,
    TopicJoined,
    TopicLeft,
    TopicsShown,
    TopicState,
    TopicTroubled,
    Troubled,
    WaitEnded,
    WatchChosen,
)
from bennu.console.rendering import PAYLOAD_LIMIT, payload_text

from ..support.pages import section, table

AT = datetime(2026, 11, 28, 6, 7, 8, 90_000, UTC)
ROOM: dict[str, Any] = {"at": AT, "topic": "room:1"}

LINES: list[tuple[Happening, str]] = [
    (
        ConnectionOpened(at=AT, url="ws://a/s", ms=3.14, again=False),
        "-- connected to ws://a/s in 3.1 ms",
    ),
    (
        ConnectionOpened(at=AT, url="ws://a/s", ms=None, again=True),
        "-- connected again to ws://a/s",
    ),
    (
        ConnectionLost(at=AT, code=1006, reason="", again=True),
        "!! the connection has ended with code 1006, connecting again",
    ),
    (
        ConnectionLost(at=AT, code=1000, reason="bye", again=False),
        "!! the connection has ended with code 1000: bye",
    ),
    (Troubled(at=AT, reason="no route"), "!! no route"),
    (CommandFailed(at=AT, command="ping", reason="no connection"), "!! no connection"),
    (
        CommandFailed(at=AT, command="join a", reason="refused", response={"reason": 1}),
        '!! refused  {"reason": 1}',
    ),
    (TopicJoined(**ROOM, ms=0.5, again=False, response={}), "<- room:1  joined in 0.50 ms  {}"),
    (TopicJoined(**ROOM, ms=None, again=True, response={}), "<- room:1  joined again  {}"),
    (TopicLeft(**ROOM, ms=20.4), "<- room:1  left in 20 ms"),
    (TopicClosed(**ROOM), "!! room:1  closed by the server"),
    (TopicTroubled(**ROOM, payload={}), "!! room:1  not joined any more, joining again  {}"),
    (
        PushReplied(**ROOM, event="say", status="ok", ms=12_345, response={"id": 1}),
        '<- room:1  reply to say: ok in 12.3 s  {"id": 1}',
    ),
    (
        PushReplied(**ROOM, event="say", status="error", ms=1, response=b"He"),
        "<- room:1  reply to say: error in 1.0 ms  0x4865 (2 bytes)",
    ),
    (PushMade(**ROOM, event="say"), "-> room:1  say sent"),
    (EventCame(**ROOM, event="said", payload={"é": 1}, position=None), '<- room:1  said  {"é": 1}'),
    (EventCame(**ROOM, event="said", payload={}, position="7:e"), "<- room:1  said  at 7:e  {}"),
    (
        FrameShown(
            **ROOM, is_sent=True, size=1234, join_ref="1", ref=None, event="say", payload={}
        ),
        "-> [1 -] room:1  say  1,234 bytes  {}",
    ),
    (
        FrameShown(**ROOM, is_sent=False, size=1, join_ref=None, ref=5, event="say", payload={}),
        "<- [- 5] room:1  say  1 bytes  {}",
    ),
    (WaitEnded(at=AT, topic="", event="", ms=500), "-- waited 500 ms"),
    (WaitEnded(**ROOM, event="said", ms=2), "-- room:1  said has come after 2.0 ms"),
    (PingAnswered(at=AT, ms=2), "-- the server has answered in 2.0 ms"),
    (PresenceShown(**ROOM, presences={}), "-- room:1  nobody is here"),
    (
        PresenceShown(**ROOM, presences={"ann": [{}]}),
        "-- room:1  1 is here\n                   ann  [{}]",
    ),
    (
        PresenceShown(**ROOM, presences={"ann": [], "bo": []}),
        "-- room:1  2 are here\n                   ann  []\n                   bo  []",
    ),
    (TopicsShown(at=AT, topics=[]), "-- no topic is joined: write join TOPIC"),
    (
        TopicsShown(at=AT, topics=[TopicState("a", "joined"), TopicState("b", "errored")]),
        "-- a  joined\n              -- b  errored",
    ),
    (WatchChosen(at=AT, choice="events"), "-- incoming events are shown"),
    (WatchChosen(at=AT, choice="off"), "-- neither events nor frames are shown"),
]


@pytest.mark.parametrize(("happening", "text"), LINES)
def test_a_line_for_people(happening: Happening, text: str) -> None:
    assert as_text(happening, colours=False) == f"06:07:08.090  {text}"


@pytest.mark.parametrize("happening", [one for one, _ in LINES])
def test_colours_change_no_text(happening: Happening) -> None:
    coloured = as_text(happening, colours=True)
    assert "\x1b[" in coloured
    pieces = coloured.split("\x1b[")
    plain = pieces[0] + "".join(piece.partition("m")[2] for piece in pieces[1:])
    lines = [line.rstrip() for line in plain.splitlines()]
    assert lines == as_text(happening, colours=False).splitlines()


@pytest.mark.parametrize("happening", [one for one, _ in LINES])
def test_a_line_for_tools(happening: Happening) -> None:
    line = as_json(happening)
    assert "\n" not in line
    assert json.loads(line)["at"] == "2026-11-28T06:07:08.090000Z"


def test_a_line_for_tools_has_its_type_and_fields() -> None:
    reply = PushReplied(**ROOM, event="say", status="ok", ms=1.5, response=b"He")
    assert json.loads(as_json(reply)) == {
        "type": "reply",
        "at": "2026-11-28T06:07:08.090000Z",
        "topic": "room:1",
        "event": "say",
        "status": "ok",
        "ms": 1.5,
        "response": "SGU=",
    }


def test_the_page_lists_the_types_of_lines() -> None:
    page = section("docs/console.md", "In scripts").split("a line for everything")[1]
    rows = table(page.split("\nEach has")[0])
    listed = {kind.strip("`"): sorted(fields.replace("`", "").split(", ")) for kind, fields in rows}
    made = {
        str(kind.__struct_config__.tag): sorted({*kind.__struct_fields__} - {"at"})
        for kind in Happening.__subclasses__()
    }
    assert listed == made


def test_text_of_the_server_reaches_the_terminal_escaped() -> None:
    came = EventCame(
        at=AT, topic="a\nb", event="\x1b[2J", payload={"a\x9b": "\u202e"}, position=None
    )
    assert as_text(came, colours=False)[14:] == '<- a\\nb  \\x1b[2J  {"a\\u009b": "\\u202e"}'


def test_a_long_payload_is_cut() -> None:
    text = payload_text({"a": "x" * PAYLOAD_LIMIT})
    assert text.endswith("x… (4,009 characters)")
    assert payload_text(b"x" * 10, 6) == "0x787878… (10 bytes)"
    assert payload_text({"\ud800": 1}) == '{"\\ud800": 1}'


def test_the_help_has_no_time() -> None:
    shown = HelpShown(at=AT, rows=[("a", "b"), ("cc", "d")])
    assert as_text(shown, colours=False) == "  a   b\n  cc  d"


def test_a_happening_of_another_kind_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="has no lines"):
        as_text(Happening(at=AT), colours=False)
