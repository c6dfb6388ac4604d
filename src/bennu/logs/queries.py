"""Removes queries from uvicorn's lines about requests, because a query can hold a token."""

from __future__ import annotations

from typing import Any, Final

from .printable import printable

__all__ = ["ACCESS", "LOGGERS", "shown_value"]

ACCESS: Final = "uvicorn.access"
"""The logger of uvicorn's lines about requests."""

LOGGERS: Final = (ACCESS, "uvicorn.error")
"""The loggers of uvicorn's lines with paths; the second has those about WebSockets."""


def shown_value(value: Any) -> Any:
    """Return a value of a line of uvicorn: a text is made printable, and a path loses its query."""
    if not isinstance(value, str):
        return value
    return printable(value.partition("?")[0] if value.startswith("/") else value)
