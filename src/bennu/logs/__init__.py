"""Writes the lines of the log: printable, bounded in length and number, and without secrets.

:class:`JSONFormatter` and :class:`ContextFilter` are for a logging configuration of your own.
"""

from .context import ContextFilter
from .json_format import JSONFormatter

__all__ = ["ContextFilter", "JSONFormatter"]
