"""The limits of POST bodies that are read or handled: their number per session, and their bytes.

A POST takes a slot before the first byte of its body is read, so a client can't have more bodies than slots. Bytes count
from the moment they are read until their messages are handled: by session, by address, and in all. Each POST counts
with additional bytes, so many tiny bodies are limited too.
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
"""Bytes that each POST counts in addition to its body: the memory of its connection and request."""


class NoRoom(Exception):
    """The bodies of a session, an address or a socket have too many bytes."""


class Body:
    """A POST under way.

    Attributes:
        is_over: Whether the session has ended.
        limit: The time limit of the body, while it is read.
    """

    def __init__(self, bodies: Bodies, options: LongPoll, keys: tuple[Any, ...]) -> None:
        self.is_over = False
        self.limit: asyncio.Timeout | None = None
        self._bodies = bodies
        self._options = options
        self._keys = keys
        self._size = 0

    def grow(self, size: int) -> None:
        """Count bytes of the body.

        Args:
            size: Bytes.

        Raises:
            NoRoom: There would be too many bytes.
        """
        options, counts = self._options, self._bodies._bytes
        share = max(options.max_body, options.max_bodies // 4)
        # A body of the largest size fits, with the bytes that it counts besides.
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
        """Stop reading, because the session has ended."""
        self.is_over = True
        if self.limit is not None:
            self.limit.reschedule(asyncio.get_running_loop().time())

    def close(self) -> None:
        """Remove the body from the counts."""
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
        """The number of entries in all tables."""
        return len(self._of) + len(self._bytes)

    def is_full(self, options: LongPoll, session: str) -> bool:
        """Return whether a session has the largest number of bodies."""
        return len(self._of.get(session, ())) >= options.max_posts

    @contextmanager
    def enter(
        self, options: LongPoll, session: str, network: str | None, socket: object
    ) -> Generator[Body]:
        """Take a slot for a body, until it is handled.

        Args:
            options: The socket's options of long polling.
            session: The session's topic.
            network: The client's network; None if its address is unknown.
            socket: The socket.

        Raises:
            NoRoom: There would be too many bytes.
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
        """End the bodies of a session that has ended."""
        for body in tuple(self._of.get(session, ())):
            body.end()
