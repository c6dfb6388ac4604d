"""The log: each line is one printable line, and further lines of one kind are only counted."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from typing import Any

import pytest

from bennu.logs.context import LineContext, context_of, running
from bennu.logs.log import BURST, EVERY, MAX_KINDS, Log, Printed, shape_of
from bennu.testing.clock import advance, running_loop

from .test_context import Handled

HOSTILE = "a\nINFO: forged\x1b[2J\u202e\ud83d" + "x" * 10_000


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(clock: Clock, caplog: pytest.LogCaptureFixture) -> Log:
    caplog.set_level(logging.DEBUG, logger="bennu")
    return Log(clock=clock)


def raised(error: Exception) -> Exception:
    """Return an exception with a traceback."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_values_in_a_line_are_printable_and_cut(
    level: str, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    getattr(log, level)("%s at %d, %g: %s", HOSTILE, 3, 1.5, {"a": HOSTILE})
    message = caplog.messages[0]
    assert message.isprintable()
    assert len(message) < 450
    assert message.startswith(r"a\nINFO: forged\x1b[2J\u202e\ud83dxx")
    assert caplog.records[0].levelname == level.upper()


def test_a_line_says_where_it_was_written(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    """A format with the place shows the caller's place, and not the place in logs/log.py."""
    log.warning("a line")
    record = caplog.records[0]
    assert (record.pathname, record.funcName) == (
        __file__,
        "test_a_line_says_where_it_was_written",
    )


def test_text_that_is_printable_already_stands_as_it_is(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    log.info("%s", Printed("x" * 500))
    assert caplog.messages == ["x" * 500]


def test_lines_of_one_kind_are_counted_after_the_first_few(
    log: Log, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The kind is the text without its values, so a client can't make new kinds by other values."""
    for number in range(20_000):
        log.warning("no channel for %s", number)
    assert len(caplog.messages) == BURST
    log.warning("another kind")
    assert caplog.messages[-1] == "another kind"
    clock.now += EVERY
    log.warning("no channel for %s", "x")
    assert caplog.messages[-1] == 'Not shown: 19995 more like "no channel for …"'
    assert caplog.records[-1].levelname == "WARNING"


def test_a_flood_that_goes_on_writes_one_line_in_each_interval(
    log: Log, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        for _ in range(40):
            log.warning("a line")
            clock.now += EVERY / 40
    assert len(caplog.messages) == BURST + 99
    clock.now += 3 * EVERY
    log.warning("a line")
    assert caplog.messages[-2:] == ['Not shown: 40 more like "a line"', "a line"]


def test_lines_that_come_slowly_are_all_written(
    log: Log, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(50):
        log.warning("a line")
        clock.now += EVERY / BURST
    assert caplog.messages == ["a line"] * 50


def test_a_kind_may_have_a_burst_of_its_own(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        log.info("joined", burst=1)
        log.log(logging.WARNING, "over %s", ("a limit",), "limit", burst=2)
    assert caplog.messages == ["joined", "over a limit", "over a limit"]


def test_each_line_of_a_kind_that_may_come_thick_is_a_record_of_its_own(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    def write(name: str) -> None:
        log.info("JOINED %s", name, burst=100)

    write("room:1")
    write("room:2")
    writer = threading.Thread(target=write, args=("room:3",), name="writer")
    writer.start()
    writer.join()
    first, second, third = caplog.records
    assert [one.getMessage() for one in caplog.records] == [
        "JOINED room:1",
        "JOINED room:2",
        "JOINED room:3",
    ]
    assert first.created <= second.created <= third.created
    assert first.relativeCreated <= second.relativeCreated
    assert (second.funcName, second.lineno, second.threadName) == (
        "write",
        first.lineno,
        first.threadName,
    )
    assert third.threadName == "writer"
    fresh = logging.LogRecord("bennu", logging.INFO, __file__, 1, "", (), None)
    assert vars(second).keys() >= vars(fresh).keys()


def test_a_record_factory_of_the_users_makes_each_line(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = itertools.count()

    def make(*args: Any, **more: Any) -> logging.LogRecord:
        record = logging.LogRecord(*args, **more)
        record.number = next(numbers)
        return record

    log.info("JOINED %s", "room:1", burst=100)
    logging.setLogRecordFactory(make)
    try:
        for name in ("room:2", "room:3"):
            log.info("JOINED %s", name, burst=100)
    finally:
        logging.setLogRecordFactory(logging.LogRecord)
    log.info("JOINED %s", "room:4", burst=100)
    assert [vars(one).get("number") for one in caplog.records] == [None, 0, 1, None]


def test_debug_lines_are_not_counted_since_who_asks_for_them_wants_them_all(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(50):
        log.debug("a line", exc_info=ValueError("x"))
    assert len(caplog.messages) == 50


def test_what_the_level_leaves_out_is_neither_written_nor_counted(
    log: Log, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    log.logger.setLevel(logging.ERROR)
    for _ in range(50):
        log.debug("a line")
        log.warning("a line")
    log.logger.setLevel(logging.INFO)
    log.warning("a line")
    assert caplog.messages == ["a line"]
    for _ in range(50):
        log.warning("a line")
    log.logger.setLevel(logging.ERROR)
    clock.now += EVERY
    log.stop()
    assert len(caplog.messages) == BURST


def test_crashes_at_one_place_are_counted_and_another_place_is_another_kind(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(50):
        log.error("%s crashed", "room", exc_info=raised(ValueError(str(number))))
    assert len(caplog.messages) == BURST
    try:
        int("elsewhere")
    except ValueError:
        log.exception("%s crashed", "room")
    log.error("%s crashed", "room", exc_info=raised(KeyError("x")))
    log.error("%s crashed", "room", exc_info=ValueError("raised nowhere"))
    assert len(caplog.messages) == BURST + 3


def test_kinds_are_bounded_even_if_an_application_makes_classes_of_exceptions(
    log: Log, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(2 * MAX_KINDS):
        log.error("crashed", exc_info=type(f"E{number}", (Exception,), {})())
    assert len(caplog.messages) == MAX_KINDS + BURST
    clock.now += EVERY
    caplog.clear()
    for number in range(100):  # the old kinds are forgotten: each of these has its own line
        log.error("crashed", exc_info=type(f"F{number}", (Exception,), {})())
    assert len(caplog.messages) == 100


def test_a_stop_says_what_was_counted(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(BURST + 2):
        log.warning("a line")
    log.stop()
    assert caplog.messages[BURST:] == ['Not shown: 2 more like "a line"']


class Timers(asyncio.SelectorEventLoop):
    """An event loop whose timers a test calls."""

    def __init__(self) -> None:
        super().__init__()
        self.timers: list[tuple[float, object]] = []

    def run_ready(self) -> None:
        """Run the scheduled callbacks."""
        self.call_soon(self.stop)
        self.run_forever()


def test_with_an_event_loop_the_count_is_written_when_the_interval_is_over(
    log: Log, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count is written without another line. A line can come from another thread, so the loop sets the timer."""
    loop = Timers()
    monkeypatch.setattr(loop, "time", clock)
    log.start(loop)
    try:
        for _ in range(BURST + 3):
            log.warning("a line")
        loop.run_ready()
        clock.now += EVERY / 2
        for _ in range(BURST + 1):
            log.warning("another")
        loop.run_ready()
        assert len(caplog.messages) == 2 * BURST
        clock.now += EVERY / 2 + 1
        loop.run_ready()
        assert caplog.messages[2 * BURST :] == ['Not shown: 3 more like "a line"']
        clock.now += EVERY
        loop.run_ready()
        assert caplog.messages[2 * BURST + 1 :] == ['Not shown: 1 more like "another"']
        clock.now += EVERY
        loop.run_ready()
        for _ in range(BURST + 1):
            log.warning("a line")
        loop.run_ready()
        log.stop()
        clock.now += EVERY
        loop.run_ready()
        assert caplog.messages[-1] == 'Not shown: 1 more like "a line"'
    finally:
        loop.close()


def test_a_timer_that_comes_after_the_stop_is_not_set(log: Log) -> None:
    loop = Timers()
    log.start(loop)
    for _ in range(BURST + 3):
        log.warning("a line")
    log.stop()
    loop.run_ready()
    loop.close()


def test_a_traceback_is_logged_with_printable_messages(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    """A line break in the message of an exception does not start a new line of the log."""
    log.error("crashed", exc_info=raised(ValueError(HOSTILE)))
    text = logging.Formatter().format(caplog.records[0])
    assert "\n" in text
    assert text.replace("\n", "").isprintable()
    assert text.splitlines()[-1].startswith(r"ValueError: a\nINFO: forged\x1b")
    assert len(text) < 4000
    assert "raise error" in text
    assert caplog.records[0].exc_info is not None


def test_the_kind_of_a_line_is_its_text_without_its_values() -> None:
    assert shape_of("%s took %.1f s, over %gs (%d%%)%s") == "… took … s, over …s (…%)…"
    assert shape_of("JOINED %s in %s%s") == "JOINED … in …"


@pytest.mark.parametrize("by_timer", [True, False])
async def test_the_number_of_lines_left_out_is_about_no_client(
    by_timer: bool, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither if a timer writes it, which the handler of a client has set, nor if a later line does."""
    contexts: list[LineContext] = []

    def note(record: logging.LogRecord) -> bool:
        contexts.append(context_of(record))
        return True

    caplog.handler.addFilter(note)
    clock = Clock()
    log = Log(clock=clock)
    if by_timer:
        log.start(running_loop())
    with running(Handled(topic="room:1")):
        for _ in range(BURST + 1):
            log.warning("a line")
        if by_timer:
            await advance(EVERY + 1)
        clock.now += EVERY + 1
        log.warning("a line")
    log.stop()
    caplog.handler.removeFilter(note)
    found = list(zip(caplog.messages, contexts, strict=True))
    left_out = [context for message, context in found if message.startswith("Not shown: 1 more")]
    assert left_out == [{}] * len(left_out)
    assert left_out
    assert contexts[0] == {"topic": "room:1"}
