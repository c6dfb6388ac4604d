"""Makes secrets."""

from __future__ import annotations

import secrets
from typing import Final

__all__ = ["SECRET_BYTES", "new_secret"]

SECRET_BYTES: Final = 48
"""Random bytes of a secret: 64 characters, as many as Phoenix's ``secret_key_base``."""


def new_secret() -> str:
    """Return a secret for ``Endpoint(secret_key=...)``, tokens and cookies: 64 random characters."""
    return secrets.token_urlsafe(SECRET_BYTES)
