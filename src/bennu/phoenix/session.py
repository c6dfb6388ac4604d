"""The session cookie of a Phoenix application: for ``Socket(session=...)``. Protocol, §1.10."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from typing_extensions import Unpack

from ..connect_info import ConnectInfo
from ..errors import DecodeError, TokenError, TokenInvalid
from ..secret_key import Secret
from . import encrypted, etf, signed
from .token import KeyOptions, derive

__all__ = ["PlugSession"]


class PlugSession:
    """Reads the cookie of ``plug Plug.Session, store: :cookie``. Give the same options as in the application.

    Args:
        secret: The application's ``secret_key_base``, or several during a rotation.
        key: The name of the cookie.
        signing_salt: As in the application.
        encryption_salt: As in the application; None if the cookie is signed only.
        **options: See :class:`~bennu.phoenix.token.KeyOptions`.

    Raises:
        ValueError: A secret is shorter than 20 bytes.

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

    def __call__(self, info: ConnectInfo) -> Mapping[str, Any] | None:
        """Return the session of a request, or None."""
        cookie = info.cookies.get(self._cookie)
        if cookie is None:
            return None
        try:
            session = etf.decode(self._open(cookie))
        except (TokenError, DecodeError):
            return None
        return cast("Mapping[str, Any]", session) if isinstance(session, dict) else None

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
