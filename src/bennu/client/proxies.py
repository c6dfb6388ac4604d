"""Whether this machine has settings for proxies.

``websockets`` reads the settings at each connect. With 70 variables in the environment that takes 0.2 ms, as much
as all else of a connect that fails. So Bennu lets it read them only if there are any, and asks once in ten seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.request import getproxies

__all__ = ["PROXY_SETTINGS", "ProxySettings"]

MAX_AGE: Final = 10.0
"""Seconds for which an answer is kept. The settings of a machine can change while a client lives."""


class ProxySettings:
    """The settings for proxies, of the environment or of the system.

    Args:
        read: Returns the settings.
        clock: Returns the time in seconds.
    """

    __slots__ = ("_are_there", "_clock", "_read", "_until")

    def __init__(
        self,
        read: Callable[[], Mapping[str, str]] = getproxies,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._clock = clock
        self._are_there = False
        self._until: float | None = None

    @property
    def are_there(self) -> bool:
        """Whether there are any, at most ten seconds ago."""
        now = self._clock()
        if self._until is None or now >= self._until:
            self._are_there = bool(self._read())
            self._until = now + MAX_AGE
        return self._are_there


PROXY_SETTINGS: Final = ProxySettings()
"""Those of this process."""
