"""Says that a cluster has dropped messages of this node, once the cluster takes messages again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from ..broker.driver import Gap

__all__ = ["DroppedMessages"]

LOOK_EVERY: Final = 1.0
"""Seconds without a dropped message after which the cluster is well."""


class DroppedMessages:
    """The time in which the driver has dropped messages.

    A driver that has lost a message must end its connection, or say for how long it has lost messages. A cluster without
    one of its primaries carries the topics of the others, so the connection goes on. While messages are dropped, nothing is
    said: the marks that a gap asks for would be dropped, too. The marks are the proof: as long as one of them is dropped,
    the time goes on.

    Args:
        gap: Called with the seconds in which messages were dropped.
        is_well: Returns whether all primaries are there.
    """

    __slots__ = ("_gap", "_is_quiet", "_is_told", "_is_well", "_since", "_timer")

    def __init__(self, gap: Gap, is_well: Callable[[], bool]) -> None:
        self._gap = gap
        self._is_well = is_well
        self._since: float | None = None
        self._is_quiet = True
        self._is_told = False
        self._timer: asyncio.TimerHandle | None = None

    def note(self) -> None:
        """Note that a message was dropped."""
        self._is_quiet = self._is_told = False
        if self._since is None:
            self._since = asyncio.get_running_loop().time()
            self._wait()

    def stop(self) -> None:
        """Say it now: the marks are sent on the next connection."""
        if self._timer is not None:
            self._timer.cancel()
        self._tell()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        if self._is_told:
            self._since = self._timer = None
            return
        self._wait()
        is_quiet, self._is_quiet = self._is_quiet, True
        if is_quiet and self._is_well():
            self._is_told = True
            self._tell()

    def _tell(self) -> None:
        if self._since is not None:
            self._gap(asyncio.get_running_loop().time() - self._since + LOOK_EVERY)
