"""Everything here runs under virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from ..support.clock import AUTOJUMP
from .handles import rooms
from .rooms import ended


@pytest.fixture
def anyio_backend() -> Any:
    return AUTOJUMP


@pytest.fixture(autouse=True)
def _forget() -> None:
    ended.clear()
    rooms.clear()
