"""What a line is about: read from what runs, printable, and in a form that a client's text can't imitate."""

from __future__ import annotations

import logging
import threading
from contextvars import copy_context
from typing import Any

import pytest

from bennu.logs import ContextFilter
from bennu.logs.context import LineContext, context_of, running


class Handled:
    """A handler that runs."""

    def __init__(self, *, is_here: bool = True, **fields: Any) -> None:
        self.is_here = is_here
        self._fields: dict[str, str | None] = fields

    def log_fields(self) -> dict[str, str | None]:
        return dict(self._fields)


def line(name: str = "shop") -> logging.LogRecord:
    return logging.makeLogRecord({"name": name, "msg": "Sold"})


def test_a_line_is_about_what_runs() -> None:
    with running(Handled(topic="room:1", event=None, user_id="")):
        assert context_of(line()) == {"topic": "room:1"}
        with running(None):
            assert context_of(line()) == {}
    assert context_of(line()) == {}


@pytest.mark.parametrize("name", ["bennu", "bennu.pubsub"])
def test_bennus_own_lines_from_a_background_task_are_about_nobody(name: str) -> None:
    """Such a task has inherited the context of the handler that happened to start it."""
    with running(Handled(is_here=False, topic="room:1")):
        assert context_of(line(name)) == {}
        assert context_of(line("bennu_shop")) == {"topic": "room:1"}
    with running(Handled(topic="room:1")):
        assert context_of(line(name)) == {"topic": "room:1"}


def test_a_thread_in_the_context_of_a_handler_writes_about_it() -> None:
    found: list[LineContext] = []
    with running(Handled(topic="room:1")):
        context = copy_context()
    thread = threading.Thread(target=context.run, args=(lambda: found.append(context_of(line())),))
    thread.start()
    thread.join()
    assert found == [{"topic": "room:1"}]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, ""),
        ({"topic": "room:1", "event": "new_msg"}, " [topic=room:1 event=new_msg]"),
        ({"topic": "a] user_id=root ["}, ' [topic="a] user_id=root ["]'),
        ({"topic": 'a" user_id="root'}, r' [topic="a\" user_id=\"root"]'),
        ({"topic": "a\nINFO: forged\x1b\u202e"}, r' [topic="a\\nINFO: forged\\x1b\\u202e"]'),
        ({"topic": "ñ"}, ' [topic="ñ"]'),
        ({"topic": "x" * 300}, f' [topic="{"x" * 199}…"]'),
    ],
)
def test_a_client_can_not_forge_a_field(fields: dict[str, Any], text: str) -> None:
    with running(Handled(**fields)):
        assert str(context_of(line())) == text


def test_the_filter_keeps_the_context_for_a_format_and_for_another_thread() -> None:
    record = line()
    with running(Handled(topic="room:1")):
        assert ContextFilter().filter(record)
    assert logging.Formatter("%(message)s%(bennu)s").format(record) == "Sold [topic=room:1]"
    assert context_of(record) == {"topic": "room:1"}


def test_a_field_named_like_the_context_is_not_taken_for_it() -> None:
    record = line()
    record.bennu = "mine"
    assert context_of(record) == {}
