"""Everything here runs under virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from ..support.clock import AUTOJUMP


@pytest.fixture
def anyio_backend() -> Any:
    return AUTOJUMP
