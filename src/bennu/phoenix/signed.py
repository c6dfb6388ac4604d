"""Keys, text, payloads and signatures of tokens, as Phoenix.Token makes them (protocol, §8.1–§8.3).

Theory of operation. A token is made in three steps. Each step has its inverse:

- the *key* is derived from a secret and a salt, so a token for one purpose is invalid for another purpose;
- the *payload* is a term, ``{data, signed_at_ms, max_age}``;
- the bytes of the payload are signed here, or encrypted in ``encrypted``.

    SFMyNTY.<payload>.<HMAC of all before>

The *text* of a token is base64. For each byte string exactly one base64 is accepted, with or without padding. Phoenix
also accepts base64 whose unused bits are set. No encoder writes such base64, so Bennu refuses it: then no character of a
token can be changed.

A payload is read only after the signature was verified. Keys, times and nonces are arguments.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from typing import Any, Final, Literal, cast, get_args

from ..errors import DecodeError, TokenExpired, TokenInvalid
from . import etf

__all__ = [
    "DAY",
    "MAX_TOKEN",
    "Digest",
    "SignatureDigest",
    "derive_key",
    "from_base64",
    "read_payload",
    "sign",
    "split",
    "to_base64",
    "verify",
    "write_payload",
]

Digest = Literal["sha1", "sha224", "sha256", "sha384", "sha512"]
SignatureDigest = Literal["sha256", "sha384", "sha512"]

DAY: Final = 86_400
"""Seconds that a token is valid if it does not name its own age."""

MAX_TOKEN: Final = 2 * etf.MAX_SIZE
"""Characters of the longest token."""

_MAX_AHEAD: Final = 60_000
"""Milliseconds by which the signer's clock can be ahead of this machine's clock."""

_INFINITY: Final = etf.Atom("infinity")
_DATA: Final = etf.Atom("data")
_SIGNED: Final = etf.Atom("signed")

_HEADS: Final[dict[SignatureDigest, bytes]] = {
    "sha256": b"SFMyNTY",
    "sha384": b"SFMzODQ",
    "sha512": b"SFM1MTI",
}
_DIGESTS: Final = {head: digest for digest, head in _HEADS.items()}


def derive_key(
    secret: bytes,
    salt: bytes,
    *,
    iterations: int = 1000,
    length: int = 32,
    digest: Digest = "sha256",
) -> bytes:
    """Return the key that PBKDF2 makes of a secret for one purpose.

    Raises:
        ValueError: PBKDF2 does not take these parameters.
    """
    if type(iterations) is not int or iterations < 1:
        raise ValueError(f"iterations must be an integer from 1 on, got {iterations!r}")
    if type(length) is not int or not 1 <= length < 2**32:
        raise ValueError(f"length must be an integer from 1 to 2**32 - 1, got {length!r}")
    if digest not in get_args(Digest):
        raise ValueError(f"digest must be one of {get_args(Digest)}, got {digest!r}")
    return hashlib.pbkdf2_hmac(digest, secret, salt, iterations, length)


# The text: parts of URL-safe base64, with dots between.


def split(token: str | bytes) -> list[bytes]:
    """Return the parts of a token. A text with too many parts has six.

    Raises:
        TokenInvalid: The token is too long, or not ASCII.
    """
    if len(token) > MAX_TOKEN:
        raise TokenInvalid(f"a token has at most {MAX_TOKEN} characters, got {len(token)}")
    if isinstance(token, str):
        if not token.isascii():
            raise TokenInvalid("this is no token")
        token = token.encode("ascii")
    return token.split(b".", 5)  # no token has so many parts


def to_base64(data: bytes) -> bytes:
    """Return URL-safe base64 without padding."""
    return urlsafe_b64encode(data).rstrip(b"=")


def from_base64(text: bytes) -> bytes:
    """Return the bytes of a part of a token.

    Raises:
        TokenInvalid: The part is not the only base64 of any bytes, with padding or without.
    """
    unpadded = text.rstrip(b"=")
    try:
        data = urlsafe_b64decode(unpadded + b"=" * (-len(unpadded) % 4))
    except Base64Error as error:
        raise TokenInvalid("a part of the token is not base64") from error
    padded = urlsafe_b64encode(data)
    if text not in (padded, padded.rstrip(b"=")):
        raise TokenInvalid("a part of the token is not base64")
    return data


# The payload.


def write_payload(data: Any, *, signed_at_ms: int, max_age: float) -> bytes:
    """Return the term of some data.

    Args:
        data: The content of the token.
        signed_at_ms: The time of the signature, in milliseconds since 1970.
        max_age: Seconds that the token is valid; ``math.inf`` means forever.

    Raises:
        EncodeError: The data can't be an Erlang term.
    """
    age = _INFINITY if max_age == math.inf else max_age
    return etf.encode((data, signed_at_ms, age))


def read_payload(
    payload: bytes, *, now_ms: int, max_age: float | None = None, text: bool = True
) -> Any:
    """Return the data of a payload that is not too old.

    Args:
        payload: The term.
        now_ms: The current time, in milliseconds since 1970.
        max_age: The most seconds since the signature; None takes the age in the payload; ``math.inf`` means no
            limit.
        text: Whether binaries that are UTF-8 become str.

    Raises:
        TokenExpired: The payload is too old.
        TokenInvalid: This is no payload, or it was signed in the future.
    """
    try:
        term = etf.decode(payload, text=text)
    except DecodeError as error:
        raise TokenInvalid(f"the token holds no term that can be read: {error}") from error
    data, signed_at_ms, own_max_age = _parts(term)
    _check_age(signed_at_ms, own_max_age if max_age is None else max_age, now_ms)
    return data


def _parts(term: Any) -> tuple[Any, int, float]:
    """Return data, time and age of a payload of Plug.Crypto, or of an old Phoenix."""
    parts: tuple[Any, ...] = ()
    if isinstance(term, tuple):
        parts = cast("tuple[Any, ...]", term)
    elif isinstance(term, dict):
        old = cast("dict[Any, Any]", term)
        parts = old.get(_DATA), old.get(_SIGNED)
    if len(parts) not in (2, 3):
        raise TokenInvalid("the token holds no payload")
    data, signed, max_age = (*parts, DAY)[:3]
    if max_age == _INFINITY:
        max_age = math.inf
    if type(signed) is not int or abs(signed) >= 2**63 or type(max_age) not in (int, float):
        raise TokenInvalid("the token does not say when it was signed, or how long it is good")
    return data, signed, max_age


def _check_age(signed_at_ms: int, max_age: float, now_ms: int) -> None:
    if max_age == math.inf:
        return
    if not max_age > 0:  # NaN is refused too
        raise TokenExpired(signed_at=signed_at_ms / 1000, max_age=max_age)
    if signed_at_ms > now_ms + _MAX_AHEAD:
        raise TokenInvalid("the token was signed in the future: is a clock wrong?")
    if max_age * 1000 < now_ms - signed_at_ms:
        raise TokenExpired(signed_at=signed_at_ms / 1000, max_age=max_age)


# Signed.


def sign(payload: bytes, key: bytes, digest: SignatureDigest = "sha256") -> str:
    """Return the signed token of a payload."""
    signed = _HEADS[digest] + b"." + to_base64(payload)
    return (signed + b"." + to_base64(hmac.digest(key, signed, digest))).decode("ascii")


def verify(token: str | bytes, keys: Iterable[bytes]) -> bytes:
    """Return the payload of a token that one of these keys signed.

    Raises:
        TokenInvalid: No key signed the token.
    """
    parts = split(token)
    if len(parts) != 3 or parts[0] not in _DIGESTS:
        raise TokenInvalid("this is no signed token")
    head, payload, signature = parts
    payload_bytes, signature_bytes = from_base64(payload), from_base64(signature)
    for key in keys:
        expected = hmac.digest(key, head + b"." + payload, _DIGESTS[head])
        if hmac.compare_digest(expected, signature_bytes):
            return payload_bytes
    raise TokenInvalid("the token was signed with another secret or salt, or was changed")
