"""The plugin for pytest, which ``pip install bennu[testing]`` brings: the fixture ``clock``.

It works with the plugins of pytest-asyncio and of anyio, since it only changes the event loop that runs the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .clock import LazyClock

__all__ = ["clock"]


@pytest.fixture
def clock() -> Iterator[LazyClock]:
    """Virtual time for the test: ``await clock.advance(3600)`` runs an hour of timers at once."""
    from .clock import lazy_clock  # noqa: PLC0415 - only tests that use it pay for it

    with lazy_clock() as clock:
        yield clock
