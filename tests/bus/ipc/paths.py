"""Directories for the sockets of a test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["short_directory"]


@contextmanager
def short_directory() -> Iterator[Path]:
    """Make a directory with a short path: pytest's own can be too long for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="bennu-") as path:
        yield Path(path)
