"""Requests whose heads have not come whole: how long each may take, and how large it may become.

uvicorn's parser bounds neither: a client may send one byte of a header a minute, or sixty megabytes of
them, or nothing at all.

Theory of operation. All heads of one server have as long, so who is awaited stands in one table in the
order of the deadlines, and one timer looks at its front. A connection enters when it is made, and when
a request begins on one that is kept alive; it leaves when a head is complete. So this costs a connection two
accesses to a table, and one that has become a WebSocket nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

from .._runtime.excesses import Excesses

__all__ = ["DEFAULT_BOUNDS", "Awaited", "HeadBounds", "Heads"]

RESOLUTION: Final = 0.01
"""Seconds by which a timer may be early."""


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


class Awaited(Protocol):
    """A connection whose next head is awaited."""

    def head_is_late(self) -> None:
        """It did not come in time."""
        ...


class Heads:
    """The connections of one server of which a head is awaited.

    Args:
        loop: The server's event loop.
        bounds: What a head may be.
        excesses: Where heads are counted that are more.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, bounds: HeadBounds, excesses: Excesses
    ) -> None:
        self.bounds = bounds
        self.excesses = excesses
        self._loop = loop
        self._deadlines: dict[Awaited, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Return how many are awaited."""
        return len(self._deadlines)

    def expect(self, awaited: Awaited) -> None:
        """Expect a head from now on; if one is awaited already, its time goes on."""
        if awaited not in self._deadlines:
            deadline = self._deadlines[awaited] = self._loop.time() + self.bounds.timeout
            if self._timer is None:
                self._timer = self._loop.call_at(deadline, self._look)

    def forget(self, awaited: Awaited) -> None:
        """Expect none any more."""
        self._deadlines.pop(awaited, None)

    def _look(self) -> None:
        self._timer = None
        due = self._loop.time() + RESOLUTION
        late: list[Awaited] = []
        for awaited, deadline in self._deadlines.items():
            if deadline > due:
                self._timer = self._loop.call_at(deadline, self._look)
                break
            late.append(awaited)
        for awaited in late:
            del self._deadlines[awaited]
        for awaited in late:
            awaited.head_is_late()
