"""The session of Django, and its user: for ``Socket(session=...)``. ``pip install 'bennu[django]'``.

    async def connect_visitor(info):
        user = await user_of(info)
        if user is None:
            raise Refused("not logged in")
        return User(user.pk, user.get_username())

    socket = Socket(connect=connect_visitor, session=DjangoSession(), id=lambda user: f"users:{user.id}", ...)

The names of cookies, the engine of sessions and the other settings are those of the Django project. So the project is
set up (``django.setup()`` or ``get_asgi_application()``) before the first client connects.

The client sends Django's own CSRF token as ``_csrf_token``: ``{{ csrf_token }}`` of a template, or ``get_token(request)``.

Theory of operation. Sessions and users are read in a thread, because most engines of Django block. Around each read, stale
connections to the database are closed, as Django does around each request. What Bennu reads is never written back: Django
would give a session a new key after a rotation of secrets, and a WebSocket can't tell the browser the new key.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# Django has no types.

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from ..connect_info import ConnectInfo

try:
    from django.conf import settings as django_settings
    from django.contrib.auth import get_user
    from django.contrib.sessions.backends.base import SessionBase
    from django.db import close_old_connections
    from django.http import HttpRequest
    from django.middleware.csrf import CsrfViewMiddleware
except ImportError as error:
    raise ImportError("DjangoSession needs Django: pip install 'bennu[django]'") from error

__all__ = ["DjangoSession", "session_id", "user_of"]

settings: Any = django_settings


class DjangoSession:
    """Reads the session that Django's ``SessionMiddleware`` keeps, with any engine.

    ``info.session`` is a dict with what the site has put into the session. :func:`user_of` returns the user. The
    connection gets the id :func:`session_id` of its session, so that a logout can end it.

    Example:
        >>> session = DjangoSession()
    """

    async def __call__(self, info: ConnectInfo) -> Mapping[str, Any] | None:
        """Return the session of a request, or None."""
        key = info.cookies.get(settings.SESSION_COOKIE_NAME, "")
        # Django's keys are letters and digits. Other characters could be an error of the database, and not an unknown key.
        if not key or not key.isascii() or not key.isprintable():
            return None
        session: dict[str, Any] = await _in_thread(_load, key)
        if not session:
            return None
        info.add_id(session_id(key))
        return session

    def is_csrf_valid(self, info: ConnectInfo, session: Mapping[str, Any], token: object) -> bool:
        """Return whether a token is Django's own for this visitor, as ``CsrfViewMiddleware`` decides.

        Args:
            info: The request, with the cookie ``csrftoken``.
            session: The session, which has the secret if ``CSRF_USE_SESSIONS`` is set.
            token: The value that the client sent, of any type.
        """
        if not isinstance(token, str):
            return False
        request: Any = HttpRequest()
        request.method = "PUT"  # a method that needs a token, and whose body is not searched for it
        request.COOKIES = info.cookies
        request.META[settings.CSRF_HEADER_NAME] = token
        request.session = session
        check: Any = _TokenCheck(_no_response)
        check.process_request(request)
        return check.process_view(request, None, (), {}) is None


def session_id(session: Any) -> str:
    """Return the id of all connections that belong to a session: ``endpoint.sync.disconnect(session_id(request.session))``.

    The id is a hash, so it does not give the session's key away to the log or to the bus. Delete the session first, and
    disconnect then: a page connects again at once.

    Args:
        session: Django's session (``request.session``), or its key.

    Example:
        >>> session_id("p3bqk0xw6g0n9lqf2yl0m3d9v4t1r8ha")
        'sessions:a9d8c1229a33c893dfabe7b716473b5a'
    """
    key = session if isinstance(session, str) else session.session_key
    return f"sessions:{hashlib.sha256(str(key).encode()).hexdigest()[:32]}"


async def user_of(info: ConnectInfo) -> Any | None:
    """Return Django's user of a request; None if nobody is logged in.

    The checks are Django's: the user exists, is active, and has not changed the password since the login.

    Args:
        info: The request, on a socket with ``session=DjangoSession()``.
    """
    return None if info.session is None else await _in_thread(_find_user, dict(info.session))


class _Loaded(SessionBase):
    """A session that has been read, for functions of Django that would also write it."""

    def __init__(self, data: dict[str, Any]) -> None:
        super().__init__()
        self._session_cache = data

    def flush(self) -> None:
        """Forget what was read."""
        self._session_cache = {}

    def cycle_key(self) -> None:
        """Do nothing: the browser would not get the new key."""


class _TokenCheck(CsrfViewMiddleware):
    """Django's check of a token, without the page and the log line of a refusal."""

    def _reject(self, request: Any, reason: Any) -> Any:
        return reason


def _no_response(request: Any) -> Any:
    """Stand for the view, which Django's middleware wants and the check never calls."""


def _load(key: str) -> dict[str, Any]:
    engine: Any = import_module(settings.SESSION_ENGINE)
    data: dict[str, Any] = engine.SessionStore(key).load()
    return data


def _find_user(session: dict[str, Any]) -> Any | None:
    user: Any = get_user(SimpleNamespace(session=_Loaded(session)))
    return user if user.is_authenticated else None


async def _in_thread(
    function: Callable[[dict[str, Any]], Any] | Callable[[str], Any], value: Any
) -> Any:
    """Call a function in a thread, with a connection to the database that is not stale."""

    def call() -> Any:
        close_old_connections()
        try:
            return function(value)
        finally:
            close_old_connections()

    return await asyncio.to_thread(call)
