"""What a line of the log is about: the connection, user, topic, event, channel and trace of the code that writes it.

Theory of operation
-------------------
A task that runs a handler of the user sets the context variable ``RUNNING`` once, when the task begins. Worker threads
and tasks that a handler starts inherit it. The fields are read only when a line is formatted, so a message costs
nothing.

A background task of Bennu can inherit the variable too: a handler that publishes can start a timer of the bus.
Bennu's own lines are about the handler only if they are written where the handler runs (:attr:`Running.is_here`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Protocol

from .printable import printable

__all__ = ["RUNNING", "ContextFilter", "LineContext", "Running", "context_of", "running"]

OWN: Final = "bennu"
"""The logger of Bennu, and the parent of its other loggers."""

ATTRIBUTE: Final = "bennu"
"""The attribute of a record that holds its context."""

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/@+*~")
"""The characters of a value that is written without quotes."""


class Running(Protocol):
    """What runs."""

    @property
    def is_here(self) -> bool:
        """Whether the code that asks is the handler's own task or thread, and no background task of Bennu."""
        ...

    def log_fields(self) -> dict[str, str | None]:
        """Return the fields of a line, by name; None for a field that is not known."""
        ...


RUNNING: Final[ContextVar[Running | None]] = ContextVar("bennu.running", default=None)
"""What runs in this task or thread, for the lines of the log."""


@contextmanager
def running(what: Running | None) -> Generator[None]:
    """Write the lines of a block of code about ``what``. None is for lines that are about nobody."""
    token = RUNNING.set(what)
    try:
        yield
    finally:
        RUNNING.reset(token)


class LineContext(dict[str, str]):
    """The context of one line: the known ones of ``connection_id``, ``user_id``, ``topic``, ``event``, ``channel``,
    ``trace_id``, ``span_id``.

    Its text is for the end of a line: ``" [connection_id=5f0c topic=room:1]"``, or empty if nothing is known. A value
    with other characters than those of usual ids is in quotes, so a client's text can't look like another field.
    """

    def __str__(self) -> str:
        """Return the text for the end of a line."""
        if not self:
            return ""
        return f" [{' '.join(f'{name}={_quoted(value)}' for name, value in self.items())}]"


def _quoted(value: str) -> str:
    is_plain = value != "" and _PLAIN.issuperset(value)
    return value if is_plain else json.dumps(value, ensure_ascii=False)


def context_of(record: logging.LogRecord) -> LineContext:
    """Return the context of a line. All values are printable.

    Args:
        record: The record of the line. If a :class:`ContextFilter` has seen it, any thread can ask; else only the
            thread that writes the line.
    """
    known = record.__dict__.get(ATTRIBUTE)
    if isinstance(known, LineContext):
        return known
    found = RUNNING.get()
    if found is None or (_is_own(record.name) and not found.is_here):
        return LineContext()
    fields = found.log_fields()
    return LineContext((name, printable(value)) for name, value in fields.items() if value)


def _is_own(name: str) -> bool:
    return name == OWN or name.startswith(f"{OWN}.")


class ContextFilter(logging.Filter):
    """Gives each line its context, as ``record.bennu``: for a format of your own, and for a queue before a handler.

    Add it to a handler. Then ``%(bennu)s`` at the end of a format is `` [connection_id=5f0c topic=room:1]``, or empty.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Set ``record.bennu``, and let the line pass."""
        setattr(record, ATTRIBUTE, context_of(record))
        return True
