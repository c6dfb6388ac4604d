"""Broadcasts to topics with history that other nodes have sent without an entry: the log names each topic and node once."""

from __future__ import annotations

from typing import Final

from ..logs.log import Log

__all__ = ["PlainBroadcasts"]

MOST: Final = 1_000
"""Pairs of a topic and a node that are remembered."""


class PlainBroadcasts:
    """Which topics got plain broadcasts, and from which nodes.

    Args:
        log: Writes the log.
    """

    __slots__ = ("_log", "_seen")

    def __init__(self, log: Log) -> None:
        self._log = log
        self._seen: set[tuple[str, str]] = set()

    def note(self, topic: str, event: str, node: str) -> None:
        """Note that a node has sent a broadcast without an entry."""
        pair = topic, node
        if pair in self._seen:
            return
        if len(self._seen) >= MOST:
            self._seen.clear()
        self._seen.add(pair)
        self._log.warning(
            "The broadcast of %r to %r by the node %s is not in the log of the topic: clients that are away never get it."
            " Write Publisher(..., store=..., histories=...) there, or Publisher.of(endpoint). A node that serves clients"
            " needs this version of Bennu, and the same history",
            event,
            topic,
            node,
        )
