"""Names of epochs."""

from __future__ import annotations

import secrets

__all__ = ["new_epoch"]


def new_epoch() -> str:
    """Return the name of a new epoch: ten random characters of a URL. No other log has it."""
    return secrets.token_urlsafe(8)[:10]
