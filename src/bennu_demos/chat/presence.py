"""The people in each room. Channels track them, the list of rooms shows their number, and visits are stored."""

from __future__ import annotations

import time
from typing import Any, Final

from bennu import Endpoint, Presence

from .rooms import Rooms, is_private
from .wire import Crowd

__all__ = ["GRACE", "RoomPresence", "key_of", "name_of"]

GRACE: Final = 5.0
"""Seconds in which a page can reload or reconnect without a leave."""

PREFIX: Final = "user:"
"""The prefix of each key. A person can have the name "constructor", but a key must not be "constructor"."""


def key_of(name: str) -> str:
    """Return the key for a person's name."""
    return f"{PREFIX}{name}"


def name_of(key: str) -> str:
    """Return the name of the person with this key."""
    return key.removeprefix(PREFIX)


class RoomPresence(Presence):
    """The people in the rooms, with a meta for each open page of a person.

    Its hooks send the number of people to the lists of rooms, and store when a person left.

    Args:
        grace: Seconds after which a person who lost the connection counts as gone.
    """

    _endpoint: Endpoint
    _rooms: Rooms

    def __init__(self, grace: float = GRACE) -> None:
        super().__init__("rooms", grace=grace)

    def open(self, endpoint: Endpoint, rooms: Rooms) -> None:
        """Set the endpoint and the rooms, before the first client connects."""
        self._endpoint = endpoint
        self._rooms = rooms

    async def joined(self, topic: str, key: str, metas: list[dict[str, Any]]) -> None:
        """Send the new number of people."""
        del key, metas
        await self._tell_crowd(topic)

    async def left(self, topic: str, key: str, metas: list[dict[str, Any]]) -> None:
        """Store when the person left, and send the new number of people."""
        del metas
        await self._rooms.add_visit(_room(topic), name_of(key), time.time_ns() // 1_000_000)
        await self._tell_crowd(topic)

    async def _tell_crowd(self, topic: str) -> None:
        """Send the number of people to the lists of rooms of this process. That of a private room is nobody's business."""
        if is_private(_room(topic)):
            return
        if not self._endpoint.is_started:
            return  # the server stops, and no client is connected
        count = await self.count(topic)
        await self._endpoint.local_broadcast("rooms", "crowd", Crowd(_room(topic), count.keys))


def _room(topic: str) -> str:
    return topic.removeprefix("room:")
