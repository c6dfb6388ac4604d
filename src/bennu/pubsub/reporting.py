"""The reports of broadcasts to telemetry."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..message import Broadcast
from ..telemetry import BroadcastFannedOut, BroadcastSent, Telemetry
from ..telemetry.accounts import Account

if TYPE_CHECKING:
    from ..metrics.tallies import TopicTally

__all__ = ["FanOut", "report_broadcast"]


def report_broadcast(telemetry: Telemetry, topic: object, message: object, scope: str) -> None:
    """Emit that a broadcast begins. A message that only listeners get is none.

    Args:
        telemetry: Gets the event.
        topic: The topic.
        message: The message.
        scope: The nodes that get it: ``"all"``, ``"local"``, or the name of one node.
    """
    if telemetry.handlers[BroadcastSent] and isinstance(message, Broadcast):
        telemetry.tell(BroadcastSent(str(topic), message.event, scope))


class FanOut:
    """The fan-out of one message on this node, while it is under way.

    Args:
        telemetry: Gets the event.
        account: Counts what becomes of the deliveries of the topic.
        tally: Counts them for metrics; None without metrics.
    """

    __slots__ = (
        "_account",
        "_began",
        "_bytes",
        "_due",
        "_lanes",
        "_receivers",
        "_tally",
        "_telemetry",
    )

    def __init__(self, telemetry: Telemetry, account: Account, tally: TopicTally | None) -> None:
        self._telemetry = telemetry
        self._account = account
        self._tally = tally
        self._due = account.due
        self._lanes = self._receivers = self._bytes = 0
        self._began = time.perf_counter()

    def add(self, receivers: int, size: int) -> None:
        """Add a lane.

        Args:
            receivers: The clients of the lane that get the message at once.
            size: Bytes of the message for each of them.
        """
        self._lanes += 1
        self._receivers += receivers
        self._bytes += receivers * size

    def end(self, topic: str, event: str) -> None:
        """Count what has become of the message, and emit it.

        Args:
            topic: The topic.
            event: The event.
        """
        if self._tally is not None:
            self._tally.fanned_out(self._receivers, self._bytes)
        if self._telemetry.handlers[BroadcastFannedOut]:
            duration = time.perf_counter() - self._began
            due = self._account.due - self._due
            self._telemetry.tell(
                BroadcastFannedOut(topic, event, due, self._receivers, self._lanes, duration)
            )
