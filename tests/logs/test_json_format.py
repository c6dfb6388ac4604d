"""Lines as JSON: one object a line, all fields, no secret, and nothing that a client could forge."""

from __future__ import annotations

import json
import logging
import logging.config
from typing import Any

import pytest

from bennu.logs import JSONFormatter
from bennu.logs.context import running
from bennu.logs.hiding import ParameterFilter
from bennu.logs.log import Log

from .test_context import Handled

HOSTILE = 'a"\n{"level": "CRITICAL"}\x1b[2J\x9b\u2028\u202e'


def fields(formatter: JSONFormatter | None = None, **record: Any) -> dict[str, Any]:
    """Return the fields of a line. The line is printable, and has no line break."""
    given = {"name": "shop", "levelname": "INFO", "process": 7, "created": 1.5, **record}
    text = (formatter or JSONFormatter()).format(logging.makeLogRecord(given))
    assert text.isprintable()
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_line_has_its_time_level_logger_and_message() -> None:
    assert fields(msg="Sold") == {
        "time": "1970-01-01T00:00:01.500000Z",
        "level": "INFO",
        "logger": "shop",
        "message": "Sold",
        "process": 7,
    }


def test_the_kind_of_a_line_is_its_text_without_values() -> None:
    line = fields(msg="Sold %s for %.1f €", args=("tea", 2))
    assert (line["message"], line["kind"]) == ("Sold tea for 2.0 €", "Sold … for … €")
    assert fields(msg="%(what)s", args={"what": "tea"})["message"] == "tea"


def test_a_worker_is_a_field() -> None:
    assert fields(JSONFormatter("worker 2"), msg="Sold")["worker"] == "worker 2"


def test_what_runs_is_in_fields_of_its_own() -> None:
    with running(Handled(connection_id="5f0c", topic="room:1", event="see?token=abc")):
        line = fields(msg="Sold")
    assert (line["connection_id"], line["topic"]) == ("5f0c", "room:1")
    assert line["event"] == "[FILTERED]"


def test_an_exception_has_type_message_and_traceback() -> None:
    with pytest.raises(LookupError) as caught:
        raise LookupError(HOSTILE) from ValueError("why")
    trace = (caught.type, caught.value, caught.tb)
    line = fields(msg="failed", exc_info=trace, stack_info="the stack")
    error = line["exception"]
    assert error["type"] == "builtins.LookupError"
    assert error["message"].startswith(r'a"\n{')
    assert "ValueError: why" in error["traceback"]
    assert error["traceback"].splitlines()[-1].startswith(r'LookupError: a"\n{')
    assert line["stack"] == "the stack"
    assert fields(msg="failed", exc_text="a text")["exception"] == {"traceback": "a text"}
    assert "exception" not in fields(msg="failed", exc_info=(None, None, None))


@pytest.mark.parametrize("text", [HOSTILE, "half \ud83d", "\U000e0001 tag", "x" * 100_000])
def test_a_clients_text_is_no_more_than_text(text: str) -> None:
    """The characters come back as they were; only half a surrogate pair, which JSON can't carry, is written out."""
    line = fields(msg="got %s", args=(text,), given=text)
    expected = text.encode("utf-8", "backslashreplace").decode()
    assert line["message"] == f"got {expected}"
    assert line["level"] == "INFO"
    assert line["extra"]["given"] == expected[:1000]


def test_what_the_code_adds_is_in_extra_without_secrets() -> None:
    extra: dict[str, Any] = {
        "order": 7,
        "api_key": "abc",
        "url": "/pay?token=abc",
        "cart": {"items": ["tea", 2.5, None, True], ("a", 1): {"password": "abc"}},
        "level": "CRITICAL",
    }
    found = fields(msg="Sold", **extra)
    assert found["level"] == "INFO"
    assert found["extra"] == {
        "order": 7,
        "api_key": "[FILTERED]",
        "url": "[FILTERED]",
        "cart": {"items": ["tea", 2.5, None, True], "('a', 1)": {"password": "[FILTERED]"}},
        "level": "CRITICAL",
    }


def test_extra_can_hold_anything() -> None:
    deep: list[Any] = []
    deep.append(deep)
    found = fields(
        msg="Sold", extra_1=object(), big=2**80, nan=float("nan"), deep=deep, raw=b"\xff"
    )
    extra = found["extra"]
    assert extra["extra_1"] == "<object>"
    assert extra["big"] == str(2**80)
    assert extra["nan"] is None
    assert extra["raw"] == r"b'\xff'"
    assert "…" in json.dumps(extra["deep"], ensure_ascii=False)


@pytest.mark.parametrize("given", [("pin",), ParameterFilter(("pin",))], ids=["words", "filter"])
def test_the_words_for_secrets_can_be_replaced(given: Any) -> None:
    found = fields(JSONFormatter(filter_parameters=given), msg="Sold", pin="1234", token="t")
    assert found["extra"] == {"pin": "[FILTERED]", "token": "t"}


def test_a_request_has_fields_and_no_query() -> None:
    args = ("1.2.3.4:5", "GET", "/a?token=x", "1.1", 200)
    line = fields(name="uvicorn.access", msg='%s - "%s %s HTTP/%s" %d', args=args)
    assert line["message"] == '1.2.3.4:5 - "GET /a HTTP/1.1" 200'
    assert line["request"] == {
        "client": "1.2.3.4:5",
        "method": "GET",
        "path": "/a",
        "version": "1.1",
        "status": 200,
    }
    other = fields(name="uvicorn.access", msg="Is it %s?", args=("well",))
    assert (other["message"], "request" in other) == ("Is it well?", False)


def test_a_configuration_of_your_own_can_name_it(capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON or a dict for ``logging.config``, so under uvicorn and gunicorn too."""
    name = "bennu.configured"
    configuration: dict[str, Any] = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "bennu.logs.JSONFormatter", "worker": "web-1"}},
        "handlers": {"json": {"class": "logging.StreamHandler", "formatter": "json"}},
        "loggers": {name: {"handlers": ["json"], "level": "INFO", "propagate": False}},
    }
    logging.config.dictConfig(configuration)
    try:
        Log(name).warning("Over %s", HOSTILE)
    finally:
        logging.getLogger(name).handlers.clear()
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert found["kind"] == "Over …"
    assert found["worker"] == "web-1"
    assert found["message"].startswith(r'Over a"\n{"level"')
