"""Presence for code in threads: blocking versions of its methods."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..loop.blocking import blocking

if TYPE_CHECKING:
    from .diffs import PresenceCount
    from .presence import Presence

__all__ = ["BlockingPresence"]

T = TypeVar("T")


class BlockingPresence:
    """The awaitable methods of a presence, for code in other threads.

    Each method waits until the event loop has done the call. Called on an event loop, it raises ``WrongThread``.
    """

    __slots__ = ("_presence",)

    def __init__(self, presence: Presence) -> None:
        self._presence = presence

    def _await(self, name: str, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        return blocking(self._presence.loop_for_thread(name), name, function, *args)

    def track(
        self, owner: Any, key: str | int, meta: Any = None, *, topic: str | None = None
    ) -> str:
        """Do what ``await presence.track(...)`` does."""

        async def track() -> str:
            return await self._presence.track(owner, key, meta, topic=topic)

        return self._await("track", track)

    def update(self, owner: Any, key: str | int, meta: Any, *, topic: str | None = None) -> str:
        """Do what ``await presence.update(...)`` does. If ``meta`` is a function, it runs in the event loop."""

        async def update() -> str:
            return await self._presence.update(owner, key, meta, topic=topic)

        return self._await("update", update)

    def update_many(
        self, owner: Any, metas: Mapping[Any, Any], *, topic: str | None = None
    ) -> dict[str, str]:
        """Do what ``await presence.update_many(...)`` does."""

        async def update_many() -> dict[str, str]:
            return await self._presence.update_many(owner, metas, topic=topic)

        return self._await("update_many", update_many)

    def untrack(
        self, owner: Any, key: str | int | None = None, *, topic: str | None = None
    ) -> None:
        """Do what ``await presence.untrack(...)`` does."""

        async def untrack() -> None:
            await self._presence.untrack(owner, key, topic=topic)

        self._await("untrack", untrack)

    def list(self, place: Any) -> dict[str, dict[str, Any]]:
        """Do what ``await presence.list(...)`` does."""
        return self._await("list", self._presence.list, place)

    def get_by_key(self, place: Any, key: str | int) -> dict[str, Any] | None:
        """Do what ``await presence.get_by_key(...)`` does."""
        return self._await("get_by_key", self._presence.get_by_key, place, key)

    def count(self, place: Any) -> PresenceCount:
        """Do what ``await presence.count(...)`` does."""
        return self._await("count", self._presence.count, place)

    def push_state(self, channel: Any) -> None:
        """Do what ``await presence.push_state(...)`` does."""
        self._await("push_state", self._presence.push_state, channel)
