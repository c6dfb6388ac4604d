"""Requests that have not come whole: how long a head and a body may take, and how large a head may be.

uvicorn's parser bounds none of it: a client may send one byte of a header or of a body a minute, or sixty
megabytes of headers, or nothing at all.

Theory of operation. All heads of one server have as long, so the connections that owe one stand in one table
in the order of their deadlines, and one timer looks at its front. A connection enters when it is made, and when
a request begins on one that is kept alive; it leaves when a head is complete. So this costs a connection two
accesses to a table, and one that has become a WebSocket nothing. Bodies have a table of their own, which a
request enters only if its body has not come together with its head.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

__all__ = ["DEFAULT_BODY_TIMEOUT", "DEFAULT_BOUNDS", "Deadlines", "HeadBounds"]

RESOLUTION: Final = 0.01
"""Seconds by which a timer may be early."""

DEFAULT_BODY_TIMEOUT: Final = 30.0
"""Seconds in which a body must make some progress."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HeadBounds:
    """What the head of a request may be: its first line and its headers.

    Attributes:
        timeout: Seconds until it has come whole.
        max_bytes: How large it may be.
    """

    timeout: float = 10.0
    max_bytes: int = 64 * 1024


DEFAULT_BOUNDS: Final = HeadBounds()


class Deadlines(Generic[T]):
    """The connections of one server that owe it something, all within the same time.

    Args:
        loop: The server's event loop.
        timeout: Seconds that each has.
        late: Called with each whose time is over.
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
        """Return how many there are."""
        return len(self._deadlines)

    def expect(self, awaited: T) -> None:
        """Give a connection the time from now on; if it has a deadline already, that stays."""
        if awaited not in self._deadlines:
            deadline = self._deadlines[awaited] = self._loop.time() + self.timeout
            if self._timer is None:
                self._timer = self._loop.call_at(deadline, self._look)

    def forget(self, awaited: T) -> None:
        """Expect nothing of it any more."""
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
