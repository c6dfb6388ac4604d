"""Who is in which room."""

from __future__ import annotations

from collections import defaultdict

from bennu import Connection

__all__ = ["People"]


class People:
    """The people in the rooms of this one server.

    They are kept by connection. So a page that joins twice, as it may after a bad moment of the
    network, counts once; and somebody who has two pages open has left when both are closed.
    """

    def __init__(self) -> None:
        self._rooms: defaultdict[str, dict[Connection, str]] = defaultdict(dict)

    def enter(self, room: str, connection: Connection, name: str) -> bool:
        """Let somebody in, and return whether they were not there already."""
        here = self._rooms[room]
        is_new = name not in here.values()
        here[connection] = name
        return is_new

    def leave(self, room: str, connection: Connection) -> bool:
        """Let somebody out, and return whether they are gone for good."""
        here = self._rooms[room]
        name = here.pop(connection, None)
        is_gone = name is not None and name not in here.values()
        if not here:
            del self._rooms[room]
        return is_gone

    def names(self, room: str) -> list[str]:
        """Return who is in a room, in alphabetical order."""
        return sorted(set(self._rooms.get(room, {}).values()), key=str.casefold)
