"""Writes Bennu's lines to the log. Every value in a line is printable, and no client can flood the log.

Theory of operation
-------------------
Each :class:`Log` writes to one logger of the standard library. All modules of this package log through this class
(a test checks the code for that), so two rules hold for every line:

- A value in a line passes through :func:`~bennu.logs.printable.printable`. So do the messages of exceptions in a
  traceback.
- Lines are counted by their *kind*. The first few lines of a kind are written at once. Later lines within the
  interval are only counted, and one line at the end of the interval says how many were left out. If lines of this
  kind continue, that summary is the only line in each interval.

The kind of a line is its text before the values are inserted. The kind of a crash also has the class of the exception
and the line of code that raised it, so one crash does not hide another crash. A client can't choose kinds, so the
table of kinds stays small. Lines of the level DEBUG are not counted.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import sys
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from contextvars import Context
from threading import get_ident
from typing import Any, Final

from .context import running
from .printable import CUT, LIMIT, printable
from .tracebacks import traceback_of

__all__ = ["BURST", "EVERY", "Log", "Printed", "shape_of"]

BURST: Final = 5
"""Lines of one kind that are written at once in an interval."""

EVERY: Final = 10.0
"""Seconds of an interval."""

MAX_KINDS: Final = 500
"""Kinds in the table. An application that makes exception classes at run time could otherwise fill it."""

LEFT_OUT: Final = 'Not shown: %d more like "%s"'

Now = Callable[[], float]

_VALUE = re.compile(r"(?:%[.\d]*[a-z])+")


def shape_of(text: str) -> str:
    """Return the text of a line with ``…`` for each value, or for several values without text between them.

    Example:
        >>> shape_of("%s crashed in %s")
        '… crashed in …'
    """
    return _VALUE.sub(CUT, text).replace("%%", "%")


class Printed(str):
    """Text that is already printable and short enough. It is inserted into a line unchanged."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return the text in quotes, without escaping it a second time."""
        return f"'{self}'"


class _Shown(Printed):
    """The printable form of a value that is no text. Its ``repr`` has no quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return self


class _Kind:
    """The lines of one kind in this interval.

    Attributes:
        logger: The logger of the first line.
        level: The level of the first line.
        text: The text of the line, without values.
        until: The time at which the interval ends, in seconds.
        written: Lines written in this interval.
        left_out: Lines left out in this interval.
        fields: The fields of a line's record, from which other records are copied; None before the first.
    """

    __slots__ = ("fields", "left_out", "level", "logger", "text", "until", "written")

    def __init__(self, logger: logging.Logger, level: int, text: str, until: float) -> None:
        self.logger = logger
        self.level = level
        self.text = text
        self.until = until
        self.written = 0
        self.left_out = 0
        self.fields: dict[str, Any] | None = None


class _Counts:
    """Counts the lines of each kind, and writes by a timer how many were left out."""

    __slots__ = ("clock", "kinds", "loop", "timer")

    def __init__(self, clock: Now) -> None:
        self.clock = clock
        self.kinds: dict[Hashable, _Kind] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        self.timer: asyncio.TimerHandle | None = None

    def next_of(
        self, logger: logging.Logger, level: int, text: str, kind: Hashable, burst: int
    ) -> _Kind | None:
        """Count a line; return its kind if the line must be written, else None."""
        now = self.clock()
        known = self.kinds.get(kind)
        if known is None:
            if len(self.kinds) >= MAX_KINDS:
                self._forget(now)
            if len(self.kinds) >= MAX_KINDS:
                kind = text
            known = self.kinds.setdefault(kind, _Kind(logger, level, text, now + EVERY))
        elif now >= known.until:
            _begin_interval(known, now)
        if known.written < burst:
            known.written += 1
            return known
        known.left_out += 1
        if self.timer is None and self.loop is not None:
            with suppress(RuntimeError):  # the loop was closed without a call of `stop`
                self.loop.call_soon_threadsafe(self._set_timer, context=Context())
        return None

    def summarise(self, now: float) -> None:
        """Write how many lines were left out, for each kind whose interval is over."""
        for known in tuple(self.kinds.values()):
            if known.left_out and now >= known.until:
                _begin_interval(known, now)

    def _set_timer(self) -> None:
        if self.timer is None and self.loop is not None:
            self.timer = self.loop.call_later(EVERY, self._on_time)

    def _on_time(self) -> None:
        self.timer = None
        self.summarise(self.clock())
        if any(known.left_out for known in self.kinds.values()):
            self._set_timer()

    def _forget(self, now: float) -> None:
        """Forget the kinds whose interval is over and that have no lines left out."""
        for kind, known in tuple(self.kinds.items()):
            if now >= known.until and not known.left_out:
                del self.kinds[kind]


def _begin_interval(known: _Kind, now: float) -> None:
    left_out, known.left_out = known.left_out, 0
    if not left_out or now >= known.until + EVERY:
        known.written = 0  # no line was left out in the last interval
    known.until = now + EVERY
    if left_out and known.logger.isEnabledFor(known.level):
        values = (left_out, Printed(shape_of(known.text)))
        with running(None):  # the line is about many clients
            _write(known.logger, known.level, LEFT_OUT, values, None)


class Log:
    """Writes the log lines of one endpoint, or of one module.

    Args:
        name: The name of the logger; default ``"bennu"``.
        clock: Returns the time in seconds; default ``time.monotonic``.

    Attributes:
        logger: The logger of the standard library.
    """

    __slots__ = ("_counts", "logger")

    def __init__(self, name: str = "bennu", *, clock: Now = time.monotonic) -> None:
        self.logger = logging.getLogger(name)
        self._counts = _Counts(clock)

    def child(self, name: str) -> Log:
        """Return a log whose logger is a child of this logger. Both logs share their counts."""
        child = Log.__new__(Log)
        child.logger = self.logger.getChild(name)
        child._counts = self._counts
        return child

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Use timers of this event loop to write how many lines were left out; else the next line writes it."""
        counts = self._counts
        counts.loop = loop
        counts.clock = loop.time

    def stop(self) -> None:
        """Write how many lines were left out, and release the event loop."""
        counts = self._counts
        counts.loop = None
        counts.clock = time.monotonic
        if counts.timer is not None:
            counts.timer.cancel()
            counts.timer = None
        counts.summarise(float("inf"))
        counts.kinds.clear()

    def debug(self, text: str, *args: object, exc_info: BaseException | None = None) -> None:
        """Write a line of the level DEBUG; it is not counted."""
        if self.logger.isEnabledFor(logging.DEBUG):
            _write(self.logger, logging.DEBUG, text, args, exc_info)

    def info(self, text: str, *args: object, burst: int = BURST) -> None:
        """Write or count a line of the level INFO.

        Args:
            text: The line, with ``%s`` for each value.
            args: The values.
            burst: Lines of this kind that are written at once in an interval; default 5.
        """
        self.log(logging.INFO, text, args, text, burst)

    def warning(self, text: str, *args: object, burst: int = BURST) -> None:
        """Write or count a line of the level WARNING; the arguments are those of :meth:`info`."""
        self.log(logging.WARNING, text, args, text, burst)

    def error(self, text: str, *args: object, exc_info: BaseException | None = None) -> None:
        """Write or count a line of the level ERROR, with the traceback of ``exc_info`` if it is given."""
        kind = text if exc_info is None else (text, type(exc_info), *_site(exc_info))
        self.log(logging.ERROR, text, args, kind, BURST, exc_info)

    def exception(self, text: str, *args: object) -> None:
        """Write or count a line of the level ERROR, with the traceback of the exception that is being handled."""
        self.error(text, *args, exc_info=sys.exception())

    def log(
        self,
        level: int,
        text: str,
        args: tuple[object, ...] | Callable[[], tuple[object, ...]],
        kind: Hashable,
        burst: int = BURST,
        error: BaseException | None = None,
    ) -> None:
        """Write or count a line.

        Args:
            level: The level, as in the standard library.
            text: The line, with ``%s`` for each value.
            args: The values, or a function that returns them: called only if the line is written.
            kind: Lines of the same kind are counted together. Never make a kind of a client's data.
            burst: Lines of this kind that are written at once in an interval; default 5.
            error: An exception whose traceback follows the line; default None.
        """
        logger = self.logger
        if not logger.isEnabledFor(level):
            return
        known = self._counts.next_of(logger, level, text, kind, burst)
        if known is None:
            return
        args = args() if callable(args) else args
        if burst > BURST and error is None:
            logger.handle(_record_of(known, logger, level, text, args))
        else:
            _write(logger, level, text, args, error)


def _write(
    logger: logging.Logger,
    level: int,
    text: str,
    args: tuple[object, ...],
    error: BaseException | None,
) -> None:
    record = _record(logger, level, text, _shown(args))
    if error is not None:
        record.exc_info = (type(error), error, error.__traceback__)
        record.exc_text = traceback_of(error)  # formatters use this text if it is set
    logger.handle(record)


def _record(
    logger: logging.Logger, level: int, text: str, shown: tuple[object, ...]
) -> logging.LogRecord:
    file, line, function = _caller()
    return logger.makeRecord(logger.name, level, file, line, text, shown, None, function)


def _record_of(
    known: _Kind, logger: logging.Logger, level: int, text: str, args: tuple[object, ...]
) -> logging.LogRecord:
    """Return the record of a line: a copy of an earlier record of its kind, with its own values and time.

    A new record would cost as much as a third of a join.
    """
    shown, fields = _shown(args), known.fields
    is_usual = logging.getLogRecordFactory() is logging.LogRecord
    if fields is None or not is_usual or fields["thread"] != get_ident():
        record = _record(logger, level, text, shown)
        if is_usual:
            known.fields = dict(vars(record))
            if "taskName" in known.fields:  # Python 3.12
                known.fields["taskName"] = None
        return record
    record = logging.LogRecord.__new__(logging.LogRecord)
    now = time.time()
    vars(record).update(
        fields,
        args=shown,
        created=now,
        msecs=int(now % 1 * 1000) + 0.0,
        relativeCreated=fields["relativeCreated"] + (now - fields["created"]) * 1000,
    )
    return record


def _shown(args: tuple[object, ...]) -> tuple[object, ...]:
    return tuple([one if type(one) in _READY else _printed(one) for one in args])


_READY = (Printed, int, float)


def _printed(value: object) -> Printed:
    if type(value) is str and len(value) <= LIMIT and value.isprintable():
        return Printed(value)
    text = printable(value)
    return Printed(text) if isinstance(value, str) else _Shown(text)


def _caller() -> tuple[str, int, str]:
    """Return the file, line and function of the nearest caller outside of this module."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    if frame is None:  # pragma: no cover - an implementation of Python without frames
        return "(unknown file)", 0, "(unknown function)"
    return frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name


def _site(error: BaseException) -> tuple[str, int]:
    """Return the file and line number that raised an exception."""
    trace = error.__traceback__
    if trace is None:
        return "", 0
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename, trace.tb_lineno
