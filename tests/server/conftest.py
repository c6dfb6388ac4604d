"""Everything here runs under virtual time."""

from __future__ import annotations

import pytest

from .handles import rooms
from .raws import Echo
from .rooms import ended


@pytest.fixture(autouse=True)
def _forget() -> None:
    ended.clear()
    rooms.clear()
    Echo.reasons.clear()
