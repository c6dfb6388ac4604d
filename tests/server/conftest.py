"""All tests in this folder run in virtual time."""

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


@pytest.fixture
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of day does not move, only the virtual clock does: a busy machine changes no time until an expiry."""
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.0)
