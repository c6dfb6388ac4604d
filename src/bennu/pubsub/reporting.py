"""The reports of broadcasts to telemetry."""

from __future__ import annotations

import time

from ..message import Broadcast
from ..telemetry import BroadcastFannedOut, BroadcastSent, Telemetry
from ..telemetry.accounts import Account

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
    """

    __slots__ = ("_account", "_began", "_delivered", "_due", "_telemetry")

    def __init__(self, telemetry: Telemetry, account: Account) -> None:
        self._telemetry = telemetry
        self._account = account
        self._due = account.due
        self._delivered = account.delivered
        self._began = time.perf_counter()

    def end(self, topic: str, event: str, lanes: int) -> None:
        """Emit what has become of the message.

        Args:
            topic: The topic.
            event: The event.
            lanes: The number of times that the message was encoded.
        """
        duration = time.perf_counter() - self._began
        due, delivered = self._account.due - self._due, self._account.delivered - self._delivered
        self._telemetry.tell(BroadcastFannedOut(topic, event, due, delivered, lanes, duration))
