"""The files of the page. They are read from the package when they are asked for first."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["StaticFile", "static_file"]

FOLDER: Final = Path(__file__).parent / "static"

TYPES: Final = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".mjs": b"text/javascript; charset=utf-8",
}


class StaticFile(NamedTuple):
    """A file.

    Attributes:
        content_type: Its type.
        body: Its content.
        tag: Its ETag.
    """

    content_type: bytes
    body: bytes
    tag: bytes


@cache
def _names() -> frozenset[str]:
    """Return the paths of all files: a request can name no other file, whatever its path is."""
    return frozenset(
        path.relative_to(FOLDER).as_posix()
        for path in FOLDER.rglob("*")
        if path.is_file() and path.suffix in TYPES
    )


def static_file(name: str) -> StaticFile | None:
    """Return a file; None if there is none of this name.

    Args:
        name: Its path below the page: ``""`` is the page itself.
    """
    name = name or "index.html"
    return _read(name) if name in _names() else None


@cache
def _read(name: str) -> StaticFile:
    path = FOLDER / name
    body = path.read_bytes()
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'.encode()
    return StaticFile(TYPES[path.suffix], body, tag)
