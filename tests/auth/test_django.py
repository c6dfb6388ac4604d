"""Django's session, its user and its CSRF token, read for ``info.session``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connections
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.test import Client, override_settings

from bennu import ConnectInfo, Endpoint, Refused, Socket
from bennu.auth.django import DjangoSession, session_id, user_of
from bennu.testing import ConnectRefused, blocking

from ..support.cookies import info
from ..support.django_site import empty_the_database

ENGINES = ["db", "cached_db", "cache", "file", "signed_cookies"]


@pytest.fixture(autouse=True)
def database() -> Iterator[None]:
    """An empty database, in this thread's own connection."""
    empty_the_database()
    yield
    connections.close_all()


@pytest.fixture
def ann() -> Any:
    """A user of Django."""
    users: Any = get_user_model().objects
    return users.create_user("ann", password="correct horse")


def browser_of(user: Any) -> Client:
    """Return a browser that is logged in, as Django's own test client."""
    browser = Client()
    browser.force_login(user)
    return browser


def cookies(browser: Client) -> dict[str, str]:
    return {name: morsel.value for name, morsel in browser.cookies.items()}


def read(sent: dict[str, str]) -> tuple[ConnectInfo, Any]:
    """Read the session that belongs to cookies; return the request and its user."""

    async def load() -> tuple[ConnectInfo, Any]:
        request = info(sent)
        request.session = await DjangoSession()(request)
        return request, await user_of(request)

    return asyncio.run(load())


@pytest.mark.parametrize("engine", ENGINES)
def test_the_session_and_the_user_of_each_engine_are_read(
    engine: str, ann: Any, tmp_path: Any
) -> None:
    with override_settings(
        SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}",
        SESSION_FILE_PATH=str(tmp_path),
    ):
        request, user = read(cookies(browser_of(ann)))
        assert request.session is not None
        assert request.session["_auth_user_id"] == str(ann.pk)
        assert user == ann


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "key",
    ["", "junk", "a" * 32, "a" * 5000, "é" * 8, "a\x00bcdefgh", "../../etc/passwd", "a b c d e"],
)
def test_a_cookie_without_a_session_is_no_session(engine: str, key: str, tmp_path: Any) -> None:
    with override_settings(
        SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}",
        SESSION_FILE_PATH=str(tmp_path),
    ):
        request, user = read({"sessionid": key})
        assert (request.session, user, request.ids) == (None, None, ())


def test_without_a_cookie_there_is_no_session() -> None:
    assert read({})[0].session is None


def test_the_cookie_can_have_another_name(ann: Any) -> None:
    with override_settings(SESSION_COOKIE_NAME="visitor"):
        assert read(cookies(browser_of(ann)))[1] == ann


def test_a_session_that_has_ended_is_no_session(ann: Any) -> None:
    """After a logout, and after its time is over."""
    browser = browser_of(ann)
    sent = cookies(browser)
    browser.logout()
    assert read(sent)[0].session is None
    with override_settings(SESSION_COOKIE_AGE=-1):
        late = cookies(browser_of(ann))
    assert read(late)[0].session is None


def test_a_user_who_may_not_log_in_is_none(ann: Any) -> None:
    """Django's checks decide: the password is the one of the login, the user is active and exists."""
    sent = cookies(browser_of(ann))
    ann.is_active = False
    ann.save()
    assert read(sent)[1] is None
    ann.is_active = True
    ann.save()
    assert read(sent)[1] == ann
    ann.set_password("another horse")
    ann.save()
    request, user = read(sent)
    assert user is None
    assert request.session is not None  # what the site has put there is no proof of a login
    sent = cookies(browser_of(ann))
    ann.delete()
    assert read(sent)[1] is None


def test_reading_changes_no_session(ann: Any) -> None:
    """After a rotation of Django's secret the session keeps its key: the browser would not get another one."""
    sent = cookies(browser_of(ann))
    with override_settings(SECRET_KEY="n" * 50, SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert read(sent)[1] == ann
        assert read(sent)[1] == ann
    ann.set_password("another horse")
    ann.save()
    assert read(sent)[1] is None
    assert read(sent)[0].session is not None


def test_a_session_has_an_id_that_does_not_tell_its_key(ann: Any) -> None:
    browser = browser_of(ann)
    sent = cookies(browser)
    request, _ = read(sent)
    assert request.ids == (session_id(browser.session),)
    assert request.ids == (session_id(sent["sessionid"]),)
    assert sent["sessionid"] not in request.ids[0]


# Django's own token.


def page_of(sent: dict[str, str], session: Any = None) -> tuple[str, dict[str, str]]:
    """Return the token that a page of a visitor has, and the visitor's cookies."""
    request: Any = HttpRequest()
    request.COOKIES = sent
    request.session = session
    token = get_token(request)
    return token, {**sent, "csrftoken": request.META["CSRF_COOKIE"]}


def test_djangos_own_token_is_valid_for_the_visitor_of_the_page() -> None:
    """Each page has another form of it. The token of another visitor is not valid, nor anything else."""
    token, sent = page_of({})
    other, _ = page_of({})
    reader = DjangoSession()
    assert reader.is_csrf_valid(info(sent), {}, token)
    again: Any = HttpRequest()
    again.META["CSRF_COOKIE"] = sent["csrftoken"]
    assert get_token(again) != token
    assert reader.is_csrf_valid(info(sent), {}, get_token(again))
    for wrong in (other, "", "junk", token[:-1], token.swapcase(), None, 7, ["x"], {"a": token}):
        assert not reader.is_csrf_valid(info(sent), {}, wrong), wrong
    assert not reader.is_csrf_valid(info({}), {}, token)
    assert not reader.is_csrf_valid(info({"csrftoken": "junk"}), {}, token)


def test_the_secret_of_the_token_can_be_in_the_session() -> None:
    with override_settings(CSRF_USE_SESSIONS=True):
        session: dict[str, Any] = {}
        request: Any = HttpRequest()
        request.session = session
        token = get_token(request)
        session["_csrftoken"] = request.META["CSRF_COOKIE"]
        assert DjangoSession().is_csrf_valid(info(), session, token)
        assert not DjangoSession().is_csrf_valid(info(), {}, token)


def test_a_refused_token_leaves_no_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    assert not DjangoSession().is_csrf_valid(info({}), {}, "junk")
    assert caplog.records == []


# On a socket.


@pytest.mark.parametrize("transport", ["websocket", "longpoll"])
def test_a_socket_admits_the_user_of_a_page(ann: Any, transport: Any) -> None:
    """Without the token of the page nobody is logged in. A check of the origin alone can be chosen."""
    token, sent = page_of(cookies(browser_of(ann)))
    header = {"cookie": "; ".join(f"{name}={value}" for name, value in sent.items())}
    admitted: list[str] = []

    async def only_users(info: ConnectInfo) -> None:
        user = await user_of(info)
        if user is None:
            raise Refused("not logged in")
        admitted.append(user.get_username())

    def socket(**options: Any) -> Socket[None]:
        return Socket(
            connect=only_users, channels={}, session=DjangoSession(), longpoll=True, **options
        )

    endpoint = Endpoint(sockets={"/strict": socket(), "/lax": socket(check_csrf=False)})

    def connect(path: str, params: dict[str, str]) -> None:
        with blocking.connect(endpoint, path, params, headers=header, transport=transport):
            pass

    with blocking.running(endpoint):
        connect("/strict", {"_csrf_token": token})
        connect("/lax", {})
        assert admitted == ["ann", "ann"]
        for params in ({}, {"_csrf_token": token[:-1]}):
            with pytest.raises(ConnectRefused, match="not logged in"):
                connect("/strict", params)


def test_without_django_the_import_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bennu.auth.django")
    monkeypatch.setitem(sys.modules, "django.conf", None)
    with pytest.raises(ImportError, match=r"pip install 'bennu\[django\]'"):
        import_module("bennu.auth.django")
