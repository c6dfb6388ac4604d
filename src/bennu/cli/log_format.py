"""Formats log lines under ``bennu run``: as uvicorn does, at a third of the cost, or as JSON."""

from __future__ import annotations

import copy
import logging
from typing import Any, Final

from uvicorn.config import LOG_LEVELS, LOGGING_CONFIG
from uvicorn.logging import DefaultFormatter

from ..logs.context import context_of
from ..logs.json_format import JSONFormatter

__all__ = ["FORMATS", "LineFormatter", "log_config"]

FORMATS: Final = ("text", "json")

ROOT_FORMAT: Final = "%(levelprefix)s %(name)s: %(message)s"
"""The format of lines of other loggers, your own among them."""


class LineFormatter(DefaultFormatter):
    """uvicorn's formatter without its copy of each record. The text before a message is made once per level.

    Args:
        args: As uvicorn's.
        name: The name of the worker in each line; empty if there is one process.
        has_context: Whether a line ends in the connection, user, topic, event, channel and trace that it is about.
        has_logger: Whether a line has the name of its logger.
        options: As uvicorn's.
    """

    def __init__(
        self,
        *args: Any,
        name: str = "",
        has_context: bool = False,
        has_logger: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._has_context = has_context
        self._has_logger = has_logger
        self._name = f" {name}:" if name else ""
        self._prefixes: dict[int, str] = {}

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a log line."""
        if record.exc_info or record.exc_text or record.stack_info:
            return super().format(record)
        if "color_message" in record.__dict__:  # uvicorn's own lines look different on a terminal
            return super().format(record)
        record.message = record.getMessage()
        if self._has_logger:
            return f"{self._prefix(record)} {record.name}: {record.message}{self._context(record)}"
        if self._has_context:
            return f"{self._prefix(record)} {record.message}{self._context(record)}"
        return f"{self._prefix(record)} {record.message}"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the text of a line without its traceback."""
        return super().formatMessage(record) + self._context(record)

    def _context(self, record: logging.LogRecord) -> str:
        return str(context_of(record)) if self._has_context else ""

    def _prefix(self, record: logging.LogRecord) -> str:
        known = self._prefixes.get(record.levelno)
        if known is None:
            name = record.levelname
            shown = self.color_level_name(name, record.levelno) if self.use_colors else name
            known = self._prefixes[record.levelno] = f"{shown}:{' ' * (8 - len(name))}{self._name}"
        return known


def log_config(
    level: str, name: str = "", *, form: str = "text", has_context: bool = False, root: str = ""
) -> dict[str, Any]:
    """Return uvicorn's logging configuration, with the logger ``bennu`` besides its own.

    Args:
        level: The level of the logger ``bennu``; one of :data:`~bennu.cli.parameters.LEVELS`.
        name: The name of the worker in each line; empty if there is one process.
        form: One of :data:`FORMATS`.
        has_context: Whether a line of text ends in its context. A line of JSON always has it.
        root: The level of all other loggers. Empty is: text leaves them alone, and JSON writes warnings, because
            Python would write these as text.
    """
    config: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    formatters, handlers = config["formatters"], config["handlers"]
    default: dict[str, Any] = {
        **formatters["default"],
        "()": LineFormatter,
        "name": name,
        "has_context": has_context,
    }
    formatters["default"] = default
    formatters["root"] = {**default, "fmt": ROOT_FORMAT, "has_logger": True}
    handlers["root"] = {**handlers["default"], "formatter": "root"}
    if name:
        for formatter in formatters.values():
            formatter["fmt"] = formatter["fmt"].replace(
                "%(levelprefix)s ", f"%(levelprefix)s {name}: "
            )
    if form == "json":
        config["formatters"] = {key: {"()": JSONFormatter, "worker": name} for key in formatters}
        root = root or "warning"
    if root:
        config["root"] = {"handlers": ["root"], "level": LOG_LEVELS[root]}
    config["loggers"]["bennu"] = {
        "handlers": ["default"],
        "level": LOG_LEVELS[level],
        "propagate": False,
    }
    return config
