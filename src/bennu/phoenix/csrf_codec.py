"""The tokens by which a page shows that it is ours, as Plug.CSRFProtection makes them (protocol, §1.10).

The session holds a *state* of 24 characters. A page gets it masked, each time in another way, so that
what is compressed with it does not give it away: base64 of state XOR mask, and the mask.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from typing import Final, TypeGuard

__all__ = ["STATE_BYTES", "is_state", "make_state", "mask", "matches"]

STATE_BYTES: Final = 18
"""Random bytes of a state, and of a mask: 24 characters, without padding."""

_STATE: Final = 24
_MASKED: Final = 32


def make_state(random: bytes) -> str:
    """Return a state, or a mask, of 18 random bytes."""
    return urlsafe_b64encode(random).decode()


def mask(state: str, with_mask: str) -> str:
    """Return the token that a page gets for a state."""
    masked = _xor(state.encode(), with_mask.encode())
    return urlsafe_b64encode(masked).decode() + with_mask


def is_state(state: object) -> TypeGuard[str]:
    """Return whether something can be a state."""
    return isinstance(state, str) and len(state) == _STATE and state.isascii()


def matches(state: object, token: object) -> bool:
    """Return whether a token is a masked state. Both may be anything: they come from outside."""
    if not is_state(state) or not isinstance(token, str) or not token.isascii():
        return False
    if len(token) != _MASKED + _STATE:
        return False
    # The token is made anew from its own mask: decoding it instead would take other spellings of it too.
    return hmac.compare_digest(mask(state, token[_MASKED:]), token)


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(left, right, strict=True))
