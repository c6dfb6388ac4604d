"""Entries whose owners have ended, and that wait for somebody to adopt them, or for the end of their grace.

After a break of the network ten thousand of them may come and be adopted within seconds, and all may have
the same key. So each step takes the same time however many there are: they expire in the order in which they
came, and are found by their place and by what their meta says.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from .net_effect import PREV, REF, Meta

__all__ = ["Adopted", "Orphans", "Place"]

Place = tuple[str, str]
"""Topic and key."""

Adopted = tuple[int, bool]
"""The actor of an entry, and whether its meta says the same as that of its heir."""

_canonical: Final = msgspec.json.Encoder(order="deterministic").encode


class _Orphan:
    """An entry without an owner."""

    __slots__ = ("actor", "deadline", "is_adopted", "place", "said")

    def __init__(self, place: Place, actor: int, said: bytes, deadline: float) -> None:
        self.place = place
        self.actor = actor
        self.said = said
        self.deadline = deadline
        self.is_adopted = False


class Orphans:
    """All that wait, of one presence on this node."""

    __slots__ = ("_found", "_queue")

    def __init__(self) -> None:
        self._queue: deque[_Orphan] = deque()
        # Place -> what the meta says -> those that say it; the latest is taken first.
        self._found: dict[Place, dict[bytes, dict[_Orphan, None]]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, place: Place, actor: int, meta: Meta, deadline: float) -> None:
        """Take an entry in.

        Args:
            place: Where it is.
            actor: Under which actor.
            meta: Its meta.
            deadline: When it expires, not before any that was added earlier.
        """
        orphan = _Orphan(place, actor, _said(meta), deadline)
        self._queue.append(orphan)
        self._found.setdefault(place, {}).setdefault(orphan.said, {})[orphan] = None

    def adopt(self, place: Place, meta: Meta) -> Adopted | None:
        """Let one go to an heir, rather one with an equal meta, or return None if there is none."""
        here = self._found.get(place)
        if here is None:
            return None
        said = _said(meta)
        bucket = here.get(said) or here[next(reversed(here))]
        orphan = next(reversed(bucket))
        self._forget(orphan)
        orphan.is_adopted = True
        return orphan.actor, orphan.said == said

    def expire(self, now: float) -> list[tuple[Place, int]]:
        """Let those go whose time is over; return their places and actors."""
        gone: list[tuple[Place, int]] = []
        queue = self._queue
        while queue and (queue[0].is_adopted or queue[0].deadline <= now):
            orphan = queue.popleft()
            if not orphan.is_adopted:
                self._forget(orphan)
                gone.append((orphan.place, orphan.actor))
        return gone

    @property
    def deadline(self) -> float | None:
        """When the next one expires."""
        return self._queue[0].deadline if self._queue else None

    def _forget(self, orphan: _Orphan) -> None:
        here = self._found[orphan.place]
        bucket = here[orphan.said]
        del bucket[orphan]
        if not bucket:
            del here[orphan.said]
            if not here:
                del self._found[orphan.place]


def _said(meta: Meta) -> bytes:
    """Return what a meta says besides its refs, the same for all that say the same."""
    return _canonical({name: value for name, value in meta.items() if name not in (REF, PREV)})
