"""Python clients that need another environment than Bennu's."""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["client_python"]

_ENVIRONMENTS = Path(__file__).parents[2] / ".venv-interop"


def client_python(name: str) -> Path:
    """Return the Python that can import the client of tests/interop/requirements-<name>.txt."""
    path = _ENVIRONMENTS / name / "bin" / "python"
    if not path.exists():
        pytest.skip(f"the client {name} is not installed, run scripts/install")
    return path
