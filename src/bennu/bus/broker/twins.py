"""Notices another process that has the name of this node."""

from __future__ import annotations

from typing import Final

from ...logs.log import Log

__all__ = ["Twins"]

MAX_TWINS: Final = 100
"""Processes whose heartbeats are counted."""

BEATS: Final = 2
"""Heartbeats of another process after which it is reported. One can be left of an earlier life."""


class Twins:
    """The other processes with the name of this node.

    Args:
        name: The name.
        bus: The broker and its address for the log.
        log: Writes the log.
    """

    __slots__ = ("_beats", "_bus", "_log", "_name")

    def __init__(self, name: str, bus: str, log: Log) -> None:
        self._name = name
        self._bus = bus
        self._log = log
        self._beats: dict[bytes, int] = {}

    def hear(self, head: bytes) -> None:
        """Take a heartbeat of another process, whose frames have a head."""
        if len(self._beats) >= MAX_TWINS and head not in self._beats:
            self._beats.clear()
        self._beats[head] = beats = self._beats.get(head, 0) + 1
        if beats == BEATS:
            self._log.error(
                "Another process on %s has the name of this node, %s: both miss messages. Give each process a name of its"
                " own, or give none",
                self._bus,
                self._name,
            )
