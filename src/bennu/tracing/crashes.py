"""Notes on a span how a block of the user's code has ended."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterable
from typing import Final

from opentelemetry.trace import Span, StatusCode

from ..errors import Refused, Stop
from ..logs.why import why_refused

__all__ = ["note_crash", "note_end"]

MAX_FRAMES: Final = 50
"""The most frames of a traceback in a span."""


def note_end(span: Span, error: BaseException) -> None:
    """Note how a block of the user's code has ended: a refusal and a stop are no errors."""
    if not span.is_recording():
        return
    if isinstance(error, Refused):
        span.set_attributes({"bennu.outcome": "refused", "bennu.reason": why_refused(error)})
    elif isinstance(error, Stop) and error.closes:
        span.set_attribute("bennu.outcome", "stopped")
    else:
        note_crash(span, error)


def note_crash(span: Span, error: BaseException) -> None:
    """Note an exception, without its text: that can have what a client sent, and the log has it."""
    if not span.is_recording():
        return
    kind = _name_of(error)
    outcome = "cancelled" if isinstance(error, asyncio.CancelledError) else "crashed"
    span.set_status(StatusCode.ERROR, kind)
    span.set_attributes({"error.type": kind, "bennu.outcome": outcome})
    span.add_event("exception", {"exception.type": kind, "exception.stacktrace": _traceback(error)})


def _name_of(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__
    return name if kind.__module__ == "builtins" else f"{kind.__module__}.{name}"


def _traceback(error: BaseException) -> str:
    """Return the frames of an exception and of its causes, without the texts of the exceptions."""
    return "".join(_lines_of(error))


def _lines_of(error: BaseException) -> Iterable[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _lines_of(cause)
        yield "\nwhich led to:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__, -MAX_FRAMES)
    yield f"{_name_of(error)}\n"
