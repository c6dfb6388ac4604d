"""Serves the JavaScript client: ``GET /socket/phoenix.mjs`` is the published phoenix.js, unmodified.

A page needs phoenix.js to connect to a socket. The server has the file, so a page needs no build step, no package
manager and no other server. The version of the client fits the server. The file's path is below the path of each
socket, so it can't collide with paths of the application. ``vendor/README.md`` has the source of the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from .routes import match, relative_path, segments_of

__all__ = ["ClientScript"]

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

NAME: Final = "phoenix.mjs"
FILE: Final = Path(__file__).parent / "vendor" / NAME


class ClientScript:
    """Answers requests for the client below the path of each socket.

    Args:
        mounts: The mount paths of the sockets that speak the client's protocol; they can contain variables.
    """

    def __init__(self, mounts: Iterable[str]) -> None:
        self._paths = [segments_of(f"{mount}/{NAME}") for mount in mounts]

    def answers(self, scope: Mapping[str, Any]) -> bool:
        """Return whether a request is for the client."""
        if scope["type"] != "http" or not scope["path"].endswith(NAME):
            return False
        segments = segments_of(relative_path(scope))
        return any(match(path, segments) is not None for path in self._paths)

    async def answer(self, scope: Mapping[str, Any], send: Send) -> None:
        """Answer a request for the client. A browser caches the file, and asks each time whether it has changed."""
        body, tag = _read()
        status = 200
        if scope["method"] not in ("GET", "HEAD"):
            status, body = 405, b""
        elif (b"if-none-match", tag) in scope["headers"]:
            status, body = 304, b""
        headers = [(b"cache-control", b"no-cache"), (b"etag", tag)]
        if status == 200:
            headers += [
                (b"content-type", b"text/javascript; charset=utf-8"),
                (b"content-length", str(len(body)).encode()),
                (b"access-control-allow-origin", b"*"),  # a module of a page on another host
            ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if scope["method"] == "HEAD":
            body = b""
        await send({"type": "http.response.body", "body": body})


@cache
def _read() -> tuple[bytes, bytes]:
    """Return the content of the file, and its ETag."""
    body = FILE.read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:16]}"'.encode()
