"""The names of the dashboard's own topics. Pure."""

from __future__ import annotations

from typing import Final

__all__ = ["FIGURES", "INSPECTOR", "is_own"]

FIGURES: Final = "bennu:dashboard"
INSPECTOR: Final = "bennu:inspector"


def is_own(topic: object) -> bool:
    """Return whether a topic is the dashboard's own, so that no figures count it."""
    return topic in (FIGURES, INSPECTOR)
