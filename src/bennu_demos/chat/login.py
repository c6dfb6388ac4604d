"""Who may connect: the routes by which a page logs in, and the tokens of its socket."""

from __future__ import annotations

import re
import time
from collections import deque
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bennu import ConnectInfo, Endpoint, Refused
from bennu.phoenix import token

from .accounts import LOGIN_LASTS, Person
from .chat import Chat, User
from .wire import Credentials, DeviceKind, Me

__all__ = ["TOKEN_LASTS", "Logins", "enter", "renew"]

COOKIE: Final = "bennu_chat"
SALT: Final = "chat socket"
PHONE: Final = re.compile("Mobi|Android|iPhone|iPad")

TOKEN_LASTS: Final = 300
"""Seconds for which the token of a socket is valid. The page fetches the next one by its cookie."""

TRIES: Final = 20
"""Passwords that an address can try in a minute."""

ADDRESSES: Final = 10_000
"""Addresses whose tries are counted. When there are more, the oldest one is forgotten."""


class Logins:
    """The routes: ``api/signup``, ``api/login``, ``api/logout`` and ``api/token``.

    A cookie that no script can read keeps a device logged in. SameSite=Lax and the type of the body keep out the forms
    of other sites: a page of another site can't send JSON without asking, and is refused.

    Args:
        endpoint: The endpoint of the chat.
        token_lasts: Seconds for which a token is valid.
    """

    def __init__(self, endpoint: Endpoint, token_lasts: int = TOKEN_LASTS) -> None:
        self._endpoint = endpoint
        self._token_lasts = token_lasts
        self._tries: dict[str, deque[float]] = {}

    def routes(self) -> list[Route]:
        """Return the routes for the page's application."""
        calls = {
            "signup": self.sign_up,
            "login": self.log_in,
            "logout": self.log_out,
            "token": self.token,
        }
        return [Route(f"/api/{name}", call, methods=["POST"]) for name, call in calls.items()]

    @property
    def _chat(self) -> Chat:
        chat: Chat = self._endpoint.state
        return chat

    async def sign_up(self, request: Request) -> Response:
        """Make an account, and log in."""
        return await self._with_credentials(request, is_new=True)

    async def log_in(self, request: Request) -> Response:
        """Log in."""
        return await self._with_credentials(request, is_new=False)

    async def _with_credentials(self, request: Request, *, is_new: bool) -> Response:
        accounts = self._chat.accounts
        try:
            given = msgspec.json.decode(await _json(request), type=Credentials)
            self._count(request)
            act = accounts.sign_up if is_new else accounts.log_in
            person, cookie = await act(given.name, given.password)
        except msgspec.ValidationError:
            return _error(400, {"reason": "bad_password"})
        except msgspec.DecodeError:
            return _error(400, {"reason": "bad_request"})
        except Refused as refused:
            return _error(403, refused.payload)
        response = self._me(person)
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=LOGIN_LASTS // 1000,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return response

    async def log_out(self, request: Request) -> Response:
        """Log this device out: its cookie is worth nothing, and its socket is closed."""
        try:
            await _json(request)
        except Refused as refused:
            return _error(403, refused.payload)
        login_id = await self._chat.accounts.log_out(request.cookies.get(COOKIE, ""))
        if login_id is not None:
            await self._endpoint.disconnect(f"logins:{login_id}")
        response = Response(b"{}", media_type="application/json")
        response.delete_cookie(COOKIE)
        return response

    async def token(self, request: Request) -> Response:
        """Return who is logged in, with a new token for the socket."""
        try:
            await _json(request)
        except Refused as refused:
            return _error(403, refused.payload)
        person = await self._chat.accounts.who(request.cookies.get(COOKIE, ""))
        # Not 401: to a browser that is an error, and this answer is what each first visit gets.
        return _answer(None) if person is None else self._me(person)

    def _me(self, person: Person) -> Response:
        signed = token.sign(
            self._chat.secret,
            SALT,
            [person.id, person.login_id, int(time.time()) + self._token_lasts],
            max_age=self._token_lasts,
        )
        me = Me(person.id, person.name, person.is_moderator, signed, self._token_lasts)
        return _answer(me)

    def _count(self, request: Request) -> None:
        """Count a try of an address, so that nobody can try many passwords."""
        address = "" if request.client is None else request.client.host
        now = time.monotonic()
        tries = self._tries.pop(address, deque())
        self._tries[address] = tries  # the newest address is the last one
        if len(self._tries) > ADDRESSES:
            del self._tries[next(iter(self._tries))]
        while tries and tries[0] < now - 60:
            tries.popleft()
        if len(tries) >= TRIES:
            raise Refused("rate_limited", retry_after_ms=int((tries[0] + 60 - now) * 1000) + 1)
        tries.append(now)


async def _json(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise Refused("not_json")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > 10_000:
            raise Refused("too_long")
    return body


def _answer(body: object, status: int = 200) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(msgspec.json.encode(body), status, headers, "application/json")


def _error(status: int, body: object) -> Response:
    return _answer(body, status)


async def enter(info: ConnectInfo) -> User:
    """Accept a client with a token of a login that has not ended."""
    return await _user(info.auth_token, info)


async def renew(given: str, info: ConnectInfo) -> User:
    """Take the next token on an open connection. Bennu refuses the token of another person."""
    return await _user(given, info)


async def _user(given: str | None, info: ConnectInfo) -> User:
    chat: Chat = info.state
    _, login_id, expires_at = token.verify(chat.secret, SALT, given)
    person = await chat.accounts.logged_in(login_id)
    if person is None:
        raise Refused("logged_out")
    info.expire_at(expires_at)
    info.add_id(f"logins:{login_id}")
    device: DeviceKind = "phone" if PHONE.search(info.user_agent or "") else "computer"
    return User(person.id, person.name, person.is_moderator, login_id, device)
