"""Merges updates with pycrdt, which has no defence against updates that are made to break it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pycrdt import Doc

from .wire import Malformed

__all__ = ["Broken", "apply", "merge"]


class Broken(Malformed):
    """pycrdt has failed in the middle of an update: the document in memory can't be used any more."""


def apply(doc: Doc[Any], updates: Iterable[bytes]) -> None:
    """Merge updates into a document.

    Raises:
        Malformed: One can't be read, and has changed nothing.
        Broken: One could be read, but not merged.
    """
    try:
        with doc.transaction():
            for update in updates:
                doc.apply_update(update)
    except ValueError as error:
        raise Malformed(str(error)) from error
    except BaseException as error:
        # A panic in pycrdt's Rust is no Exception, and its class can't be imported.
        if not (isinstance(error, RuntimeError) or type(error).__name__ == "PanicException"):
            raise
        raise Broken(str(error)) from error


def merge(updates: Iterable[bytes]) -> bytes:
    """Return one update that has all the others. Raises as :func:`apply`."""
    doc: Doc[Any] = Doc()
    apply(doc, updates)
    return doc.get_update()
