"""The bodies of POSTs that are being read or handled: how many a session has, and how many bytes there are in all.

A slot is taken before the first byte of a body is read, so a client can't have more bodies under way than slots. Bytes
count from the moment at which they are read until their messages are handled: by session, by address and in all.
Each POST counts with some bytes more, so that many tiny ones are bounded too.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from ...longpoll import LongPoll

__all__ = ["Bodies", "Body", "NoRoom"]

OVERHEAD: Final = 16 * 1024
"""Bytes that are counted for each POST beside its body: what its connection and its request weigh."""


class NoRoom(Exception):
    """The bodies of a session, an address or a socket have as many bytes as they may have."""


class Body:
    """A POST under way.

    Attributes:
        is_over: Whether its session has ended meanwhile.
        limit: The time in which the body must have come, while it is read.
    """

    def __init__(self, bodies: Bodies, options: LongPoll, keys: tuple[Any, ...]) -> None:
        self.is_over = False
        self.limit: asyncio.Timeout | None = None
        self._bodies = bodies
        self._options = options
        self._keys = keys
        self._size = 0

    def grow(self, size: int) -> None:
        """Count bytes that have come.

        Raises:
            NoRoom: There would be too many.
        """
        options, counts = self._options, self._bodies._bytes
        share = max(options.max_body, options.max_bodies // 4)
        # A body of the largest size fits, whatever else is counted for it.
        bounds = (
            options.max_body + options.max_posts * OVERHEAD,
            share + OVERHEAD,
            options.max_bodies + OVERHEAD,
        )
        for key, bound in zip(self._keys, bounds, strict=True):
            if key is not None and counts[key] + size > bound:
                raise NoRoom
        self._size += size
        for key in self._keys:
            if key is not None:
                counts[key] += size

    def end(self) -> None:
        """Read no more: its session is over."""
        self.is_over = True
        if self.limit is not None:
            self.limit.reschedule(asyncio.get_running_loop().time())

    def close(self) -> None:
        """Count it no more."""
        counts = self._bodies._bytes
        for key in self._keys:
            if key is not None:
                counts[key] -= self._size
                if not counts[key]:
                    del counts[key]


class Bodies:
    """The bodies of an endpoint."""

    def __init__(self) -> None:
        self._of: dict[str, set[Body]] = {}
        self._bytes: Counter[Any] = Counter()

    @property
    def size(self) -> int:
        """How many entries its tables have."""
        return len(self._of) + len(self._bytes)

    def is_full(self, options: LongPoll, session: str) -> bool:
        """Return whether a session has as many bodies as it may have."""
        return len(self._of.get(session, ())) >= options.max_posts

    @contextmanager
    def enter(
        self, options: LongPoll, session: str, network: str | None, socket: object
    ) -> Generator[Body]:
        """Have a slot for a body, while it is read and handled.

        Args:
            options: Of the socket.
            session: The session's topic.
            network: What the client is known by; None if nothing is known of it.
            socket: The socket.

        Raises:
            NoRoom: There are too many bytes.
        """
        of_session = self._of.get(session, set())
        address = None if network is None else (socket, network)
        body = Body(self, options, (session, address, socket))
        body.grow(OVERHEAD)
        of_session.add(body)
        self._of[session] = of_session
        try:
            yield body
        finally:
            body.close()
            of_session.discard(body)
            if not of_session:
                self._of.pop(session, None)

    def end(self, session: str) -> None:
        """Have the bodies of a session end, since it is over."""
        for body in tuple(self._of.get(session, ())):
            body.end()
