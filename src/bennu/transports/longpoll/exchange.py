"""One HTTP request and its answer, with the headers for pages of other origins."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

from ...protocol.longpoll import Status, answer_status

__all__ = ["BodyTooLong", "ClientGone", "Exchange"]

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

ANY_ORIGIN: Final = (b"access-control-allow-origin", b"*")
JSON: Final = (
    (b"content-type", b"application/json; charset=utf-8"),
    (b"cache-control", b"no-store"),
)
TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"get, post, options"),
    (b"access-control-max-age", b"3600"),
)
MAX_DIGITS: Final = 20
"""Digits of a Content-Length."""
ASKED_HEADERS: Final = b"access-control-request-headers"
_NAMES: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,2000}")
"""Names of headers that the answer can repeat."""


class ClientGone(Exception):
    """The client went away before the answer."""


class BodyTooLong(Exception):
    """The body of a request has too many bytes."""


class Exchange:
    """One request and its answer.

    Args:
        scope: The ASGI scope.
        receive: The ASGI callable.
        send: The ASGI callable.

    Attributes:
        headers: The headers by name; the first value of a repeated header.
    """

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        self._receive = receive
        self._send = send
        self._is_read = False

    @property
    def method(self) -> str:
        """The HTTP method."""
        method: str = self.scope["method"]
        return method

    def header(self, name: bytes) -> str:
        """Return a header, or empty text."""
        return self.headers.get(name, b"").decode("latin-1")

    async def body(self, limit: int, grow: Callable[[int], object]) -> bytes:
        """Return the body.

        Args:
            limit: The largest number of bytes.
            grow: Called with the size of each piece, before it is kept.

        Raises:
            BodyTooLong: The body has more bytes than the limit.
            ClientGone: The client went away.
        """
        said = self.headers.get(b"content-length", b"0")
        size = int(said) if said.isdigit() and len(said) < MAX_DIGITS else 0
        if size > limit:
            raise BodyTooLong(f"a POST has at most {limit} bytes (LongPoll(max_body=...))")
        body = bytearray()
        size = 0
        while not self._is_read:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                raise ClientGone
            piece: bytes = event.get("body", b"")
            size += len(piece)
            if size > limit:
                raise BodyTooLong(f"a POST has at most {limit} bytes (LongPoll(max_body=...))")
            grow(len(piece))
            self._is_read = not event.get("more_body", False)
            if self._is_read and not body:
                return piece
            body += piece
        return bytes(body)

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[asyncio.Task[None]]:
        """Watch the client. When the client goes away, the yielded task is done."""
        watch = asyncio.create_task(self._until_gone())
        try:
            yield watch
        finally:
            watch.cancel()
            await asyncio.wait([watch])

    @asynccontextmanager
    async def while_connected(self) -> AsyncGenerator[None]:
        """Cancel the ``with`` block if the client goes away.

        Raises:
            ClientGone: The client went away.
        """
        limit = asyncio.timeout(None)

        def cancel_block(_: object) -> None:
            limit.reschedule(asyncio.get_running_loop().time())

        async with self.watched() as watch:
            try:
                async with limit:
                    watch.add_done_callback(cancel_block)
                    try:
                        yield
                    finally:
                        watch.remove_done_callback(cancel_block)
            except TimeoutError:
                if not limit.expired():
                    raise
                raise ClientGone from None

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass  # the empty body of a GET

    # Answers.

    async def answer(self, body: bytes) -> None:
        """Answer with JSON and the status 200."""
        await self._respond(HTTPStatus.OK, JSON, body)

    async def refuse(self, status: int, text: str = "", *, retry_after: int | None = None) -> None:
        """Answer with an HTTP status, and close the connection, because a part of the body can be unread."""
        headers = [(b"connection", b"close")]
        if text:
            headers.append(TEXT)
        if retry_after is not None:
            headers.append((b"retry-after", str(retry_after).encode()))
        await self._respond(status, headers, text.encode())

    async def forbid(self, status: int, text: bytes) -> None:
        """Answer with an HTTP status. A 403 has the same status in its body, for stock clients."""
        is_forbidden = status == HTTPStatus.FORBIDDEN
        body = answer_status(Status.FORBIDDEN) if is_forbidden else text
        await self._respond(status, JSON if is_forbidden else (TEXT,), body)

    async def answer_gone_client(self) -> None:
        """Answer a client that has gone. Without an answer, middleware raises an error."""
        await self._respond(HTTPStatus.NO_CONTENT, (), b"")

    async def answer_preflight(self) -> None:
        """Allow the request that a page of another origin asks for."""
        asked = [value for name, value in self.scope["headers"] if name == ASKED_HEADERS]
        names = b", ".join(asked)
        allowed = ((b"access-control-allow-headers", names),) if _NAMES.fullmatch(names) else ()
        await self._respond(HTTPStatus.OK, (*PREFLIGHT, *allowed), b"")

    async def _respond(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        size = (b"content-length", str(len(body)).encode())
        head = {"status": int(status), "headers": [ANY_ORIGIN, *headers, size]}
        try:
            await self._send({"type": "http.response.start", **head})
            await self._send({"type": "http.response.body", "body": body})
        except OSError:
            pass  # the client went away during the answer; the error depends on the server
