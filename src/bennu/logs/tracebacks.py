"""Returns the traceback of an exception as text for the log: printable messages, bounded length."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from typing import Final, cast

from .printable import printable

__all__ = ["MAX_MESSAGE", "traceback_of"]

MAX_FRAMES: Final = 30
"""Frames of a traceback that are shown: the frames nearest to the error."""

MAX_CHAIN: Final = 8
"""Exceptions of one chain or group that are shown."""

MAX_MESSAGE: Final = 2000
"""Characters of an exception's message in a traceback."""


def traceback_of(error: BaseException) -> str:
    """Return the traceback of an exception as Python writes it, with printable messages and bounded length.

    A message with line breaks becomes one line. So a client whose data is in the message can't forge log lines.
    """
    return "\n".join(_lines(error, set()))


def _lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    earlier, words = (
        error.__cause__,
        "The above exception was the direct cause of the following exception:",
    )
    if earlier is None and not error.__suppress_context__:
        earlier, words = (
            error.__context__,
            "During handling of the above exception, another exception occurred:",
        )
    if earlier is not None and id(earlier) not in seen and len(seen) < MAX_CHAIN:
        yield from _lines(earlier, seen)
        yield from ("", words, "")
    yield "Traceback (most recent call last):"
    for frame in traceback.extract_tb(error.__traceback__, limit=-MAX_FRAMES).format():
        yield frame.rstrip("\n")
    kind = type(error)
    name = (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    message = printable(error, MAX_MESSAGE)
    yield name if message in ("", kind.__name__) else f"{name}: {message}"
    notes: object = getattr(error, "__notes__", ())
    if isinstance(notes, list | tuple):  # else the attribute is not that of Python's `add_note`
        for note in cast("Sequence[object]", notes)[:MAX_CHAIN]:
            yield printable(note, MAX_MESSAGE)
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            if len(seen) < MAX_CHAIN:
                for line in _lines(inner, seen):
                    yield "  | " + line.replace("\n", "\n  | ")
