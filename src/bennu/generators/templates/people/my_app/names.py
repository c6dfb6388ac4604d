"""Names that people choose when they sign in."""

from __future__ import annotations

from typing import Final

__all__ = ["MAX_NAME", "clean_name"]

MAX_NAME: Final = 32


def clean_name(text: str) -> str | None:
    """Return a name with single spaces; None if it is too long, or all signs.

    Example:
        >>> clean_name("  Ann   Lee ")
        'Ann Lee'
    """
    name = " ".join(text.split())
    if len(name) > MAX_NAME or not any(character.isalnum() for character in name):
        return None
    return name
