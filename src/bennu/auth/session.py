"""Readers of the session that a web framework of Python keeps: for ``Socket(session=...)``.

StarletteSession    reads the cookie of SessionMiddleware, in Starlette and FastAPI
ScopeSession        returns the session that a middleware before the endpoint has put into the scope
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..connect_info import ConnectInfo
from ..secret_key import Secret, secrets_of

if TYPE_CHECKING:
    from itsdangerous import TimestampSigner

__all__ = ["ScopeSession", "StarletteSession"]

_TWO_WEEKS = 14 * 86_400


class StarletteSession:
    """Reads the cookie of Starlette's ``SessionMiddleware``, for an endpoint that is not behind it.

    Args:
        secret: The middleware's ``secret_key``, or several during a rotation.
        cookie: The middleware's ``session_cookie``.
        max_age: The middleware's ``max_age``, in seconds; None means no limit.

    Raises:
        ImportError: The package ``itsdangerous`` is missing; it comes with ``bennu[starlette]``.
        ValueError: A secret is shorter than 20 bytes.

    Example:
        >>> session = StarletteSession("abcdefgh" * 8, cookie="visitor")
    """

    def __init__(
        self, secret: Secret, *, cookie: str = "session", max_age: float | None = _TWO_WEEKS
    ) -> None:
        # The library signs with the last of several secrets. Here all of them only verify.
        self._signer = _signer(secrets_of(secret))
        self._cookie = cookie
        self._max_age = max_age

    def __call__(self, info: ConnectInfo) -> Mapping[str, Any] | None:
        """Return the session of a request, or None."""
        from itsdangerous import BadSignature

        cookie = info.cookies.get(self._cookie)
        if cookie is None or not cookie.isascii():
            return None
        max_age: Any = self._max_age  # the library's annotation has int, its code compares only
        try:
            value = self._signer.unsign(cookie, max_age=max_age)
            session: object = json.loads(b64decode(value))
        except (BadSignature, ValueError):
            return None
        return cast("Mapping[str, Any]", session) if isinstance(session, dict) else None


class ScopeSession:
    """Returns the session that a middleware of the application has put into ``scope["session"]``."""

    def __call__(self, info: ConnectInfo) -> Mapping[str, Any] | None:
        """Return the session of a request, or None."""
        return info.scope_session or None


def _signer(secrets: list[bytes]) -> TimestampSigner:
    try:
        from itsdangerous import TimestampSigner
    except ImportError as error:
        raise ImportError(
            "StarletteSession needs itsdangerous: pip install 'bennu[starlette]'"
        ) from error
    return TimestampSigner(secrets)
