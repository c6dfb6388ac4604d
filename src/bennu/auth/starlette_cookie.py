"""Cookies of Starlette's SessionMiddleware: a value, a time and an HMAC, as itsdangerous signs them.

<value>.<time>.<HMAC-SHA1 of all before>      the key: SHA-1 of salt, "signer" and the secret
"""

from __future__ import annotations

import hashlib
import hmac

from ..errors import TokenExpired, TokenInvalid
from ..phoenix.token_text import from_base64

__all__ = ["unsign"]

_SALT = b"itsdangerous.Signer" + b"signer"


def unsign(signed: bytes, secrets: list[bytes], *, now: float, max_age: float | None) -> bytes:
    """Return the value of a signed text.

    Args:
        signed: The text.
        secrets: Those by which it may have been signed.
        now: The time, in seconds since 1970.
        max_age: How many seconds it may be old; None is any number.

    Raises:
        TokenExpired: It is older.
        TokenInvalid: It was signed with another secret, was changed, or is nothing of the kind.
    """
    rest, _, signature = signed.rpartition(b".")
    value, dot, when = rest.rpartition(b".")
    if not dot:
        raise TokenInvalid("this is no signed session")
    given = from_base64(signature)
    if not any(hmac.compare_digest(_signature(rest, secret), given) for secret in secrets):
        raise TokenInvalid("the session was signed with another secret, or was changed")
    made = int.from_bytes(from_base64(when), "big")
    if max_age is not None and not 0 <= now - made <= max_age:
        raise TokenExpired(signed_at=made, max_age=max_age)
    return value


def _signature(text: bytes, secret: bytes) -> bytes:
    key = hashlib.sha1(_SALT + secret).digest()  # noqa: S324 - not ours to choose
    return hmac.digest(key, text, "sha1")
