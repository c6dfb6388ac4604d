"""What is done about a limit that was exceeded, beside refusing: it is counted, told, and logged.

A client that exceeds a limit may do so a hundred thousand times a second, so the log gets one line in ten
seconds for each limit, which says how many there were.
"""

from __future__ import annotations

import logging
from typing import Final

from ..reasons import Limit
from ..telemetry import Telemetry

__all__ = ["Excesses"]

logger = logging.getLogger("bennu")

LOG_EVERY: Final = 10.0
"""Seconds between two lines of the log about the same limit."""


class Excesses:
    """The counts of one endpoint.

    Args:
        telemetry: The endpoint's.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._silent_until: dict[Limit, float] = {}
        self._logged: dict[Limit, int] = {}

    def note(self, limit: Limit, now: float, peer: str | None, topic: str | None = None) -> None:
        """Take note of a client that was refused or made to wait.

        Args:
            limit: Which it exceeded.
            now: The time in seconds.
            peer: Its address, if that is known.
            topic: That of its message, if it has joined it.
        """
        telemetry = self._telemetry
        telemetry.limit_exceeded(limit, peer, topic)
        if now < self._silent_until.get(limit, now):
            return
        self._silent_until[limit] = now + LOG_EVERY
        count = telemetry.exceeded[limit]
        before = self._logged.get(limit, 0)
        self._logged[limit] = count
        logger.warning(
            "Over a limit, %s: the client %s%s; %d time(s) in all, %d since the last line about it",
            limit.meaning.replace("`", ""),
            peer or "whose address is unknown",
            "" if topic is None else f" in {topic[:100]!r}",
            count,
            count - before,
        )
