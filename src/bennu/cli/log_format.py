"""Formats log lines under ``bennu run`` as uvicorn does, at a third of the cost."""

from __future__ import annotations

import copy
import logging
from typing import Any

from uvicorn.config import LOG_LEVELS, LOGGING_CONFIG
from uvicorn.logging import DefaultFormatter

__all__ = ["LineFormatter", "log_config"]


class LineFormatter(DefaultFormatter):
    """uvicorn's formatter without its copy of each record. The text before a message is made once per level.

    Args:
        args: As uvicorn's.
        name: The name of the worker in each line; empty if there is one process.
        options: As uvicorn's.
    """

    def __init__(self, *args: Any, name: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        self._name = f" {name}:" if name else ""
        self._prefixes: dict[int, str] = {}

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a log line."""
        if record.exc_info or record.exc_text or record.stack_info:
            return super().format(record)
        if "color_message" in record.__dict__:  # uvicorn's own lines look different on a terminal
            return super().format(record)
        record.message = record.getMessage()
        return f"{self._prefix(record)} {record.message}"

    def _prefix(self, record: logging.LogRecord) -> str:
        known = self._prefixes.get(record.levelno)
        if known is None:
            name = record.levelname
            shown = self.color_level_name(name, record.levelno) if self.use_colors else name
            known = self._prefixes[record.levelno] = f"{shown}:{' ' * (8 - len(name))}{self._name}"
        return known


def log_config(level: str, name: str = "") -> dict[str, Any]:
    """Return uvicorn's logging configuration, with the logger ``bennu`` besides its own.

    Args:
        level: The level of the logger ``bennu``; one of :data:`~bennu.cli.parameters.LEVELS`.
        name: The name of the worker in each line; empty if there is one process.
    """
    config: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    config["formatters"]["default"]["()"] = LineFormatter
    if name:
        config["formatters"]["default"]["name"] = name
        for formatter in config["formatters"].values():
            formatter["fmt"] = formatter["fmt"].replace(
                "%(levelprefix)s ", f"%(levelprefix)s {name}: "
            )
    config["loggers"]["bennu"] = {
        "handlers": ["default"],
        "level": LOG_LEVELS[level],
        "propagate": False,
    }
    return config
