"""The folder in which a command starts."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A folder with the application of the test's module, ``APP``, in ``app.py``."""
    (tmp_path / "app.py").write_text(request.module.APP)
    return tmp_path


@pytest.fixture
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Make no log records below a warning."""
    caplog.set_level(logging.WARNING)
