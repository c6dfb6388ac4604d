"""What is done about a limit that was exceeded, beside refusing: it is counted, told, and logged.

A client that exceeds a limit may do so a hundred thousand times a second, so the log gets the first of each limit,
and then one line in ten seconds that says how many there were.
"""

from __future__ import annotations

from typing import Final

from ..logs.log import Log
from ..reasons import Limit
from ..telemetry import Telemetry

__all__ = ["Excesses"]

TEXTS: Final = {
    limit: f"Over a limit, {limit.meaning.replace('`', '')}: the client %s%s%s; %d time(s) in all"
    for limit in Limit
}


class Excesses:
    """The counts of one endpoint.

    Args:
        telemetry: The endpoint's.
        log: Its lines in the log.
    """

    def __init__(self, telemetry: Telemetry, log: Log) -> None:
        self._telemetry = telemetry
        self._log = log

    def note(
        self, limit: Limit, peer: str | None, topic: str | None = None, event: str | None = None
    ) -> None:
        """Take note of a client that was refused or made to wait.

        Args:
            limit: Which it exceeded.
            peer: Its address, if that is known.
            topic: That of its message, if it has joined it.
            event: That of its message, if it has one.
        """
        telemetry = self._telemetry
        telemetry.limit_exceeded(limit, peer, topic, event)
        self._log.warning(
            TEXTS[limit],
            peer or "whose address is unknown",
            "" if topic is None else f" in {topic!r}",
            "" if event is None else f" with {event!r}",
            telemetry.exceeded[limit],
            burst=1,
        )
