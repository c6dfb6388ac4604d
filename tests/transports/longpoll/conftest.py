"""Each test with the argument ``reach`` runs twice: its session is in this process, or is reached through PubSub."""

from __future__ import annotations

import pytest

from .polling import Reach
from .rooms import ended, handled, refused


@pytest.fixture(params=["here", "elsewhere"])
def reach(request: pytest.FixtureRequest) -> Reach:
    found: Reach = request.param
    return found


@pytest.fixture(autouse=True)
def _forget() -> None:
    ended.clear()
    handled.clear()
    refused.clear()
