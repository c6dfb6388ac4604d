"""A recording becomes a test: of a faulty session one that fails, and passes when the fault is mended."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from bennu import DefinitionError
from bennu.inspect import Recording
from bennu.inspect.comparison import Ignored
from bennu.inspect.pytest_module import pytest_module
from bennu.testing import connect, running

from ..support.frames import (
    PHX_CLOSE,
    PHX_ERROR,
    PHX_REPLY,
    Frame,
    broadcast,
    closed,
    crashed,
    error,
    heartbeat,
    joining,
    leaving,
    ok,
    push,
    pushing,
    reply,
)
from .faulty import FAULTY, MENDED, run_session
from .sessions import close, recording, said


def lines_of(*lines: dict[str, Any], **options: Any) -> list[str]:
    """Return the lines of the test in the ``with`` block."""
    source = pytest_module(recording(*lines), app="app:endpoint", source="s.jsonl", **options)
    compile(source, "test", "exec")
    _, _, body = source.partition("as client:\n")
    return [line.removeprefix(" " * 8) for line in body.splitlines()]


def exchange(*frames: Frame) -> list[dict[str, Any]]:
    """Return the lines of a join, and then of these frames. A push with a ref is the client's."""
    start = (joining("1", "room:1"), reply("1", "1", "room:1", ok()))
    of_server = (PHX_REPLY, PHX_CLOSE, PHX_ERROR)
    return [
        said("server" if one.ref is None or one.event in of_server else "client", one)
        for one in (*start, *frames)
    ]


def marked(lines: list[dict[str, Any]], *events: str) -> list[dict[str, Any]]:
    """Mark the messages of the server with these events, after the join, as wrong."""
    return [
        {**line, "wrong": True}
        if number > 1 and line["from"] == "server" and line["message"][3] in events
        else line
        for number, line in enumerate(lines)
    ]


@pytest.mark.timeout(180)  # two processes with pytest
async def test_a_faulty_session_becomes_a_test_that_fails_until_the_fault_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = tmp_path / "faulty_sums.py"
    app.write_text(FAULTY)
    monkeypatch.syspath_prepend(str(tmp_path))
    endpoint = import_module("faulty_sums").endpoint
    monkeypatch.delitem(sys.modules, "faulty_sums")
    async with running(endpoint):
        recorder = endpoint.inspector.record_next(tmp_path / "session.jsonl")
        async with connect(endpoint, "/socket") as client:
            sums = await client.join("sums")
            assert await sums.push("sum", {"numbers": [1, 2]}) == {"mean": 1.5}
            _ = sums.push("sum", {"numbers": []})
            await sums.assert_crashed()
        await recorder.wait_closed()
    found = Recording.read(recorder.file.read_bytes().splitlines())
    source = pytest_module(found, app="faulty_sums:endpoint", source="session.jsonl")
    (tmp_path / "test_session.py").write_text(source)
    failed = run_session(tmp_path)
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert "the channel of 'sums' has crashed" in failed.stdout
    app.write_text(MENDED)
    passed = run_session(tmp_path)
    assert passed.returncode == 0, passed.stdout + passed.stderr


def test_joins_and_pushes() -> None:
    lines = exchange(
        heartbeat("9"),
        reply(None, "9", "phoenix", ok()),
        pushing("1", "2", "room:1", "say", {"body": "hi"}),
        broadcast("room:1", "said", {"id": 5, "body": "hi"}),
        reply("1", "2", "room:1", ok({"id": 5})),
        pushing("1", "3", "room:1", "say"),
        reply("1", "3", "room:1", error("empty")),
        pushing("1", "4", "room:1", "typing"),
        pushing("1", "5", "room:1", "odd"),
        reply("1", "5", "room:1", {"status": "later", "response": {"n": [1]}}),
        pushing("1", "6", "room:1", "odd"),
        reply("1", "6", "room:1", {"status": "later", "response": {}}),
        push("1", "room:1", "presence_diff", {}),
        push("1", "room:1", "tick", {}),
        leaving("1", "7", "room:1"),
        reply("1", "7", "room:1", ok()),
        closed("1", "room:1"),
    )
    lines.append(close("client", 1000))
    assert lines_of(*lines, ignored=Ignored(["id"]), events=["tick"]) == [
        "room_1 = client.join('room:1')",
        "room_1.push('say', {'body': 'hi'}).assert_reply({})",
        "room_1.assert_push('said', {'body': 'hi'})",
        "room_1.push('say').assert_error({'reason': 'empty'})",
        "room_1.push('typing')",
        "room_1.push('odd').assert_reply({'n': [1]}, status='later')",
        "room_1.push('odd').assert_reply(status='later')",
        "room_1.leave()",
    ]


def test_joins_that_are_refused_crash_or_have_no_answer() -> None:
    assert lines_of(
        said("client", joining("1", "a")),
        said("server", reply("1", "1", "a", error("no"))),
        said("client", joining("2", "b")),
        said("client", joining("3", "class", {"token": "[FILTERED]"})),
        said("server", reply("3", "3", "class", error("join crashed"))),
        said("client", joining("4", "never")),
    ) == [
        "with pytest.raises(JoinRefused) as refused:",
        "    client.join('a')",
        "assert not differences({'reason': 'no'}, refused.value.response)",
        "# Left out: a join of 'b' that was not answered",
        "# The recorded join was refused: {'reason': 'join crashed'}. It must not be.",
        "channel_class = client.join('class', {'token': '[FILTERED]'})",
    ]


def test_responses_of_joins_and_hidden_values() -> None:
    lines = [
        said("client", joining("1", "lobby")),
        said("server", reply("1", "1", "lobby", ok({"token": "[FILTERED]", "list": [1]}))),
        said("client", joining("2", "lobby")),
        said("server", reply("2", "2", "lobby", ok())),
        said("server", closed("1", "lobby")),
        said("client", joining("3", "lobby_")),
        said("server", reply("3", "3", "lobby_", ok())),
        said("server", closed("2", "lobby")),
    ]
    source = pytest_module(recording(*lines), app="app:endpoint", source="s.jsonl")
    assert "from bennu.testing import ANY, blocking\nfrom bennu.testing.patterns" in source
    assert lines_of(*lines) == [
        "lobby = client.join('lobby')",
        "assert not differences({'token': ANY, 'list': [1]}, lobby.response)",
        "lobby = client.join('lobby')",
        "lobby_ = client.join('lobby_')",
        "lobby.assert_closed()",
    ]


def test_a_crash_must_not_come_again() -> None:
    """The test ends there."""
    lines = exchange(
        pushing("1", "2", "room:1", "boom"), crashed("1", "room:1"), joining("3", "room:1")
    )
    assert lines_of(*lines) == [
        "room_1 = client.join('room:1')",
        "room_1.push('boom')",
        "# The recorded channel crashed here, after 'boom'. A channel that has not crashed can be left:",
        "room_1.leave()",
    ]
    assert "crashed here. A" in "\n".join(lines_of(*exchange(crashed("1", "room:1"))))


@pytest.mark.parametrize(
    ("code", "more", "last"),
    [
        (1011, {}, "client.heartbeat()"),
        (1001, {"wrong": True}, "client.heartbeat()"),
        (1001, {}, "client.assert_closed(1001)"),
    ],
)
def test_closes_of_the_server(code: int, more: dict[str, Any], last: str) -> None:
    assert lines_of({**close("server", code), **more})[-1] == last


def test_what_was_marked_as_wrong() -> None:
    lines = exchange(
        pushing("1", "2", "room:1", "add"),
        reply("1", "2", "room:1", ok({"sum": 5})),
        pushing("1", "3", "room:1", "add"),
        reply("1", "3", "room:1", error("full")),
        pushing("1", "4", "room:1", "add"),
        reply("1", "4", "room:1", ok()),
        push("1", "room:1", "sum", {"sum": 5}),
        joining("5", "b"),
        reply("5", "5", "b", error("no")),
        joining("6", "c"),
        reply("6", "6", "c", ok({"n": 1})),
    )
    lines = marked(lines, PHX_REPLY, "sum")
    assert lines_of(*lines)[1:] == [
        "# The recorded response was wrong: {'sum': 5}",
        "assert differences({'sum': 5}, room_1.push('add').response())",
        "# The recorded reply was wrong: error {'reason': 'full'}",
        "room_1.push('add').assert_reply()",
        "# The recorded response was wrong: {}",
        "assert differences({}, room_1.push('add').response())",
        "room_1.refute_push('sum', {'sum': 5})",
        "# The recorded join was refused: {'reason': 'no'}. It must not be.",
        "b = client.join('b')",
        "c = client.join('c')",
        "# The recorded response was wrong: {'n': 1}",
        "assert differences({'n': 1}, c.response)",
    ]


def test_what_is_left_out() -> None:
    assert lines_of(
        said("client", "no message"),
        said("client", pushing(None, "1", "phoenix", "token", {"token": "[FILTERED]"})),
        said("client", pushing("1", "2", "room:1", "say")),
        said("server", broadcast("room:1", "said", {})),
    ) == [
        "# Left out: a frame that is no message",
        "# Left out: token on phoenix",
        "# Left out: 'say' on 'room:1', which is not joined",
        "client.heartbeat()",
    ]


def test_the_head_of_the_module() -> None:
    one = recording(
        params={"token": "[FILTERED]", "vsn": "1.0.0"}, vsn="1.0.0", transport="longpoll"
    )
    source = pytest_module(one, app="web.app:site.endpoint", source="s.jsonl")
    assert source.splitlines()[2:] == [
        "from bennu.testing import blocking",
        "",
        "from web.app import site",
        "",
        "PARAMS = {'token': '[FILTERED]'}  # write what connect accepts for [FILTERED]",
        "",
        "",
        "def test_the_recorded_session() -> None:",
        '    with blocking.connect(site.endpoint, "/socket", PARAMS, vsn="1.0.0", transport="longpoll") as client:',
        "        client.heartbeat()",
    ]
    given = pytest_module(one, app="app:endpoint", source="s", params={"token": "abc"})
    assert "PARAMS = {'token': 'abc'}\n" in given


@pytest.mark.parametrize(
    ("header", "words"),
    [({"vsn": None}, "one of a raw socket"), ({"joined": ["room:1"]}, "after the joins of room:1")],
)
def test_what_can_not_become_a_test(header: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        pytest_module(recording(**header), app="app:endpoint", source="s.jsonl")
