"""Shares the turns of the event loop among members that catch up.

After a restart or a cut, thousands of clients join again at once, and each gets what it has missed. To encode all that in one
turn would stop everything else for seconds. So only ``MOST`` batches are written in one turn. The other members wait in line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

__all__ = ["CatchUpTurns"]

MOST: Final = 16
"""Batches in one turn of the event loop."""


class CatchUpTurns:
    """The line of the members of one endpoint."""

    def __init__(self) -> None:
        self._left = MOST
        self._waiting: dict[Callable[[], object], None] = {}
        self._is_scheduled = False

    def take(self, again: Callable[[], object]) -> bool:
        """Return whether a batch can be written in this turn.

        Args:
            again: Called in a later turn, if not.
        """
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)
        if self._left:
            self._left -= 1
            return True
        self._waiting.setdefault(again)
        return False

    def _turn(self) -> None:
        """Begin a turn: for those first that wait."""
        self._is_scheduled = False
        self._left = MOST
        for again in tuple(self._waiting)[:MOST]:
            self._waiting.pop(again, None)
            again()
