"""The visitor's session, from the cookie that the page's web framework keeps: ``Socket(session=...)``.

    PlugSession      Phoenix's own: signed, or encrypted too
    StarletteSession of SessionMiddleware, in Starlette and FastAPI
    ScopeSession     whatever a middleware has put into the scope, before the endpoint

Or a function of one's own: ``async def load(info) -> Mapping | None``.

A cookie comes with every request that any site has a visitor's browser make. So the session is given to
``connect`` only if the client also sends what only our pages know: a token (:mod:`bennu.phoenix.csrf`).
"""

from __future__ import annotations

import inspect
import json
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from typing_extensions import Unpack

from ..connect_info import ConnectInfo
from ..errors import CallbackError, DecodeError, DefinitionError, TokenError, TokenInvalid
from ..logs.printable import described
from ..phoenix import encrypted, etf, signed
from ..phoenix.csrf_codec import matches
from ..phoenix.token import KeyOptions, Secret, derive, secrets_of
from ..user_code.callback import Callback
from .starlette_cookie import unsign

__all__ = ["PlugSession", "ScopeSession", "SessionLoader", "SessionReader", "StarletteSession"]

Session = Mapping[str, Any]
SessionReader = (
    Callable[[ConnectInfo], Awaitable[Session | None]] | Callable[[ConnectInfo], Session | None]
)

_TWO_WEEKS = 14 * 86_400


class PlugSession:
    """Reads the cookie of ``plug Plug.Session, store: :cookie``: the options are the same.

    Args:
        secret: The application's ``secret_key_base``; or several, of a rotation.
        key: Of the cookie.
        signing_salt: As in the application.
        encryption_salt: As in the application; None if the cookie is signed only.
        **options: See :class:`~bennu.phoenix.token.KeyOptions`.

    Example:
        >>> session = PlugSession("abcdefgh" * 8, key="_app_key", signing_salt="Zk3x9LmQ")
    """

    def __init__(
        self,
        secret: Secret,
        *,
        key: str,
        signing_salt: str | bytes,
        encryption_salt: str | bytes | None = None,
        **options: Unpack[KeyOptions],
    ) -> None:
        self._cookie = key
        self._signing = derive(secret, signing_salt, **options)
        self._encryption = (
            None if encryption_salt is None else derive(secret, encryption_salt, **options)
        )

    def __call__(self, info: ConnectInfo) -> Session | None:
        """Return the session of a request, or None."""
        cookie = info.cookies.get(self._cookie)
        if cookie is None:
            return None
        try:
            session = etf.decode(self._open(cookie))
        except (TokenError, DecodeError):
            return None
        return cast("Session", session) if isinstance(session, dict) else None

    def _open(self, cookie: str) -> bytes:
        if self._encryption is None:
            return signed.verify(cookie, self._signing)
        problem: TokenError = TokenInvalid("the session was encrypted with another secret")
        for key, sign_key in zip(self._encryption, self._signing, strict=True):
            try:
                return encrypted.decrypt(cookie, [key], sign_key=sign_key)
            except TokenInvalid as error:
                problem = error
        raise problem


class StarletteSession:
    """Reads the cookie of Starlette's ``SessionMiddleware``, where the endpoint is not behind it.

    Args:
        secret: The middleware's ``secret_key``; or several, of a rotation.
        cookie: Its ``session_cookie``.
        max_age: Its ``max_age``, in seconds; None is for ever.
    """

    def __init__(
        self, secret: Secret, *, cookie: str = "session", max_age: float | None = _TWO_WEEKS
    ) -> None:
        self._secrets = secrets_of(secret)
        self._cookie = cookie
        self._max_age = max_age

    def __call__(self, info: ConnectInfo) -> Session | None:
        """Return the session of a request, or None."""
        cookie = info.cookies.get(self._cookie)
        if cookie is None or not cookie.isascii():
            return None
        try:
            value = unsign(cookie.encode(), self._secrets, now=time.time(), max_age=self._max_age)
            session: object = json.loads(b64decode(value))
        except (TokenError, ValueError):
            return None
        return cast("Session", session) if isinstance(session, dict) else None


class ScopeSession:
    """Takes what a middleware of the application has put into ``scope["session"]``."""

    def __call__(self, info: ConnectInfo) -> Session | None:
        """Return the session of a request, or None."""
        return info.scope_session or None


class SessionLoader:
    """What a socket does to fill ``info.session``.

    Args:
        reader: What reads it.
        check_csrf: Whether the client must send a token.
        csrf_token_key: Of the token's state in the session.

    Raises:
        DefinitionError: The reader is no function of an info.
    """

    def __init__(self, reader: SessionReader, *, check_csrf: bool, csrf_token_key: str) -> None:
        self._check_csrf = check_csrf
        self._key = csrf_token_key
        try:
            inspect.signature(reader).bind("info")
        except (TypeError, ValueError) as error:
            raise DefinitionError(
                "Socket(session=...)",
                expected="a function of the info that returns a mapping or None",
                got=f"{reader!r} ({error})",
                write="session=StarletteSession(SECRET_KEY), from bennu.auth.session",
            ) from error
        self._reader = Callback("Socket(session=...)", reader)

    async def load(self, params: Mapping[str, Any], info: ConnectInfo) -> Session | None:
        """Return the session of a request, or None without a cookie, or without a valid token."""
        session: Any = await self._reader.here(info)
        if session is not None and not isinstance(session, Mapping):
            raise CallbackError(
                f"Socket(session=...): {self._reader.name} returned {described(session)}: expected a mapping"
                " or None"
            )
        found = cast("Session | None", session)
        if found is None or not self._check_csrf:
            return found
        return found if matches(found.get(self._key), params.get("_csrf_token")) else None
