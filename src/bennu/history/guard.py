"""Calls of the store, with time limits, and whether the store is up.

Theory of operation
-------------------
A join holds its connection while it waits for the store. A store that hangs would hold all connections, one time limit
after another. So after the first call that fails, the store is *down*: reads fail at once, until a probe has succeeded. The
probe is made once a second; less often if the store has failed again soon after a probe. Appends are tried all the same:
their callers have a time limit of their own, and nothing else waits for them.

Users write stores too. Whatever a store raises becomes a ``StoreUnavailable``. The traceback of an unknown exception is logged
once for each time that the store goes down.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, Literal, TypeVar

from ..errors import EncodeError, StoreUnavailable
from ..logs.log import Log, Printed
from ..store.entry import Draft
from ..store.store import Retention, Store
from ..telemetry import StoreCalled, Telemetry
from ..user_code.callback import crash_of

__all__ = ["STORE_TIMEOUT", "StoreGuard"]

STORE_TIMEOUT: Final = 5.0
"""Seconds for one call. Clients give up a join after ten."""

PROBE_EVERY: Final = 1.0
"""Seconds between two probes of a store that is down."""

LAST_PROBE: Final = 5.0
"""The same for a store that fails again and again: the pause doubles up to here."""

STEADY: Final = 10.0
"""Seconds after which a store that is back counts as steady."""

JOINS_ARE_REFUSED: Final = "Joins of topics with history that ask for recovery are refused"
"""What it means on a node that serves clients."""

T = TypeVar("T")


class StoreGuard:
    """Calls a store.

    Args:
        store: The store.
        spawn: Runs a coroutine as a task that ends with the endpoint.
        came_up: Called when the store is up again.
        log: Writes the log.
        telemetry: Gets an event for each call. Default: None, no telemetry.
        effect: What a store that is down means, for the log: a sentence that goes on with "until it is back".

    Attributes:
        is_up: Whether the last call has succeeded, or none was made.
    """

    def __init__(
        self,
        store: Store,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        came_up: Callable[[], object],
        log: Log,
        telemetry: Telemetry | None = None,
        effect: str = JOINS_ARE_REFUSED,
    ) -> None:
        self._effect = effect
        self._store = store
        self._spawn = spawn
        self._came_up = came_up
        self._log = log
        self._telemetry = telemetry
        self.is_up = True
        self._changed = 0.0
        self._pause = PROBE_EVERY

    def start(self) -> None:
        """Forget what was known of the store before the last stop."""
        self.is_up = True
        self._changed = -STEADY
        self._pause = PROBE_EVERY

    async def stop(self) -> None:
        """Stop the store. A stop that raises or hangs is logged: the endpoint stops in any case."""
        try:
            async with asyncio.timeout(STORE_TIMEOUT):
                await self._store.stop()
        except BaseException as raised:  # noqa: BLE001 - crash_of raises what came from outside
            crash_of(raised, "the stop of the store")
            self._log.exception(
                "The store %s could not be stopped within %g s", self._store.name, STORE_TIMEOUT
            )

    def expect_up(self) -> None:
        """Refuse a read of a store that is down.

        Raises:
            StoreUnavailable: The store is down.
        """
        if not self.is_up:
            raise StoreUnavailable(f"the store {self._store.name} is down")

    async def call(self, method: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Call a method of the store, and await it within a time limit.

        Args:
            method: The method.
            args: Its arguments.

        Raises:
            StoreUnavailable: The store has not answered in time, or has failed.
            EncodeError: An entry is too large for the store.
        """
        began = time.perf_counter()
        try:
            async with asyncio.timeout(STORE_TIMEOUT):
                answer = await method(*args)
        except EncodeError:
            raise
        except TimeoutError:
            error: Exception = StoreUnavailable(
                f"{self._store.name} has not answered within {STORE_TIMEOUT:g} s"
            )
        except StoreUnavailable as unavailable:
            error = unavailable
        except BaseException as raised:  # noqa: BLE001 - crash_of raises what came from outside
            crash = crash_of(raised, f"the store {self._store.name}")
            if self.is_up:
                self._log.exception("The store %s failed", self._store.name)
            error = StoreUnavailable(f"{self._store.name} failed: {type(crash).__name__}")
        else:
            self._report(method, "ok", began)
            return answer
        self._report(method, "error", began)
        self._went_down(error)
        raise error

    def _report(
        self, method: Callable[..., Any], result: Literal["ok", "error"], began: float
    ) -> None:
        """Emit that the store has answered or failed."""
        telemetry = self._telemetry
        if telemetry is not None and telemetry.handlers[StoreCalled]:
            name, duration = method.__name__.lstrip("_"), time.perf_counter() - began
            telemetry.tell(StoreCalled(self._store.name, name, result, duration))

    async def append(
        self, topic: str, drafts: Sequence[Draft], retention: Retention
    ) -> tuple[str, list[tuple[int, int]]]:
        """Append drafts to the log of a topic. Return the epoch, and the offset and the ``prev`` of each.

        Raises:
            StoreUnavailable: The store has not answered in time, or has failed.
            EncodeError: A draft is too large for the store.
        """
        return await self.call(self._append, topic, drafts, retention)

    async def _append(
        self, topic: str, drafts: Sequence[Draft], retention: Retention
    ) -> tuple[str, list[tuple[int, int]]]:
        """Append drafts, and check the shape of the answer."""
        epoch, places = await self._store.append(topic, drafts, retention)
        pairs = [(offset, prev) for offset, prev in places]
        if len(pairs) != len(drafts):
            raise ValueError(f"{len(drafts)} drafts were appended, and the answer has {len(pairs)}")
        return epoch, pairs

    def _went_down(self, error: Exception) -> None:
        if self.is_up:
            self.is_up = False
            now = asyncio.get_running_loop().time()
            is_steady = now - self._changed >= STEADY
            self._pause = PROBE_EVERY if is_steady else min(2 * self._pause, LAST_PROBE)
            self._changed = now
            self._log.error(
                "The store %s is down: %s. %s until it is back",
                self._store.name,
                error,
                Printed(self._effect),
            )
            self._spawn(self._probe())

    async def _probe(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._pause)
            try:
                async with asyncio.timeout(STORE_TIMEOUT):
                    await self._store.heads(("bennu:probe",))
            except BaseException as raised:  # noqa: BLE001 - it is still down, which was logged
                crash_of(raised, "the probe of the store")  # raises what came from outside
                continue
            break
        self.is_up = True
        seconds = loop.time() - self._changed
        self._changed = loop.time()
        self._log.warning("The store %s is back after %.1f s", self._store.name, seconds)
        self._came_up()
