"""uvicorn's lines about requests, without what they must not show: queries may hold tokens."""

from __future__ import annotations

import logging
from typing import Any

from ..logs.printable import printable

__all__ = ["WithoutQuery", "hide_queries"]

LOGGERS = ("uvicorn.access", "uvicorn.error")
"""Where uvicorn writes about requests; about WebSockets into the second."""


class WithoutQuery(logging.Filter):
    """Makes the values of a line printable, and leaves the query out of each path."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and let it pass."""
        if isinstance(record.args, tuple):
            record.args = tuple(_shown(value) for value in record.args)
        return True


def _shown(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return printable(value.partition("?")[0] if value.startswith("/") else value)


def hide_queries() -> None:
    """Have uvicorn's loggers do so, whatever their configuration is."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, WithoutQuery) for one in logger.filters):
            logger.addFilter(WithoutQuery())
