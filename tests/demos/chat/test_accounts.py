"""Who may come into the chat: accounts, logins, and the tokens of sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from bennu import Endpoint
from bennu.phoenix import token
from bennu.testing import ConnectRefused, connect, running
from bennu_demos.chat.app import page_for
from bennu_demos.chat.login import SALT, TRIES
from bennu_demos.chat.wire import MAX_NAME

from .guests import LOBBY, PASSWORD, account, say, visit

JSON = {"content-type": "application/json"}


@pytest.fixture
async def browser_of(endpoint: Endpoint) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at the page: it keeps its cookies."""
    transport = httpx.ASGITransport(endpoint.wrap(page_for(endpoint)))
    async with (
        running(endpoint),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as http,
    ):
        yield http


async def ask(http: httpx.AsyncClient, call: str, **body: Any) -> Any:
    """Post to a route, and return the answer."""
    return (await http.post(f"/api/{call}", json=body)).json()


async def test_first_visit_makes_an_account_and_comes_in(
    endpoint: Endpoint, browser_of: httpx.AsyncClient
) -> None:
    """A name and a password are enough. The cookie keeps the browser logged in, and no script can read it."""
    assert await ask(browser_of, "token") is None
    answer = await browser_of.post("/api/signup", json={"name": " Ann  Lee", "password": PASSWORD})
    me = answer.json()
    assert (me["name"], me["is_moderator"]) == ("Ann Lee", True)
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert PASSWORD not in cookie
    again = await ask(browser_of, "token")
    assert again["id"] == me["id"]
    async with connect(endpoint, "/socket", auth_token=again["token"]) as ann:
        assert (await say(await ann.join(LOBBY), "Hello"))["author"] == "Ann Lee"


async def test_names_are_apart(browser_of: httpx.AsyncClient) -> None:
    """Two people can't have names that differ only in case or in space. Only the first account is a moderator's."""
    await ask(browser_of, "signup", name="Ann Lee", password=PASSWORD)
    taken = await ask(browser_of, "signup", name="ann  LEE", password="another one")
    assert taken == {"reason": "name_taken"}
    bo = await ask(browser_of, "signup", name="Bo", password=PASSWORD)
    assert bo["is_moderator"] is False


@pytest.mark.parametrize("name", ["x" * MAX_NAME, "Çiğdem", "李", "7"])
async def test_name_may_be_in_any_script(browser_of: httpx.AsyncClient, name: str) -> None:
    """A name can have letters and digits of any script."""
    assert (await ask(browser_of, "signup", name=name, password=PASSWORD))["name"] == name


@pytest.mark.parametrize("name", ["", "   ", "x" * (MAX_NAME + 1), "\u202e\u200b", "…"])
async def test_name_that_is_none_is_refused(browser_of: httpx.AsyncClient, name: str) -> None:
    """A name that is too long or unreadable is refused."""
    refused = await ask(browser_of, "signup", name=name, password=PASSWORD)
    assert refused == {"reason": "bad_name"}


async def test_wrong_password_and_unknown_name_look_alike(browser_of: httpx.AsyncClient) -> None:
    """Nobody learns from the answer who has an account."""
    await ask(browser_of, "signup", name="Ann", password=PASSWORD)
    for name, password in (("Ann", "wrong horse"), ("Bo", PASSWORD)):
        refused = await ask(browser_of, "login", name=name, password=password)
        assert refused == {"reason": "wrong_login"}
    assert (await ask(browser_of, "login", name="ANN", password=PASSWORD))["name"] == "Ann"


async def test_bad_bodies_are_refused(browser_of: httpx.AsyncClient) -> None:
    """A short password, no JSON, and the form of another site."""
    short = await ask(browser_of, "signup", name="Ann", password="short")
    assert short == {"reason": "bad_password"}
    form = await browser_of.post("/api/signup", data={"name": "Ann", "password": PASSWORD})
    assert form.json() == {"reason": "not_json"}
    for body, reason in ((b"{", "bad_request"), (b" " * 20_000, "too_long")):
        answer = await browser_of.post("/api/login", content=body, headers=JSON)
        assert answer.json() == {"reason": reason}


async def test_passwords_can_not_be_tried_without_end(browser_of: httpx.AsyncClient) -> None:
    """An address that tries too many is told when to go on."""
    for _ in range(TRIES):
        await ask(browser_of, "login", name="Ann", password="wrong horse")
    refused = await ask(browser_of, "login", name="Ann", password=PASSWORD)
    assert refused["reason"] == "rate_limited"
    assert 0 < refused["retry_after_ms"] <= 60_001


async def test_logout_ends_this_device_only(
    endpoint: Endpoint, browser_of: httpx.AsyncClient
) -> None:
    """The cookie is worth nothing afterwards, the socket is closed, and its token is refused. Other devices go on."""
    me = await ask(browser_of, "signup", name="Ann", password=PASSWORD)
    async with (
        connect(endpoint, "/socket", auth_token=me["token"]) as computer,
        visit(endpoint, "Ann") as phone,
    ):
        await computer.join(LOBBY)
        theirs = await phone.join(LOBBY)
        await ask(browser_of, "logout")
        await computer.assert_closed()
        await say(theirs, "Still here")
        assert await ask(browser_of, "token") is None
        with pytest.raises(ConnectRefused, match="logged_out"):
            async with connect(endpoint, "/socket", auth_token=me["token"]):
                pass


@pytest.mark.parametrize(
    ("signed", "reason"), [(None, "token_missing"), ("nonsense", "token_invalid")]
)
async def test_socket_needs_a_token(endpoint: Endpoint, signed: str | None, reason: str) -> None:
    """Without a good token nobody comes in."""
    with pytest.raises(ConnectRefused, match=reason):
        async with connect(endpoint, "/socket", auth_token=signed):
            pass


async def test_old_token_is_refused(endpoint: Endpoint) -> None:
    """A token is good for some minutes."""
    async with running(endpoint):
        ann = await account(endpoint, "Ann")
        data = [ann.id, ann.login_id, 0]
        old = token.sign(endpoint.state.secret, SALT, data, max_age=60, signed_at=1_700_000_000)
        with pytest.raises(ConnectRefused, match="token_expired"):
            async with connect(endpoint, "/socket", auth_token=old):
                pass
