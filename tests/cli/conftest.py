"""The folder in which a command starts."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A folder with the application of the test's module, ``APP``, in ``app.py``."""
    (tmp_path / "app.py").write_text(request.module.APP)
    return tmp_path
