"""Calls of the store, with time limits, and whether the store is up.

Theory of operation
-------------------
A join holds its connection while it waits for the store. A store that hangs would hold all connections, one time limit
after another. So after the first call that fails, the store is *down*: reads fail at once, until a probe has succeeded. The
probe is made once a second. Appends are tried all the same: their callers have a time limit of their own, and nothing else
waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from ..errors import EncodeError, StoreUnavailable
from ..logs.log import Log
from ..store.store import Store
from ..user_code.callback import crash_of

__all__ = ["STORE_TIMEOUT", "StoreGuard"]

STORE_TIMEOUT: Final = 5.0
"""Seconds for one call. Clients give up a join after ten."""

PROBE_EVERY: Final = 1.0
"""Seconds between two probes of a store that is down."""

T = TypeVar("T")


class StoreGuard:
    """Calls a store.

    Args:
        store: The store.
        spawn: Runs a coroutine as a task that ends with the endpoint.
        came_up: Called when the store is up again.
        log: Writes the log.

    Attributes:
        is_up: Whether the last call has succeeded, or none was made.
    """

    def __init__(
        self,
        store: Store,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        came_up: Callable[[], object],
        log: Log,
    ) -> None:
        self._store = store
        self._spawn = spawn
        self._came_up = came_up
        self._log = log
        self.is_up = True
        self._down_since = 0.0

    def expect_up(self) -> None:
        """Refuse a read of a store that is down.

        Raises:
            StoreUnavailable: The store is down.
        """
        if not self.is_up:
            raise StoreUnavailable(f"the store {self._store.name} is down")

    async def call(self, call: Awaitable[T], seconds: float = STORE_TIMEOUT) -> T:
        """Await a call of the store within a time limit.

        Raises:
            StoreUnavailable: The store has not answered in time, or has failed.
            EncodeError: An entry is too large for the store.
        """
        try:
            async with asyncio.timeout(seconds):
                return await call
        except EncodeError:
            raise
        except TimeoutError:
            error: Exception = StoreUnavailable(
                f"{self._store.name} has not answered within {seconds:g} s"
            )
        except StoreUnavailable as unavailable:
            error = unavailable
        except BaseException as raised:  # noqa: BLE001 - crash_of raises what came from outside
            crash = crash_of(raised, f"the store {self._store.name}")
            self._log.exception("The store %s failed", self._store.name)
            error = StoreUnavailable(f"{self._store.name} failed: {type(crash).__name__}")
        self._went_down(error)
        raise error

    def _went_down(self, error: Exception) -> None:
        if self.is_up:
            self.is_up = False
            self._down_since = asyncio.get_running_loop().time()
            self._log.error(
                "The store %s is down: %s. Joins of topics with history that ask for recovery are refused until"
                " it is back",
                self._store.name,
                error,
            )
            self._spawn(self._probe())

    async def _probe(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(PROBE_EVERY)
            try:
                async with asyncio.timeout(STORE_TIMEOUT):
                    await self._store.heads(("bennu:probe",))
            except Exception:  # noqa: BLE001, S112 - it is still down, which was logged
                continue
            break
        self.is_up = True
        seconds = loop.time() - self._down_since
        self._log.warning("The store %s is back after %.1f s", self._store.name, seconds)
        self._came_up()
