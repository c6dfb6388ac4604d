"""What a run of ``bennu bench`` does: who connects, what is pushed, and when. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = [
    "AT_ONCE",
    "DRAIN",
    "ENGINES",
    "MARK_SIZE",
    "NUMBER",
    "PATIENCE",
    "STAMP_SIZE",
    "BenchPlan",
    "stamp_time",
]

AT_ONCE: Final = 50
"""Connections that are being opened at a time."""

PATIENCE: Final = 30.0
"""Seconds for the handshake and the join of a connection."""

DRAIN: Final = 10.0
"""Seconds at most for replies after the load, and for pushes that are late."""

ENGINES: Final = ("auto", "c", "python")

NUMBER: Final = "{n}"
"""Stands in a topic for its number."""

MARK_SIZE: Final = 14
STAMP_SIZE: Final = MARK_SIZE + 1 + 7 + 1 + 19
"""Characters of a stamp: the mark, the number of the client, the time in nanoseconds."""


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """One run.

    Attributes:
        url: The URL of the socket.
        clients: The number of connections.
        topic: The topic, with ``{n}`` for its number; None for heartbeats alone.
        topics: The number of topics: client i is in topic i modulo this.
        event: The event of the pushes.
        rate: Pushes of a client in a second.
        seconds: The length of the load.
        payload: The rest of the payload.
        name: The name of the field with the stamp.
        size: Characters of the text in this field.
        hears: Whether deliveries of broadcasts are measured.
        params: The parameters of the connect.
        token: The token beside the URL.
        vsn: The version of the wire.
        transport: ``websocket`` or ``longpoll``.
        mark: A text of MARK_SIZE characters that no other run has.
    """

    url: str
    clients: int
    topic: str | None
    topics: int
    event: str
    rate: float
    seconds: float
    mark: str
    payload: dict[str, Any] = field(default_factory=dict[str, Any])
    name: str = "body"
    size: int = 60
    hears: bool = False
    params: dict[str, str] = field(default_factory=dict[str, str])
    token: str | None = None
    vsn: str = "2.0.0"
    transport: str = "websocket"

    def topic_of(self, client: int) -> str:
        """Return the topic of a client."""
        return (self.topic or "").replace(NUMBER, str(client % self.topics))

    def planned(self, ready: int) -> int:
        """Return the number of pushes of a whole run, for a number of clients that are ready.

        Push m is due at m / (rate * ready) seconds, and those before the end are sent.
        """
        return max(math.ceil(self.rate * ready * self.seconds - 1e-9), 0)

    def around_stamp(self) -> tuple[str, str]:
        """Return the JSON text of a payload before its stamp, and after it."""
        text = self.mark + "x" * (self.size - STAMP_SIZE)
        before, _, after = json.dumps({**self.payload, self.name: text}).partition(self.mark)
        return before, after

    def stamp(self, client: int, now_ns: int) -> str:
        """Return the stamp of a push."""
        return f"{self.mark}-{client:07}-{now_ns:019}"


def stamp_time(mark: bytes, data: bytes) -> int | None:
    """Return the time in the stamp of a message; None if it has none."""
    start = data.find(mark)
    if start < 0:
        return None
    digits = data[start + MARK_SIZE + 9 : start + STAMP_SIZE]
    return int(digits) if digits.isdigit() else None
