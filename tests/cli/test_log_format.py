"""The lines of ``bennu run`` have uvicorn's format."""

import logging
from typing import Any

import pytest
from uvicorn.logging import DefaultFormatter

from bennu.cli.log_format import ROOT_FORMAT, LineFormatter, log_config
from bennu.logs.context import running

from ..logs.test_context import Handled

FORMAT = "%(levelprefix)s %(message)s"
LEVELS = (5, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL, 25)


def record_of(level: int, error: BaseException | None = None, **more: Any) -> logging.LogRecord:
    trace = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord("bennu", level, "file.py", 1, "JOINED %s", ("room:1",), trace)
    vars(record).update(more)
    return record


@pytest.mark.parametrize("colors", [True, False])
@pytest.mark.parametrize("level", LEVELS)
def test_a_line_looks_as_uvicorn_writes_it(level: int, colors: bool) -> None:
    ours = LineFormatter(FORMAT, use_colors=colors)
    theirs = DefaultFormatter(FORMAT, use_colors=colors)
    cases: tuple[dict[str, Any], ...] = (
        {},
        {"color_message": "joined %s"},
        {"stack_info": "Stack"},
        {"exc_text": "Trace"},
    )
    for more in cases:
        record = record_of(level, **more)
        again = record_of(level, **more)
        assert ours.format(record) == theirs.format(again)
        assert record.message == "JOINED room:1"


def test_a_traceback_stands_below_its_line() -> None:
    with pytest.raises(ValueError, match="no") as caught:
        int("no")
    record, again = (record_of(logging.ERROR, caught.value) for _ in range(2))
    text = LineFormatter(FORMAT, use_colors=False).format(record)
    assert text == DefaultFormatter(FORMAT, use_colors=False).format(again)
    assert "ValueError: invalid literal" in text


def test_the_server_writes_its_lines_with_it() -> None:
    assert log_config("info")["formatters"]["default"]["()"] is LineFormatter


def test_a_line_can_end_in_what_it_is_about() -> None:
    """A traceback stands below that."""
    formatter = LineFormatter(FORMAT, use_colors=False, has_context=True)
    with running(Handled(topic="room:1")):
        assert formatter.format(record_of(logging.INFO)) == "INFO:     JOINED room:1 [topic=room:1]"
        crash = formatter.format(record_of(logging.ERROR, ValueError("no")))
    assert crash.splitlines()[0] == "ERROR:    JOINED room:1 [topic=room:1]"
    assert "ValueError: no" in crash
    assert formatter.format(record_of(logging.INFO)) == "INFO:     JOINED room:1"


@pytest.mark.parametrize("has_context", [True, False])
def test_a_line_of_another_logger_names_it(has_context: bool) -> None:
    formatter = LineFormatter(
        ROOT_FORMAT, use_colors=False, name="worker 2", has_context=has_context, has_logger=True
    )
    with running(Handled(topic="room:1")):
        text = formatter.format(record_of(logging.INFO, name="shop"))
    assert text == f"INFO:     worker 2: shop: JOINED room:1{' [topic=room:1]' * has_context}"
