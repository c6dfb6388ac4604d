"""Presence for code in threads: the blocking twins of its methods."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._blocking import blocking

if TYPE_CHECKING:
    from .presence import Presence, PresenceCount

__all__ = ["BlockingPresence"]


class BlockingPresence:
    """The awaitable methods of a presence, for code in other threads.

    Each waits for the event loop to do it. On the event loop it raises ``WrongThread``.
    """

    __slots__ = ("_loop", "_presence")

    def __init__(self, presence: Presence, loop: asyncio.AbstractEventLoop) -> None:
        self._presence = presence
        self._loop = loop

    def track(
        self, owner: Any, key: str | int, meta: Any = None, *, topic: str | None = None
    ) -> str:
        """Do what ``await presence.track(...)`` does."""

        async def track() -> str:
            return await self._presence.track(owner, key, meta, topic=topic)

        return blocking(self._loop, "track", track)

    def update(self, owner: Any, key: str | int, meta: Any, *, topic: str | None = None) -> str:
        """Do what ``await presence.update(...)`` does; a function runs in the event loop."""

        async def update() -> str:
            return await self._presence.update(owner, key, meta, topic=topic)

        return blocking(self._loop, "update", update)

    def update_many(
        self, owner: Any, metas: Mapping[Any, Any], *, topic: str | None = None
    ) -> dict[str, str]:
        """Do what ``await presence.update_many(...)`` does."""

        async def update_many() -> dict[str, str]:
            return await self._presence.update_many(owner, metas, topic=topic)

        return blocking(self._loop, "update_many", update_many)

    def untrack(
        self, owner: Any, key: str | int | None = None, *, topic: str | None = None
    ) -> None:
        """Do what ``await presence.untrack(...)`` does."""

        async def untrack() -> None:
            await self._presence.untrack(owner, key, topic=topic)

        blocking(self._loop, "untrack", untrack)

    def list(self, place: Any) -> dict[str, dict[str, Any]]:
        """Do what ``await presence.list(...)`` does."""
        return blocking(self._loop, "list", self._presence.list, place)

    def get_by_key(self, place: Any, key: str | int) -> dict[str, Any] | None:
        """Do what ``await presence.get_by_key(...)`` does."""
        return blocking(self._loop, "get_by_key", self._presence.get_by_key, place, key)

    def count(self, place: Any) -> PresenceCount:
        """Do what ``await presence.count(...)`` does."""
        return blocking(self._loop, "count", self._presence.count, place)

    def push_state(self, channel: Any) -> None:
        """Do what ``await presence.push_state(...)`` does."""
        blocking(self._loop, "push_state", self._presence.push_state, channel)
