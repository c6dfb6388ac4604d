"""Serves pages that only developers see: an endpoint has them in development, and nothing in production.

The pages are files and text that the server has made: no page runs a script, and none asks another server for anything. The
header ``Content-Security-Policy`` says so to the browser.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

from ..server.request import Denied
from .routes import relative_path

__all__ = ["DevelopmentPage", "DevelopmentPages", "PageServer"]

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

POLICY: Final = b"default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class DevelopmentPage(NamedTuple):
    """One page or file.

    Attributes:
        content_type: Its type.
        body: Its content.
    """

    content_type: str
    body: bytes


@runtime_checkable
class DevelopmentPages(Protocol):
    """Pages below a path.

    Attributes:
        path: The path above the pages, relative to the endpoint's mount. It begins with a slash.
    """

    @property
    def path(self) -> str: ...

    def page(self, name: str, endpoint: Any) -> DevelopmentPage | None:
        """Return a page; None if there is none of this name.

        Args:
            name: The path of the page below ``path``: ``""`` is the first page.
            endpoint: The endpoint.
        """


class PageServer:
    """Answers requests for the pages.

    Args:
        pages: The pages; None in production.
        endpoint: The endpoint that the pages are about.
    """

    def __init__(self, pages: DevelopmentPages | None, endpoint: Any) -> None:
        self._pages = pages
        self._endpoint = endpoint

    def answers(self, scope: Mapping[str, Any]) -> bool:
        """Return whether a request is for a path of the pages."""
        if self._pages is None or scope["type"] != "http":
            return False
        return f"{relative_path(scope)}/".startswith(f"{self._pages.path}/")

    async def answer(self, scope: Mapping[str, Any], send: Send, denied: Denied | None) -> None:
        """Answer a request for a page.

        Args:
            scope: The request.
            send: The ASGI callable.
            denied: The answer if its host is not served; None if it is.
        """
        pages, path = self._pages, relative_path(scope)
        if pages is not None and path == pages.path and denied is None:
            # With a slash at its end, links relative to the page work behind any mount and proxy.
            where = f"{path.rpartition('/')[2]}/".encode()
            await send(
                {
                    "type": "http.response.start",
                    "status": 307,
                    "headers": [(b"location", where), (b"content-length", b"0")],
                }
            )
            await send({"type": "http.response.body", "body": b""})
            return
        status, kind, body = self._find(scope, denied)
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"content-security-policy", POLICY),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if scope["method"] == "HEAD":
            body = b""
        await send({"type": "http.response.body", "body": body})

    def _find(self, scope: Mapping[str, Any], denied: Denied | None) -> tuple[int, str, bytes]:
        """Return the status, the type and the body of an answer."""
        if denied is not None:
            return denied.status, "text/plain; charset=utf-8", denied.body
        if scope["method"] not in ("GET", "HEAD"):
            return 405, "text/plain; charset=utf-8", b"Method not allowed"
        pages = self._pages
        name = "" if pages is None else relative_path(scope)[len(pages.path) :].strip("/")
        page = None if pages is None else pages.page(name, self._endpoint)
        if page is None:
            return 404, "text/plain; charset=utf-8", b"There is no such page"
        return 200, page.content_type, page.body
