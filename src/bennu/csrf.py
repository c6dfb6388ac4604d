"""Tokens that only a page of your own site can know: ``Socket(session=...)`` asks each client for one.

Another site can make a visitor's browser connect, with all cookies of the visitor. The other site can't read
your pages. So your page contains a token, and the client sends it as the parameter ``_csrf_token``:
``new Socket("/socket", {params: {_csrf_token: "..."}})``.

    token = csrf.token_for(request.session)

The session holds a *state* of 24 characters. The token is the state, masked: base64 of state XOR mask, and
the mask. The mask is new for each page, so a compressed response does not give the state away (BREACH).
The format is that of Plug.CSRFProtection, so tokens of a Phoenix page are valid too. Protocol, §1.10.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TypeGuard

__all__ = ["KEY", "STATE_BYTES", "is_valid", "make_state", "mask", "matches", "token_for"]

KEY: Final = "_csrf_token"
"""The key of the state in a session, and the name of the parameter that a client sends."""

STATE_BYTES: Final = 18
"""Random bytes of a state, and of a mask: 24 characters, without padding."""

_STATE: Final = 24
_MASKED: Final = 32


def token_for(session: MutableMapping[str, Any], key: str = KEY) -> str:
    """Return a token for a page. If the session has no state yet, this adds one.

    Args:
        session: The visitor's session, which the web framework keeps: ``request.session``.
        key: The key of the state in the session.

    Example:
        >>> session = {}
        >>> is_valid(session, token_for(session))
        True
    """
    state = session.get(key)
    if not _is_state(state):
        state = session[key] = make_state(secrets.token_bytes(STATE_BYTES))
    return mask(state, make_state(secrets.token_bytes(STATE_BYTES)))


def is_valid(session: Mapping[str, Any], token: object, key: str = KEY) -> bool:
    """Return whether a token was made for a session.

    Args:
        session: The visitor's session.
        token: The value that the client sent, of any type.
        key: The key of the state in the session.
    """
    return matches(session.get(key), token)


def make_state(random: bytes) -> str:
    """Return the state, or the mask, of 18 random bytes."""
    return urlsafe_b64encode(random).decode()


def mask(state: str, with_mask: str) -> str:
    """Return the token of a state under one mask."""
    masked = _xor(state.encode(), with_mask.encode())
    return urlsafe_b64encode(masked).decode() + with_mask


def matches(state: object, token: object) -> bool:
    """Return whether a token is a masked state. Both come from outside, and can have any type."""
    if not _is_state(state) or not isinstance(token, str) or not token.isascii():
        return False
    if len(token) != _MASKED + _STATE:
        return False
    # The token is made anew from its mask. A comparison of decoded tokens would accept other spellings too.
    return hmac.compare_digest(mask(state, token[_MASKED:]), token)


def _is_state(state: object) -> TypeGuard[str]:
    return isinstance(state, str) and len(state) == _STATE and state.isascii()


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(left, right, strict=True))
