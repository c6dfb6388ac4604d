"""Reads the header ``traceparent`` of the W3C Trace Context, with which a client says which trace its request belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

__all__ = ["TraceParent", "parse_traceparent"]

SIZE: Final = 55
"""Characters of the header in version 00. Later versions can add parts after a hyphen."""

_HEX: Final = frozenset("0123456789abcdef")


class TraceParent(NamedTuple):
    """The place of a request in a trace.

    Attributes:
        trace_id: The id of the trace, 32 hexadecimal digits.
        parent_id: The id of the span in which the client has sent the request, 16 hexadecimal digits.
        is_sampled: Whether the client records the trace.
    """

    trace_id: str
    parent_id: str
    is_sampled: bool


def parse_traceparent(headers: Sequence[str]) -> TraceParent | None:
    """Return what the header says; None if it is missing, repeated or invalid.

    Args:
        headers: The values of all headers of this name.

    Example:
        >>> parse_traceparent(["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]).trace_id
        '4bf92f3577b34da6a3ce929d0e0e4736'
    """
    if len(headers) != 1:
        return None
    text = headers[0].strip(" \t")
    version, trace_id, parent_id, flags = text[:2], text[3:35], text[36:52], text[53:55]
    if len(text) < SIZE or (text[2], text[35], text[52]) != ("-", "-", "-"):
        return None
    if not _HEX.issuperset(version + trace_id + parent_id + flags) or version == "ff":
        return None
    is_longer = len(text) > SIZE
    if is_longer and (version == "00" or text[SIZE] != "-"):
        return None
    if not (trace_id.strip("0") and parent_id.strip("0")):
        return None
    return TraceParent(trace_id, parent_id, bool(int(flags, 16) & 1))
