"""Lines of the console are read, and a wrong one says what to write."""

from __future__ import annotations

import pytest
from msgspec import Raw

from bennu.console.commands import COMMANDS, Command, WrongCommand, parse

from ..support.pages import section, table


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("join room:1", Command("join", "room:1")),
        ('  join room:1 {"a": 1.10}  ', Command("join", "room:1", payload=Raw(b'{"a": 1.10}'))),
        ('join "my room" {}', Command("join", "my room")),
        ("push room:1 new_msg", Command("push", "room:1", "new_msg")),
        ('push room:1 "a b" {"n":1}', Command("push", "room:1", "a b", Raw(b'{"n":1}'))),
        ("push room:1 image 0x48 65", Command("push", "room:1", "image", b"He")),
        ("send room:1 typing", Command("send", "room:1", "typing")),
        ("leave room:1", Command("leave", "room:1")),
        ("presence room:1", Command("presence", "room:1")),
        ("topics", Command("topics")),
        ("ping", Command("ping")),
        ("watch frames", Command("watch", choice="frames")),
        ("wait 0.5", Command("wait", seconds=0.5)),
        ("wait room:1 new_msg", Command("wait", "room:1", "new_msg")),
        ("wait room:1 new_msg 5", Command("wait", "room:1", "new_msg", seconds=5)),
        ("connect", Command("connect")),
        ("connect token=a=b name=ann", Command("connect", params={"token": "a=b", "name": "ann"})),
        ("help", Command("help")),
        ("help push", Command("help", choice="push")),
        ("quit", Command("quit")),
    ],
)
def test_a_line_is_read(line: str, command: Command) -> None:
    assert parse(line) == command


@pytest.mark.parametrize("line", ["", "   ", "# a comment"])
def test_an_empty_line_and_a_comment_are_no_command(line: str) -> None:
    assert parse(line) is None


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_of_the_help_are_commands(name: str) -> None:
    found = parse(COMMANDS[name].example)
    assert found is not None
    assert found.name == name
    assert COMMANDS[name].usage.startswith(name)


def test_the_page_lists_the_commands() -> None:
    rows = table(section("docs/console.md", "Commands"))
    shown = [(usage.strip("`").replace("\\|", "|"), text) for usage, text in rows]
    assert shown == [(one.usage, one.text) for one in COMMANDS.values()]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("foo", "expected a command (join, push, "),
        ("puhs room:1", 'got \'puhs\': write push room:1 new_msg {"body": "Hi"}'),
        ("join", 'expected a topic for join, got nothing: write join room:1 {"since": 0}'),
        ("push room:1", "expected an event for push, got nothing"),
        ('join "room', 'expected a topic that ends in "'),
        ("join room:1 {", "expected a JSON object (Input data was truncated) for join"),
        ("join room:1 [1]", "expected a JSON object for join, got '[1]'"),
        ("join room:1 0x00", "expected a JSON object (JSON is malformed"),
        ('push a b "text"', "expected a JSON object for push"),
        ("push a b " + '{"a":' * 200, "deeper than 128 levels"),
        ("push a b 0x4", "pairs of hexadecimal digits after 0x for push, got '0x4'"),
        ('push a b {"a": "\udcff"}', "expected a JSON object ("),
        ("leave room:1 now", "expected the end of the line for leave, got 'now'"),
        ("topics all", "expected the end of the line for topics, got 'all'"),
        ("wait", "expected a topic or seconds for wait, got nothing"),
        ("wait room:1", "expected seconds for wait, got 'room:1': write wait room:1 new_msg 5"),
        ("wait -1", "expected seconds for wait"),
        ("wait inf", "expected seconds for wait"),
        ("wait a b 5 6", "expected the end of the line for wait, got '6'"),
        ("watch", "expected events or frames or off for watch, got nothing"),
        ("connect token", "expected NAME=VALUE for connect, got 'token': write connect token=abc"),
        ("help foo", "expected one of join, push, "),
    ],
)
def test_a_wrong_line_says_what_to_write(line: str, error: str) -> None:
    with pytest.raises(WrongCommand) as caught:
        parse(line)
    assert error in str(caught.value)
