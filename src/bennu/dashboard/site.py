"""Answers the HTTP requests below the path of the dashboard.

=============================  ===================================================================
``GET <path>/``                the page, and its files
``POST <path>/pass``           a pass for the socket, if the browser may see the dashboard
``POST <path>/login``          compares the password, and sets the cookie of a session
``POST <path>/logout``         ends the session
=============================  ===================================================================

No answer has a CORS header, so a page of another origin can't read a pass. The cookie is ``SameSite=Strict``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from ..logs.log import Log
from ..reasons import Limit
from ..server.request import Denied
from ..telemetry import Telemetry
from ..transports.longpoll import Exchange
from ..transports.longpoll.exchange import BodyTooLong, ClientGone
from ..transports.routes import relative_path
from .files import StaticFile, static_file
from .lock import COOKIE, SESSION, DashboardAccess, DashboardLock

__all__ = ["DashboardSite"]

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self';"
    b" base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
JSON: Final = b"application/json"
MAX_BODY: Final = 2000
ACTIONS: Final = ("pass", "login", "logout")


class Login(Struct):
    """The body of a login."""

    password: str


class SocketPass(Struct):
    """The answer to a request for a pass.

    Attributes:
        token: The pass.
        has_password: Whether the page can log out.
    """

    token: str
    has_password: bool


class DashboardSite:
    """The page of one dashboard.

    Args:
        path: Its path.
        lock: Decides who gets it.
        telemetry: Counts passwords beyond the limit.
        log: Writes the log.
    """

    def __init__(self, path: str, lock: DashboardLock, telemetry: Telemetry, log: Log) -> None:
        self._path = path
        self._lock = lock
        self._telemetry = telemetry
        self._log = log

    async def serve(
        self,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
        *,
        denied: Denied | None,
    ) -> None:
        """Answer a request.

        Args:
            scope: The request, with the values of trusted proxies.
            receive: The ASGI callable.
            send: The ASGI callable.
            denied: The answer if its host is not served; None if it is.
        """
        answer = _SiteAnswer(send, has_body=scope["method"] != "HEAD")
        path = relative_path(scope)
        name = path[len(self._path) :].lstrip("/")
        if denied is not None:
            await answer.text(denied.status, denied.body.decode())
        elif path == self._path:
            # With a slash at its end, links relative to the page work behind any mount and proxy.
            where = f"{path.rpartition('/')[2]}/".encode()
            await answer.send(307, [(b"location", where)])
        elif name in ACTIONS:
            exchange = Exchange(scope, receive, send)
            if exchange.method == "POST":
                await self._act(name, exchange, answer)
            else:
                await answer.text(405, "Only POST is allowed here", [(b"allow", b"POST")])
        elif scope["method"] not in ("GET", "HEAD"):
            await answer.text(405, "Only GET is allowed here", [(b"allow", b"GET, HEAD")])
        else:
            await self._page(name, scope, answer)

    async def _page(self, name: str, scope: MutableMapping[str, Any], answer: _SiteAnswer) -> None:
        access = await self._lock.judge_page(scope)
        file = static_file(name)
        if access is not DashboardAccess.ALLOWED:
            self._refused(access, scope)
            await answer.text(access.status, access.text)
        elif file is None:
            await answer.text(404, "There is no such page")
        else:
            is_known = (b"if-none-match", file.tag) in scope["headers"]
            await answer.file(file, is_known=is_known)

    async def _act(self, name: str, exchange: Exchange, answer: _SiteAnswer) -> None:
        if name == "login":
            await self._login(exchange, answer)
        elif name == "logout":
            await answer.send(204, [self._cookie(exchange, "", 0)])
        else:
            access = await self._lock.judge(exchange.scope)
            if access is DashboardAccess.ALLOWED:
                found = SocketPass(self._lock.socket_pass(), self._lock.has_password)
                await answer.json(found)
            else:
                if (
                    access is not DashboardAccess.NO_SESSION
                ):  # which a page asks for before its login
                    self._refused(access, exchange.scope)
                await answer.text(access.status, access.text)

    async def _login(self, exchange: Exchange, answer: _SiteAnswer) -> None:
        if not exchange.header(b"content-type").startswith("application/json"):
            await answer.text(415, "Expected application/json")
            return
        try:
            body = await exchange.body(MAX_BODY, _ignore)
            login = msgspec.json.decode(body, type=Login)
        except ClientGone:
            await answer.send(204)
            return
        except (BodyTooLong, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            await answer.text(400, 'Expected {"password": "..."}')
            return
        peer = _peer(exchange.scope)
        access, wait = self._lock.enter(login.password, peer)
        if access is DashboardAccess.ALLOWED:
            self._log.info("The password of the dashboard was given from %s", peer)
            await answer.send(204, [self._cookie(exchange, self._lock.session(), int(SESSION))])
            return
        if access is DashboardAccess.TOO_MANY:
            self._telemetry.limit_exceeded(Limit.DASHBOARD_LOGINS, peer)
        else:
            self._refused(access, exchange.scope)
        more = [(b"retry-after", str(wait).encode())] if wait else []
        await answer.text(access.status, access.text, more)

    def _refused(self, access: DashboardAccess, scope: MutableMapping[str, Any]) -> None:
        self._log.warning(
            "Refused a request to %s from %s: %s", scope["path"], _peer(scope), access.text, burst=1
        )

    def _cookie(self, exchange: Exchange, value: str, max_age: int) -> Header:
        """Return the header of a cookie. Without a path the browser takes the one above the request, behind any proxy."""
        secure = "; Secure" if exchange.scope.get("scheme") == "https" else ""
        text = f"{COOKIE}={value}; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}"
        return b"set-cookie", text.encode()


class _SiteAnswer:
    """The answer to one request.

    Args:
        send: The ASGI callable.
        has_body: Whether the body is sent: not to a HEAD.
    """

    def __init__(self, send: Send, *, has_body: bool) -> None:
        self._send = send
        self._has_body = has_body

    async def text(self, status: int, text: str, headers: Sequence[Header] = ()) -> None:
        """Answer with text."""
        more = [*headers, (b"content-type", b"text/plain; charset=utf-8")]
        await self.send(status, more, text.encode())

    async def json(self, value: Any) -> None:
        """Answer with JSON."""
        await self.send(200, [(b"content-type", JSON)], msgspec.json.encode(value))

    async def file(self, file: StaticFile, *, is_known: bool) -> None:
        """Answer with a file, unless the browser has it already."""
        headers = [(b"content-type", file.content_type), (b"etag", file.tag)]
        if is_known:
            await self.send(304, headers, cache=b"no-cache")
        else:
            await self.send(200, headers, file.body, cache=b"no-cache")

    async def send(
        self,
        status: int,
        headers: Sequence[Header] = (),
        body: bytes = b"",
        *,
        cache: bytes = b"no-store",
    ) -> None:
        """Answer with any headers and body."""
        sent = [
            *headers,
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", cache),
            (b"content-security-policy", POLICY),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
        ]
        if status in (204, 304):
            sent = [one for one in sent if one[0] != b"content-length"]
        await self._send({"type": "http.response.start", "status": status, "headers": sent})
        body = body if self._has_body else b""
        await self._send({"type": "http.response.body", "body": body})


def _peer(scope: MutableMapping[str, Any]) -> str | None:
    client = scope.get("client")
    return None if client is None else client[0]


def _ignore(size: int) -> None:
    """Grow no account: the body is small."""
