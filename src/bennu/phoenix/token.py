"""Signed and encrypted tokens of Phoenix.Token: made here and read there, or the other way round (protocol, §8).

    token.sign(SECRET, "user socket", user.id)              for the client
    token.verify(SECRET, "user socket", params.token)       from the client

The pure modules ``signed`` and ``encrypted`` make and read the text. This module adds the clock, the random
bytes, and a cache of derived keys.

The *secret* is Phoenix's ``secret_key_base``; several secrets are a rotation. A *salt* names the purpose of a
token, so that a token for resetting a password opens no socket. A salt is not secret.
"""

from __future__ import annotations

import secrets as random
import time
from functools import lru_cache
from typing import Any, Final, TypedDict, Unpack

from ..errors import TokenError, TokenExpired, TokenInvalid, TokenMissing
from ..secret_key import Secret, secrets_of
from . import encrypted, signed
from .encrypted import KEY_SIZE, NONCE_SIZE
from .etf import Atom, Opaque
from .signed import DAY, Digest

__all__ = [
    "Atom",
    "KeyOptions",
    "Opaque",
    "Secret",
    "TokenError",
    "TokenExpired",
    "TokenInvalid",
    "TokenMissing",
    "decrypt",
    "encrypt",
    "sign",
    "verify",
]

_MAX_KEYS: Final = 256
"""Derived keys that are kept."""


class KeyOptions(TypedDict, total=False):
    """How a key is derived from a secret. Both sides need the same options.

    Attributes:
        key_iterations: Iterations of PBKDF2; 1000 by default.
        key_length: Bytes of the key; 32 by default. Encryption needs 32.
        key_digest: The digest of PBKDF2; ``"sha256"`` by default. Tokens are signed with SHA-256 in each case.
    """

    key_iterations: int
    key_length: int
    key_digest: Digest


def sign(
    secret: Secret,
    salt: str | bytes,
    data: Any,
    *,
    max_age: float = DAY,
    signed_at: float | None = None,
    **options: Unpack[KeyOptions],
) -> str:
    """Return a signed token: each client can read it, and no client can change it.

    Args:
        secret: The secret, or several during a rotation: the first signs.
        salt: The purpose of the token.
        data: None, bool, int, float, str, bytes, or lists, tuples and dicts of them.
        max_age: Seconds that the token is valid, unless ``verify`` gives another age; ``math.inf`` means forever.
        signed_at: The time of the signature, in seconds since 1970; now by default.
        **options: See :class:`KeyOptions`.

    Raises:
        EncodeError: The data can't be put into a token.

    Example:
        >>> key = "abcdefgh" * 8
        >>> verify(key, "user socket", sign(key, "user socket", {"id": 7}))
        {'id': 7}
    """
    payload = _payload(data, max_age, signed_at)
    return signed.sign(payload, derive(secret, salt, **options)[0])


def verify(
    secret: Secret,
    salt: str | bytes,
    token: str | bytes | None,
    *,
    max_age: float | None = None,
    text: bool = True,
    now: float | None = None,
    **options: Unpack[KeyOptions],
) -> Any:
    """Return the data of a token that ``sign`` or Phoenix made.

    Args:
        secret: The secret, or several during a rotation: each is tried.
        salt: The purpose of the token.
        token: The value that the client sent, of any type.
        max_age: The most seconds since the signature; by default the age in the token.
        text: Whether binaries of Erlang that are UTF-8 become str. With False all binaries are bytes.
        now: The current time, in seconds since 1970; by default the time of the machine's clock.
        **options: See :class:`KeyOptions`.

    Raises:
        TokenExpired: The token is too old.
        TokenInvalid: The token was made with another secret or salt, was changed, or is no token.
        TokenMissing: The token is None.
    """
    keys = derive(secret, salt, **options)
    payload = signed.verify(_given(token), keys)
    return signed.read_payload(payload, now_ms=_milliseconds(now), max_age=max_age, text=text)


def encrypt(
    secret: Secret,
    salt: str | bytes,
    data: Any,
    *,
    max_age: float = DAY,
    signed_at: float | None = None,
    **options: Unpack[KeyOptions],
) -> str:
    """Return an encrypted token: no client can read or change it. The arguments are those of :func:`sign`.

    Raises:
        EncodeError: The data can't be put into a token.
        ImportError: PyNaCl is missing; it comes with ``bennu[crypto]``.
    """
    key = derive(secret, salt, **options)[0]
    if len(key) != KEY_SIZE:
        raise ValueError(f"a key for encryption has {KEY_SIZE} bytes, got key_length={len(key)}")
    payload = _payload(data, max_age, signed_at)
    return encrypted.encrypt(payload, key, random.token_bytes(NONCE_SIZE))


def decrypt(
    secret: Secret,
    salt: str | bytes,
    token: str | bytes | None,
    *,
    max_age: float | None = None,
    text: bool = True,
    now: float | None = None,
    **options: Unpack[KeyOptions],
) -> Any:
    """Return the data of a token that ``encrypt`` or Phoenix made. The arguments are those of :func:`verify`.

    Tokens of Plug.Crypto before 2.0 are read too, if the package ``cryptography`` is installed.

    Raises:
        TokenExpired: The token is too old.
        TokenInvalid: The token was made with another secret or salt, was changed, or is no token.
        TokenMissing: The token is None.
        ImportError: PyNaCl is missing; it comes with ``bennu[crypto]``.
    """
    keys = derive(secret, salt, **options)
    payload = encrypted.decrypt(_given(token), keys)
    return signed.read_payload(payload, now_ms=_milliseconds(now), max_age=max_age, text=text)


def _payload(data: Any, max_age: float, signed_at: float | None) -> bytes:
    return signed.write_payload(data, signed_at_ms=_milliseconds(signed_at), max_age=max_age)


def _milliseconds(seconds: float | None) -> int:
    return time.time_ns() // 1_000_000 if seconds is None else int(seconds * 1000)


def _given(token: object) -> str | bytes:
    """Return a token that is text or bytes.

    Raises:
        TokenMissing: The token is None.
        TokenInvalid: The token has another type.
    """
    if token is None:
        raise TokenMissing("there is no token")
    if not isinstance(token, (str, bytes)):
        raise TokenInvalid(f"a token is text, got {type(token).__name__}")
    return token


def derive(secret: Secret, salt: str | bytes, **options: Unpack[KeyOptions]) -> list[bytes]:
    """Return the key of each secret for one purpose."""
    purpose = salt.encode() if isinstance(salt, str) else salt
    iterations = options.get("key_iterations", 1000)
    length = options.get("key_length", KEY_SIZE)
    digest = options.get("key_digest", "sha256")
    return [_key(one, purpose, iterations, length, digest) for one in secrets_of(secret)]


@lru_cache(_MAX_KEYS, typed=True)  # else a cached key of 1000 would be returned for 1000.0
def _key(secret: bytes, salt: bytes, iterations: int, length: int, digest: Digest) -> bytes:
    return signed.derive_key(secret, salt, iterations=iterations, length=length, digest=digest)
