"""Everything here runs under virtual time."""

from __future__ import annotations

import pytest

from .handles import rooms
from .rooms import ended


@pytest.fixture(autouse=True)
def _forget() -> None:
    ended.clear()
    rooms.clear()
