"""The visitor's session, from the cookie of Starlette or from a middleware."""

from __future__ import annotations

import base64
import json
import sys
import time
from typing import Any

import pytest
from itsdangerous import TimestampSigner
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.routing import Mount

from bennu import ConnectInfo, Endpoint, Socket, csrf
from bennu.auth.session import ScopeSession, StarletteSession
from bennu.server.request import Denied

from ..support.cookies import info
from ..support.inside import decide

SECRET = "abcdefgh" * 8
OLD_SECRET = "hgfedcba" * 8


# Starlette's cookie.


def starlette_cookie(session: Any, secret: str = SECRET) -> str:
    data = base64.b64encode(json.dumps(session).encode())
    return TimestampSigner(secret).sign(data).decode()


def test_a_session_of_starlette_is_read() -> None:
    """The cookie's name and age can be set, and several secrets too."""
    session = {"user": "Ärger", "n": [1, None]}
    assert StarletteSession(SECRET)(info({"session": starlette_cookie(session)})) == session
    reader = StarletteSession([SECRET, OLD_SECRET], cookie="mine", max_age=None)
    assert reader(info({"mine": starlette_cookie(session, OLD_SECRET)})) == session


@pytest.mark.parametrize(
    "cookie",
    [
        "junk",
        "ä.b.c",
        starlette_cookie({"a": 1}, OLD_SECRET),
        starlette_cookie([1]),
        TimestampSigner(SECRET).sign(b"!").decode(),
        TimestampSigner(SECRET).sign(base64.b64encode(b"\xff{")).decode(),
    ],
    ids=["junk", "no ASCII", "another secret", "a list", "no base64", "no JSON"],
)
def test_a_cookie_that_is_not_starlettes_is_no_session(cookie: str) -> None:
    """A cookie that is too old, or a missing cookie, is no session either."""
    reader = StarletteSession(SECRET)
    assert reader(info({"session": cookie})) is None
    assert StarletteSession(SECRET, max_age=-1)(info({"session": starlette_cookie({})})) is None
    assert reader(info()) is None


@pytest.mark.parametrize(("age", "is_read"), [(0, True), (60, True), (61, False), (-1, False)])
def test_a_session_of_starlette_has_an_age(
    age: int, is_read: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session of the future is no session."""
    cookie, made = starlette_cookie({"a": 1}), int(time.time())
    monkeypatch.setattr(time, "time", lambda: made + age)
    found = StarletteSession(SECRET, max_age=60)(info({"session": cookie}))
    assert found == ({"a": 1} if is_read else None)


@pytest.mark.parametrize("position", [0, 5, -30, -20, -10, -3])
def test_a_changed_session_of_starlette_is_none(position: int) -> None:
    """This holds for each part of it."""
    cookie = starlette_cookie({"user": 7})
    other = "A" if cookie[position] != "A" else "B"
    changed = cookie[:position] + other + cookie[position:][1:]
    assert StarletteSession(SECRET)(info({"session": changed})) is None


def test_without_its_package_the_reader_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error comes at start-up, when the socket is made."""
    monkeypatch.setitem(sys.modules, "itsdangerous", None)
    with pytest.raises(ImportError, match=r"pip install 'bennu\[starlette\]'"):
        StarletteSession(SECRET)


# What a middleware has put into the scope.


def test_without_a_reader_nothing_is_read() -> None:
    assert info({"session": starlette_cookie({"a": 1})}).session is None
    assert info(session={"a": 1}).scope_session is None


@pytest.mark.parametrize("kept", [{"user_id": 7}, {}, None])
async def test_a_session_may_come_from_a_middleware(kept: dict[str, Any] | None) -> None:
    """An empty session is none."""
    app: list[Any] = []
    token = "" if kept is None else csrf.token_for(dict(kept))

    async def connect(params: dict[str, Any], info: ConnectInfo) -> None:
        app.append(info.session)

    options: dict[str, Any] = {"session": ScopeSession(), "check_csrf": False}
    socket: Socket[None] = Socket(connect=connect, channels={}, **options)
    made = Endpoint(sockets={"/socket": socket})
    await made.start()
    query = f"vsn=2.0.0&_csrf_token={token}".encode()
    scope: dict[str, Any] = {} if kept is None else {"session": kept}
    assert not isinstance(await decide(made, query=query, **scope), Denied)
    assert app == [kept or None]
    await made.stop()


async def test_starlettes_own_middleware_and_ours_see_the_same_session() -> None:
    """One endpoint is behind the middleware, the other reads the cookie."""
    session: dict[str, Any] = {"user": "ann"}
    token = csrf.token_for(session)
    seen: list[Any] = []

    async def connect(params: dict[str, Any], info: ConnectInfo) -> None:
        seen.append(info.session)

    for reader in (ScopeSession(), StarletteSession(SECRET)):
        socket: Socket[None] = Socket(connect=connect, channels={}, session=reader)
        made = Endpoint(sockets={"/socket": socket})
        app = Starlette(
            routes=[Mount("/rt", made)],
            middleware=[Middleware(SessionMiddleware, secret_key=SECRET)],
        )
        await made.start()
        scope = {
            "type": "http",
            "method": "GET",
            "http_version": "1.1",
            "path": "/rt/socket/websocket",
            "query_string": f"vsn=2.0.0&_csrf_token={token}".encode(),
            "headers": [(b"cookie", f"session={starlette_cookie(session)}".encode())],
        }
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request"}

        async def send(event: Any, sent: list[Any] = sent) -> None:
            sent.append(event)

        await app(scope, receive, send)
        assert sent[0]["status"] == 400  # it was accepted, and is no WebSocket
        await made.stop()
    assert seen == [session, session]
