"""Which other nodes hear which topic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .outlet import Outlet

__all__ = ["Hearers"]


class Hearers:
    """The outlets of each topic that another node hears. A topic that nobody hears takes no memory."""

    __slots__ = ("_outlets",)

    def __init__(self) -> None:
        self._outlets: dict[bytes, list[Outlet]] = {}

    def of(self, key: bytes) -> list[Outlet]:
        """Return the outlets of a topic. Don't change the list."""
        return self._outlets.get(key, [])

    def add(self, outlet: Outlet, keys: Iterable[bytes]) -> None:
        """Enter an outlet under topics that it does not have yet."""
        for key in keys:
            self._outlets.setdefault(key, []).append(outlet)

    def remove(self, outlet: Outlet, keys: Iterable[bytes]) -> None:
        """Remove an outlet from topics. A topic that it does not have has no effect."""
        for key in keys:
            outlets = self._outlets.get(key, [])
            if outlet in outlets:
                outlets.remove(outlet)
                if not outlets:
                    del self._outlets[key]
