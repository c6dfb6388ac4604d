"""Checks the key of a request, in constant time. Pure.

All keys are compared, by their SHA-256, whatever the request brings. So the time of an answer tells nothing about a key,
not even its length.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

__all__ = ["APIKeys", "key_of"]


class APIKeys:
    """The keys of the callers.

    Args:
        names: The names of the callers by their keys.
    """

    def __init__(self, names: Mapping[bytes, str]) -> None:
        self._names = [(_digest(key), name) for key, name in names.items()]

    def name_of(self, key: bytes) -> str | None:
        """Return the name of the caller that has a key; None for a wrong key."""
        digest = _digest(key)
        found: str | None = None
        for known, name in self._names:
            if hmac.compare_digest(known, digest):
                found = name
        return found


def key_of(headers: Mapping[bytes, bytes]) -> bytes | None:
    """Return the key of a request: ``X-Api-Key``, or else ``Authorization: Bearer``; None if it has none.

    A proxy can use ``Authorization`` for itself, so ``X-Api-Key`` wins.
    """
    key = headers.get(b"x-api-key", b"").strip()
    if key:
        return key
    scheme, _, rest = headers.get(b"authorization", b"").strip().partition(b" ")
    rest = rest.strip()
    return rest if scheme.lower() == b"bearer" and rest else None


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
