"""Removes queries from uvicorn's log lines about requests, because a query can hold a token."""

from __future__ import annotations

import logging

from ..logs.queries import LOGGERS, shown_value

__all__ = ["WithoutQuery", "hide_queries"]


class WithoutQuery(logging.Filter):
    """Makes the values of a line printable, and removes the query from each path."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the values of the record; return True, so that the record is logged."""
        if isinstance(record.args, tuple):
            record.args = tuple(map(shown_value, record.args))
        return True


def hide_queries() -> None:
    """Add the filter to uvicorn's loggers, for any configuration of logging."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, WithoutQuery) for one in logger.filters):
            logger.addFilter(WithoutQuery())
