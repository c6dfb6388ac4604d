"""Serves what a page imports: phoenix.js, and Bennu's module for recovery.

=============================  ==========================================================
``GET /socket/phoenix.mjs``    the published phoenix.js, unmodified
``GET /socket/bennu.mjs``      ``recoverable``: a channel that gets what it missed
``GET /socket/bennu.d.ts``     its types, for a project in TypeScript
=============================  ==========================================================

A page needs phoenix.js to connect to a socket. The server has the file, so a page needs no build step, no package
manager and no other server. The version of the client fits the server. The paths of the files are below the path of
each socket, so they can't collide with paths of the application. ``vendor/README.md`` has the source of phoenix.js.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from .routes import match, relative_path, segments_of

__all__ = ["FILES", "ClientScript"]

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_HERE: Final = Path(__file__).parent

FILES: Final[Mapping[str, Path]] = {
    "phoenix.mjs": _HERE / "vendor" / "phoenix.mjs",
    "bennu.mjs": _HERE / "scripts" / "bennu.mjs",
    "bennu.d.ts": _HERE / "scripts" / "bennu.d.ts",
}
"""The files by their names below the path of a socket."""

_TYPES: Final[Mapping[str, bytes]] = {
    ".mjs": b"text/javascript; charset=utf-8",
    ".ts": b"text/plain; charset=utf-8",  # browsers show it; to a system, .ts is a video
}


class ClientScript:
    """Answers requests for the files below the path of each socket.

    Args:
        mounts: The mount paths of the sockets that speak the client's protocol; they can contain variables.
    """

    def __init__(self, mounts: Iterable[str]) -> None:
        sockets = list(mounts)
        self._paths = {
            name: [segments_of(f"{mount}/{name}") for mount in sockets] for name in FILES
        }

    def answers(self, scope: Mapping[str, Any]) -> bool:
        """Return whether a request is for a file."""
        if scope["type"] != "http":
            return False
        paths = self._paths.get(_name(scope))
        if paths is None:
            return False
        segments = segments_of(relative_path(scope))
        return any(match(path, segments) is not None for path in paths)

    async def answer(self, scope: Mapping[str, Any], send: Send) -> None:
        """Answer a request for a file. A browser caches the file, and asks each time whether it has changed."""
        file = FILES[_name(scope)]
        body, tag = _read(file)
        status = 200
        if scope["method"] not in ("GET", "HEAD"):
            status, body = 405, b""
        elif (b"if-none-match", tag) in scope["headers"]:
            status, body = 304, b""
        headers = [(b"cache-control", b"no-cache"), (b"etag", tag)]
        if status == 200:
            headers += [
                (b"content-type", _TYPES[file.suffix]),
                (b"content-length", str(len(body)).encode()),
                (b"access-control-allow-origin", b"*"),  # a module of a page on another host
            ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if scope["method"] == "HEAD":
            body = b""
        await send({"type": "http.response.body", "body": body})


def _name(scope: Mapping[str, Any]) -> str:
    """Return the last part of the path of a request."""
    name: str = scope["path"].rpartition("/")[2]
    return name


@cache
def _read(file: Path) -> tuple[bytes, bytes]:
    """Return the content of a file, and its ETag."""
    body = file.read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:16]}"'.encode()
