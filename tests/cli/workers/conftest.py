"""The folder in which a command with workers starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from .service import APP


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an application in ``app.py``."""
    (tmp_path / "app.py").write_text(APP)
    return tmp_path
