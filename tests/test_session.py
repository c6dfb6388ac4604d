"""``info.session``: the visitor's session, which needs a CSRF token of the application's own pages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from bennu import ConnectInfo, DefinitionError, Endpoint, Socket, csrf
from bennu.phoenix import PlugSession, etf, signed
from tests.support.memory import HandshakeRefused, endpoint_of, serve

SECRET = "abcdefgh" * 8
PLUG = PlugSession(SECRET, key="_app_key", signing_salt="signing")


def plug_cookie(session: Any) -> str:
    """Return a cookie as Plug.Session writes it: a signed term."""
    key = signed.derive_key(SECRET.encode(), b"signing")
    return signed.sign(etf.encode(session), key)


def endpoint(**options: Any) -> tuple[Endpoint, list[ConnectInfo]]:
    """Return an endpoint, and the list of its clients' infos."""
    seen: list[ConnectInfo] = []

    async def connect(params: dict[str, Any], info: ConnectInfo) -> None:
        seen.append(info)

    return endpoint_of({}, connect=connect, id=None, session=PLUG, **options), seen


async def session_of(
    session: Any, token: str | None, *, cookie: str | None = None, **options: Any
) -> Mapping[str, Any] | None:
    """Connect with a session's cookie and a token; return the session that connect gets."""
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
    """Without the cookie the session is None. The connect is not refused: the application decides that."""
    assert await session_of({}, csrf.token_for({}), cookie=cookie) is None


TOKENS = [None, "", "junk", csrf.token_for({})]


@pytest.mark.conformance("WS018", "OR031")
@pytest.mark.parametrize("token", TOKENS, ids=["none", "empty", "junk", "another"])
async def test_without_a_valid_token_there_is_no_session(token: str | None) -> None:
    """Without a valid token the session is None, because another site could have opened the connection."""
    session: dict[str, Any] = {"user_id": 7}
    csrf.token_for(session)
    assert await session_of(session, token) is None


@pytest.mark.conformance("OR030")
async def test_a_socket_may_do_without_the_token() -> None:
    """With ``check_csrf=False`` no token is needed. The origin is still checked."""
    assert await session_of({"user_id": 7}, None, check_csrf=False) == {"user_id": 7}


@pytest.mark.conformance("OR029")
async def test_the_token_may_have_another_key_in_the_session() -> None:
    """The token can have another key in the session. Without this key there is no session."""
    session: dict[str, Any] = {"user_id": 7}
    token = csrf.token_for(session, "_my_token")
    assert await session_of(session, token, csrf_token_key="_my_token") == session
    assert await session_of(session, token, csrf_token_key="_another") is None
    assert await session_of(session, token) is None


@pytest.mark.conformance("OR028")
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_session_may_come_from_a_function(is_async: bool) -> None:
    """A function can return the session. It gets the info, and the token is checked too."""
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
    """A function that raises is logged as an error of the server, as a connect that raises."""

    def broken(info: ConnectInfo) -> None:
        raise RuntimeError("the sessions are gone")

    async with serve(endpoint_of({}, session=broken)) as server:
        with pytest.raises(HandshakeRefused) as refused:
            await server.connect()
        assert refused.value.status == 500
        server.logged("connect of /socket crashed")


# Mistakes that are found at start-up.


OPEN: dict[str, Any] = {"session": PLUG, "check_csrf": False}


def socket(**options: Any) -> Socket[None]:
    return Socket(connect=lambda: None, channels={}, **options)


@pytest.mark.conformance("WS056")
def test_a_session_that_any_site_could_use_is_refused() -> None:
    """A session with neither a check of the origin nor of the token is refused."""
    with pytest.raises(DefinitionError, match="any site can use a visitor's session"):
        Endpoint(sockets={"/socket": socket(**OPEN, check_origin=False)})


@pytest.mark.conformance("WS057")
def test_it_is_refused_if_the_endpoint_is_open_as_well() -> None:
    """It is also refused if the endpoint checks no origin. A socket with its own check is accepted."""
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
    """One of the two checks is enough. Without a session none is needed."""
    Endpoint(sockets={"/socket": socket(**options)})


@pytest.mark.parametrize("wrong", ["_app_key", {}, lambda: None])
def test_a_reader_is_a_function_of_the_info(wrong: Any) -> None:
    with pytest.raises(DefinitionError, match="a function of the info"):
        socket(session=wrong)
