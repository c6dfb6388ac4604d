"""Who is in which room: what the channels track people in, and what becomes of it when they come and go."""

from __future__ import annotations

import time
from typing import Any, Final

from bennu import Endpoint, Presence

from .store import Store
from .wire import Crowd

__all__ = ["GRACE", "RoomPresence", "key_of", "name_of"]

GRACE: Final = 5.0
"""Seconds in which a page may be loaded again, or find the network again, and nobody notices."""

PREFIX: Final = "user:"
"""What stands before the names. Somebody may be called "constructor", but no key can."""


def key_of(name: str) -> str:
    """Return the key of somebody's presences."""
    return f"{PREFIX}{name}"


def name_of(key: str) -> str:
    """Return whose presences have this key."""
    return key.removeprefix(PREFIX)


class RoomPresence(Presence):
    """The people in the rooms, each with a meta for each page that they have open there.

    It tells the lists of rooms how many there are, and the store who went.

    Args:
        grace: Seconds for which somebody stays who has lost their connection.
    """

    _endpoint: Endpoint
    _store: Store

    def __init__(self, grace: float = GRACE) -> None:
        super().__init__("rooms", grace=grace)

    def open(self, endpoint: Endpoint, store: Store) -> None:
        """Say whom to tell, and where to remember; before anybody comes."""
        self._endpoint = endpoint
        self._store = store

    async def joined(self, topic: str, key: str, metas: list[dict[str, Any]]) -> None:
        """Tell that there is one more."""
        del key, metas
        await self._tell_crowd(topic)

    async def left(self, topic: str, key: str, metas: list[dict[str, Any]]) -> None:
        """Remember when they were here, and tell that there is one less."""
        del metas
        await self._store.add_visit(_room(topic), name_of(key), time.time_ns() // 1_000_000)
        await self._tell_crowd(topic)

    async def _tell_crowd(self, topic: str) -> None:
        """Tell the lists of rooms; of this node only, since each node hears who comes and goes."""
        if not self._endpoint.is_started:
            return  # it stops: all go, and there is nobody to tell
        count = await self.count(topic)
        await self._endpoint.local_broadcast("rooms", "crowd", Crowd(_room(topic), count.keys))


def _room(topic: str) -> str:
    return topic.removeprefix("room:")
