"""The visitor's session: from a cookie, from a middleware, or from a function; and only with a token."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from itsdangerous import TimestampSigner
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.routing import Mount

from bennu import ConnectInfo, DefinitionError, Endpoint, Socket
from bennu.auth.session import PlugSession, ScopeSession, StarletteSession
from bennu.phoenix import csrf, encrypted, etf, signed
from bennu.server.handshake import Denied, shake_hands
from tests.support.memory import HandshakeRefused, endpoint_of, serve

SECRET = "abcdefgh" * 8
OLD_SECRET = "hgfedcba" * 8


def key_for(salt: str, secret: str = SECRET) -> bytes:
    return signed.derive_key(secret.encode(), salt.encode())


def plug_cookie(session: Any, *, secret: str = SECRET) -> str:
    """What Plug.Session writes: a signed term."""
    return signed.sign(etf.encode(session), key_for("signing", secret))


def encrypted_plug_cookie(session: Any, *, secret: str = SECRET) -> str:
    """What Plug.Session writes with an encryption_salt."""
    return encrypted.encrypt(etf.encode(session), key_for("encryption", secret), b"n" * 24)


def info(cookies: Mapping[str, str] | None = None, **scope: Any) -> ConnectInfo:
    header = "; ".join(f"{name}={quote(value)}" for name, value in (cookies or {}).items())
    whole = {"path": "/", "headers": [(b"cookie", header.encode())], **scope}
    return ConnectInfo(whole, transport="websocket")


# Phoenix's cookie.


PLUG = PlugSession(SECRET, key="_app_key", signing_salt="signing")
SEALED = PlugSession(SECRET, key="_app_key", signing_salt="signing", encryption_salt="encryption")


def test_a_session_of_phoenix_is_read() -> None:
    """Erlang's binaries are text; nil and lists are what they should be."""
    session = {"user_id": 7, "live_socket_id": "users_sessions:x", "flash": {}, "none": None}
    assert PLUG(info({"_app_key": plug_cookie(session)})) == session
    assert SEALED(info({"_app_key": encrypted_plug_cookie(session)})) == session


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "junk",
        plug_cookie({"a": 1})[:-1],
        plug_cookie({"a": 1}, secret=OLD_SECRET),
        encrypted_plug_cookie({"a": 1}),
        plug_cookie([1, 2]),
        signed.sign(b"no term", key_for("signing")),
    ],
    ids=["empty", "junk", "cut", "another secret", "another kind", "a list", "no term"],
)
def test_a_cookie_that_is_not_phoenixs_is_no_session(cookie: str) -> None:
    """Nor is none at all."""
    assert PLUG(info({"_app_key": cookie})) is None
    assert SEALED(info({"_app_key": "junk" + cookie})) is None
    assert PLUG(info()) is None


def test_the_secret_of_phoenix_may_be_rotated() -> None:
    """All are tried."""
    both: dict[str, Any] = {"key": "k", "signing_salt": "signing"}
    for secret in (SECRET, OLD_SECRET):
        reader = PlugSession([SECRET, OLD_SECRET], **both)
        assert reader(info({"k": plug_cookie({"a": 1}, secret=secret)})) == {"a": 1}
        sealed = PlugSession([SECRET, OLD_SECRET], **both, encryption_salt="encryption")
        assert sealed(info({"k": encrypted_plug_cookie({"a": 1}, secret=secret)})) == {"a": 1}


def test_an_old_encrypted_session_is_read_with_its_signing_key() -> None:
    """Plug.Crypto before 2.0 wrapped the key with both."""
    key, sign_key = key_for("encryption"), key_for("signing")
    content_key, iv = b"c" * 16, b"i" * 12
    wrapped = AESGCM(key).encrypt(iv, content_key, sign_key) + iv
    sealed = AESGCM(content_key).encrypt(iv, etf.encode({"a": 1}), b"A128GCM")
    parts = [b"A128GCM", wrapped, iv, sealed[:-16], sealed[-16:]]
    cookie = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts).decode()
    assert SEALED(info({"_app_key": cookie})) == {"a": 1}


# Starlette's cookie.


def starlette_cookie(session: Any, secret: str = SECRET) -> str:
    data = base64.b64encode(json.dumps(session).encode())
    return TimestampSigner(secret).sign(data).decode()


def test_a_session_of_starlette_is_read() -> None:
    """With the cookie's own name and age, and with several secrets."""
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
    """Nor is one that is too old, or none at all."""
    reader = StarletteSession(SECRET)
    assert reader(info({"session": cookie})) is None
    assert StarletteSession(SECRET, max_age=-1)(info({"session": starlette_cookie({})})) is None
    assert reader(info()) is None


# The socket's session: with a token that only our pages know.


def endpoint(**options: Any) -> tuple[Endpoint, list[ConnectInfo]]:
    """An endpoint, and the infos of those who connect."""
    seen: list[ConnectInfo] = []

    async def connect(params: dict[str, Any], info: ConnectInfo) -> None:
        seen.append(info)

    return endpoint_of({}, connect=connect, id=None, session=PLUG, **options), seen


async def session_of(
    session: Any, token: str | None, *, cookie: str | None = None, **options: Any
) -> Mapping[str, Any] | None:
    """Connect with the cookie of a session and a token; return the session that connect sees."""
    made, seen = endpoint(**options)
    headers = [("cookie", f"_app_key={plug_cookie(session) if cookie is None else cookie}")]
    params = {} if token is None else {"_csrf_token": token}
    async with serve(made) as server:
        for over in ("native", "asgi"):
            client = await server.connect(over=over, params=params, headers=headers)
            client.close()
    first, second = seen
    assert first.session == second.session
    return first.session


@pytest.mark.conformance("WS016")
async def test_a_session_needs_its_cookie_and_a_token() -> None:
    session: dict[str, Any] = {"user_id": 7}
    token = csrf.token_for(session)
    assert await session_of(session, token) == session


@pytest.mark.conformance("WS017")
@pytest.mark.parametrize("cookie", ["", "junk"])
async def test_without_its_cookie_there_is_no_session(cookie: str) -> None:
    """The connect itself is not refused: that is for the application to say."""
    assert await session_of({}, csrf.token_for({}), cookie=cookie) is None


TOKENS = [None, "", "junk", csrf.token_for({})]


@pytest.mark.conformance("WS018", "OR031")
@pytest.mark.parametrize("token", TOKENS, ids=["none", "empty", "junk", "another"])
async def test_without_a_valid_token_there_is_no_session(token: str | None) -> None:
    """Whoever the cookie belongs to, another site may have sent it."""
    session: dict[str, Any] = {"user_id": 7}
    csrf.token_for(session)
    assert await session_of(session, token) is None


@pytest.mark.conformance("OR030")
async def test_a_socket_may_do_without_the_token() -> None:
    """The origin still says which pages may connect."""
    assert await session_of({"user_id": 7}, None, check_csrf=False) == {"user_id": 7}


@pytest.mark.conformance("OR029")
async def test_the_token_may_have_another_key_in_the_session() -> None:
    """Where it is not, there is no session."""
    session: dict[str, Any] = {"user_id": 7}
    token = csrf.token_for(session, "_my_token")
    assert await session_of(session, token, csrf_token_key="_my_token") == session
    assert await session_of(session, token, csrf_token_key="_another") is None
    assert await session_of(session, token) is None


@pytest.mark.conformance("OR028")
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_session_may_come_from_a_function(is_async: bool) -> None:
    """It gets the info, and the token is checked all the same."""
    kept: dict[str, Any] = {"user_id": 7}
    token = csrf.token_for(kept)

    def load(info: ConnectInfo) -> Mapping[str, Any] | None:
        return kept if info.cookies.get("id") == "1" else None

    async def load_later(info: ConnectInfo) -> Mapping[str, Any] | None:
        await asyncio.sleep(0)
        return load(info)

    seen: list[Any] = []
    made = endpoint_of(
        {},
        connect=lambda params, info: seen.append(info.session),
        id=None,
        session=load_later if is_async else load,
    )
    async with serve(made) as server:
        for cookie, params in [("1", {"_csrf_token": token}), ("1", {}), ("2", {})]:
            client = await server.connect(params=params, headers=[("cookie", f"id={cookie}")])
            client.close()
    assert seen == [kept, None, None]


async def test_a_function_that_fails_is_an_error_of_ours() -> None:
    """As a connect that crashes."""

    def broken(info: ConnectInfo) -> None:
        raise RuntimeError("the sessions are gone")

    async with serve(endpoint_of({}, session=broken)) as server:
        with pytest.raises(HandshakeRefused) as refused:
            await server.connect()
        assert refused.value.status == 500
        server.logged("connect of /socket crashed")


def test_without_a_reader_nothing_is_read() -> None:
    assert info({"_app_key": plug_cookie({"a": 1})}).session is None
    assert info(session={"a": 1}).scope_session is None


# What a middleware has put there.


@pytest.mark.parametrize("kept", [{"user_id": 7}, {}, None])
async def test_a_session_may_come_from_a_middleware(kept: dict[str, Any] | None) -> None:
    """An empty one is none."""
    app: list[Any] = []
    token = "" if kept is None else csrf.token_for(dict(kept))

    async def connect(params: dict[str, Any], info: ConnectInfo) -> None:
        app.append(info.session)

    options: dict[str, Any] = {"session": ScopeSession(), "check_csrf": False}
    socket: Socket[None] = Socket(connect=connect, channels={}, **options)
    made = Endpoint(sockets={"/socket": socket})
    await made.start()
    scope = {
        "type": "websocket",
        "path": "/socket/websocket",
        "query_string": f"vsn=2.0.0&_csrf_token={token}".encode(),
        "headers": [],
        **({} if kept is None else {"session": kept}),
    }
    target = made._routes.find(scope)
    assert target is not None
    assert not isinstance(await shake_hands(made._server, target, scope, "websocket"), Denied)
    assert app == [kept or None]
    await made.stop()


async def test_starlettes_own_middleware_and_ours_see_the_same_session() -> None:
    """Behind it, and where it is not, by the cookie that it has written."""
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


# Mistakes that are found at start-up.


OPEN: dict[str, Any] = {"session": PLUG, "check_csrf": False}


def socket(**options: Any) -> Socket[None]:
    return Socket(connect=lambda: None, channels={}, **options)


@pytest.mark.conformance("WS056")
def test_a_session_that_any_site_could_use_is_refused() -> None:
    """Neither the origin nor a token would keep it out."""
    with pytest.raises(DefinitionError, match="any site can use a visitor's session"):
        Endpoint(sockets={"/socket": socket(**OPEN, check_origin=False)})


@pytest.mark.conformance("WS057")
def test_it_is_refused_if_the_endpoint_is_open_as_well() -> None:
    """A socket with a policy of its own may still be right."""
    with pytest.raises(DefinitionError, match="any site can use a visitor's session"):
        Endpoint(sockets={"/socket": socket(**OPEN)}, check_origin=False)
    Endpoint(sockets={"/socket": socket(**OPEN, check_origin="host")}, check_origin=False)


@pytest.mark.parametrize(
    "options",
    [
        {"session": PLUG, "check_origin": False},
        {"check_csrf": False, "check_origin": False},
        OPEN,
    ],
    ids=["token", "no session", "origin"],
)
def test_one_of_the_two_checks_will_do(options: Any) -> None:
    """And without a session there is nothing to guard."""
    Endpoint(sockets={"/socket": socket(**options)})


@pytest.mark.parametrize("wrong", ["_app_key", {}, lambda: None])
def test_a_reader_is_a_function_of_the_info(wrong: Any) -> None:
    with pytest.raises(DefinitionError, match="a function of the info"):
        socket(session=wrong)
