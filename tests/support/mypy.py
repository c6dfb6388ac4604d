"""Where the tests that run mypy keep what it has read: Bennu and its dependencies are read once."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["MYPY_CACHE"]

MYPY_CACHE: Final = Path(__file__).parents[2] / ".mypy_cache" / "of_the_tests"
"""The cache of all strict runs. mypy itself checks that it fits."""
