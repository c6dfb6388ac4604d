"""The limits of a request's head, and the connections that must send a head or a body in time.

uvicorn's parser has no such limits: a client can send one byte of a header or of a body per minute, or sixty
megabytes of headers, or nothing at all.

Theory of operation. All heads of one server have the same time. So the connections that must send a head stand in
one table, in the order of their deadlines, and one timer looks at the first. A connection enters the table when it is
made, and when a request begins on a kept connection. The connection leaves the table when the head is complete. That
is two accesses to a table per request, and nothing after an upgrade. Bodies have another table. A request enters it
only if its body did not come together with its head.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

__all__ = ["DEFAULT_BODY_TIMEOUT", "DEFAULT_LIMITS", "Deadlines", "HeadLimits"]

RESOLUTION: Final = 0.01
"""Seconds by which a timer can be early."""

DEFAULT_BODY_TIMEOUT: Final = 30.0
"""Seconds in which a body must make progress."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """The limits of a request's head: its first line and its headers.

    Attributes:
        timeout: Seconds in which the head must arrive.
        max_bytes: Bytes that the head can have.
    """

    timeout: float = 10.0
    max_bytes: int = 64 * 1024


DEFAULT_LIMITS: Final = HeadLimits()


class Deadlines(Generic[T]):
    """The connections of one server that must send something, all within the same time.

    Args:
        loop: The server's event loop.
        timeout: Seconds that each connection has.
        late: Called with each connection whose time is over.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, timeout: float, late: Callable[[T], None]
    ) -> None:
        self.timeout = timeout
        self._loop = loop
        self._late = late
        self._deadlines: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Return how many connections there are."""
        return len(self._deadlines)

    def expect(self, awaited: T) -> None:
        """Give a connection the time from now on. An earlier deadline stays."""
        if awaited not in self._deadlines:
            deadline = self._deadlines[awaited] = self._loop.time() + self.timeout
            if self._timer is None:
                self._timer = self._loop.call_at(deadline, self._look)

    def forget(self, awaited: T) -> None:
        """Remove the deadline of a connection."""
        self._deadlines.pop(awaited, None)

    def _look(self) -> None:
        self._timer = None
        due = self._loop.time() + RESOLUTION
        late: list[T] = []
        for awaited, deadline in self._deadlines.items():
            if deadline > due:
                self._timer = self._loop.call_at(deadline, self._look)
                break
            late.append(awaited)
        for awaited in late:
            del self._deadlines[awaited]
        for awaited in late:
            self._late(awaited)
