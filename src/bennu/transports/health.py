"""The pages that tell load balancers and supervisors whether the server is alive and ready.

``<path>/live`` answers 200 as long as the event loop runs. ``<path>/ready`` answers 200 while new clients can come. It
answers 503 from the begin of a drain on, and while the node does not hear the bus.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from enum import Enum
from typing import Any, Final

from ..errors import DefinitionError
from .routes import relative_path

__all__ = ["Health", "Readiness"]

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LIVE: Final = (200, b'{"status":"live"}')
NOT_ALLOWED: Final = (405, b'{"status":"method not allowed"}')


class Readiness(Enum):
    """Whether new clients can come, or why not.

    Attributes:
        status: The HTTP status of the page.
        body: Its body.
    """

    READY = (200, b'{"status":"ready"}')
    DRAINING = (503, b'{"status":"draining"}')
    CUT_OFF = (503, b'{"status":"cut off from the bus"}')

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body


class Health:
    """Answers requests for the two pages.

    Args:
        path: The path above the pages, relative to the endpoint's mount; None for no pages.

    Raises:
        DefinitionError: The path does not begin with a slash.
    """

    def __init__(self, path: str | None) -> None:
        if path is not None and not path.startswith("/"):
            raise DefinitionError(
                "Endpoint(health=...)",
                expected="a path that begins with /",
                got=repr(path),
                write='health="/health"',
            )
        base = "" if path is None else path.rstrip("/")
        self._live = None if path is None else f"{base}/live"
        self._ready = None if path is None else f"{base}/ready"

    def answers(self, scope: Mapping[str, Any]) -> bool:
        """Return whether a request is for one of the pages."""
        if self._live is None or scope["type"] != "http":
            return False
        return relative_path(scope) in (self._live, self._ready)

    async def answer(self, scope: Mapping[str, Any], send: Send, *, readiness: Readiness) -> None:
        """Answer a request for one of the pages.

        Args:
            scope: The ASGI scope of the request.
            send: The ASGI ``send``.
            readiness: Whether new clients can come.
        """
        if scope["method"] not in ("GET", "HEAD"):
            status, body = NOT_ALLOWED
        elif relative_path(scope) == self._live:
            status, body = LIVE
        else:
            status, body = readiness.value
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send(
            {"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body}
        )
