"""The secret that signs tokens: Django's own."""

from __future__ import annotations

from django.conf import settings

__all__ = ["secret_key"]


def secret_key() -> str:
    """Return the SECRET_KEY of Django's settings."""
    return str(settings.SECRET_KEY)
