"""The pages of the demos: their files, the design that they share, and the headers that keep foreign scripts out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

__all__ = ["DESIGN", "HEADERS", "Headers", "page_of"]

DESIGN: Final = Path(__file__).parent / "design"
"""The files that the pages of all demos share."""

HEADERS: Final = {
    "content-security-policy": "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",  # the browser asks whether a file has changed
}
"""The headers of each answer of a page: it runs only scripts and styles of its own files."""

App = Callable[[Any, Any, Any], Awaitable[None]]


class Headers:
    """ASGI middleware that adds headers to each answer that has none of that name.

    Args:
        app: The application.
        headers: The names, in lower case, and the values.
    """

    def __init__(self, app: App, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, with the headers."""

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                names = {name.lower() for name, _ in given}
                added = [header for header in self._headers if header[0] not in names]
                message = {**message, "headers": given + added}
            await send(message)

        await self._app(scope, receive, send_with_headers)


def page_of(static: Path, *routes: BaseRoute, headers: dict[str, str] | None = None) -> Starlette:
    """Return the application that serves the page of a demo: its files, the design, and its own routes.

    Args:
        static: The folder with the page's ``index.html``.
        routes: The routes of the demo. They come before the files.
        headers: Headers instead of those of :data:`HEADERS`, by their names in lower case.
    """
    return Starlette(
        routes=[
            *routes,
            Mount("/design", StaticFiles(directory=DESIGN)),
            Mount("/", StaticFiles(directory=static, html=True)),
        ],
        middleware=[Middleware(Headers, headers={**HEADERS, **(headers or {})})],
    )
