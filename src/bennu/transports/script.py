"""The JavaScript client: ``GET /socket/phoenix.mjs`` is the published phoenix.js, unmodified.

A page needs phoenix.js to talk to a socket. It comes with the server, so that a page needs no build step, no
package manager and no other server, and the two fit. It lies below the path of each socket, where it takes no path
from an application around the endpoint. ``vendor/README.md`` says where the file is from.
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
    """The client, below the path of each socket.

    Args:
        mounts: The paths of the sockets that speak the client's protocol; they may hold variables.
    """

    def __init__(self, mounts: Iterable[str]) -> None:
        self._paths = [segments_of(f"{mount}/{NAME}") for mount in mounts]

    def answers(self, scope: Mapping[str, Any]) -> bool:
        """Return whether a request is for it."""
        if scope["type"] != "http" or not scope["path"].endswith(NAME):
            return False
        segments = segments_of(relative_path(scope))
        return any(match(path, segments) is not None for path in self._paths)

    async def answer(self, scope: Mapping[str, Any], send: Send) -> None:
        """Answer a request for it: browsers keep it, and ask each time whether it is still the same."""
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
    """Return the file and its tag."""
    body = FILE.read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:16]}"'.encode()
