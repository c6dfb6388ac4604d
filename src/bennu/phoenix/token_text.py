"""The text of a token: parts of URL-safe base64, with dots between.

Of every byte string exactly one base64 is accepted, with its padding or without. Phoenix also takes one
whose unused bits are set, but nobody writes that: so of a token no character can be changed.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import Final

from ..errors import TokenInvalid
from . import etf

__all__ = ["MAX_TOKEN", "from_base64", "split", "to_base64"]

MAX_TOKEN: Final = 2 * etf.MAX_SIZE
"""Characters that a token may have."""


def split(token: str | bytes) -> list[bytes]:
    """Return the parts of a token, or six of anything else.

    Raises:
        TokenInvalid: It is too long, or not ASCII.
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
    """Return what a part of a token says.

    Raises:
        TokenInvalid: It is not the base64 of anything, with its padding or without.
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
