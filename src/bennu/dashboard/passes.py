"""Passes: signed texts that say until when a browser may see the dashboard. Pure.

    <seconds since 1970>.<base64 of HMAC-SHA256>

The key is made of the endpoint's secret, the purpose and the password. So the cookie of a session opens no socket, the token of a
socket is no cookie, and a new password ends all sessions.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Final, Literal

__all__ = ["Passes", "Purpose"]

Purpose = Literal["session", "socket"]

NAME: Final = b"bennu dashboard"
"""A part of each key, so that a text that the same secret signs for another purpose is invalid here."""

DIGITS: Final = 12
"""Digits of the longest time."""


class Passes:
    """Makes and reads passes.

    Args:
        secrets: The secrets. The first signs, and each is accepted.
        password: The password; None if there is none.
    """

    def __init__(self, secrets: Sequence[bytes], password: str | None) -> None:
        known = hashlib.sha256(("" if password is None else password).encode()).digest()
        self._keys = [hmac.digest(secret, NAME + known, "sha256") for secret in secrets]

    def make(self, purpose: Purpose, until: float) -> str:
        """Return a pass.

        Args:
            purpose: What it is for.
            until: Seconds since 1970.
        """
        text = str(int(until))
        return f"{text}.{_signature(self._keys[0], purpose, text)}"

    def until(self, purpose: Purpose, text: str | None, now: float) -> float | None:
        """Return until when a pass holds; None for a pass that is missing, forged, or over.

        Args:
            purpose: What it is for.
            text: The pass.
            now: Seconds since 1970.
        """
        if text is None or not text.isascii():
            return None
        time, _, signature = text.partition(".")
        if not time.isdecimal() or len(time) > DIGITS:
            return None
        fits = [
            hmac.compare_digest(_signature(key, purpose, time), signature) for key in self._keys
        ]
        return float(time) if any(fits) and float(time) > now else None


def _signature(key: bytes, purpose: Purpose, text: str) -> str:
    digest = hmac.digest(key, f"{purpose} {text}".encode(), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
