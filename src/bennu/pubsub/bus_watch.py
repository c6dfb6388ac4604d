"""Watches whether this node hears the bus.

Theory of operation
-------------------
A connection that is open proves nothing: a broker can hang, a firewall can drop packets, a subscription can be lost. So
once a second the node asks its adapter to confirm that what it publishes arrives (:meth:`~bennu.bus.BusAdapter.confirm`).
If no confirmation comes for three seconds, the node is *cut off*: the health page says so, an event is emitted, and the
log says it once. Local clients are served as before. When the bus confirms again, the node is ready again.

An event loop that hangs does not look at the answers that come in the meantime. So a look waits in short slices, and a
slice counts as its length however long it took: the three seconds are seconds in which the event loop has run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from ..logs.log import Log
from ..telemetry import BusCutOff, BusRestored, Telemetry
from ..user_code.callback import crash_of

__all__ = ["EVERY", "LIMIT", "BusWatch"]

EVERY: Final = 1.0
"""Seconds between two looks."""

LIMIT: Final = 3.0
"""Seconds without a confirmation after which the node is cut off."""

SLICE: Final = 0.25
"""Seconds for which a look waits before it counts them."""


class BusWatch:
    """Whether one node hears the bus.

    Args:
        node: The name of the node.
        confirm: Returns when the bus has confirmed.
        telemetry: Gets the events.
        log: Writes the log.

    Attributes:
        is_up: Whether the node hears the bus.
    """

    def __init__(
        self,
        node: str,
        confirm: Callable[[], Awaitable[None]],
        telemetry: Telemetry,
        log: Log,
    ) -> None:
        self.is_up = False
        self._node = node
        self._confirm = confirm
        self._telemetry = telemetry
        self.log = log
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._missed = 0.0
        self._is_reported = False
        self._has_raised = False
        self._task: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[bool] | None = None

    @property
    def silence(self) -> float:
        """Seconds since the bus was heard; 0 while the node hears it."""
        return 0.0 if self.is_up else self._loop.time() - self._heard_at

    async def start(self, patience: float) -> None:
        """Look for the first time, and go on looking.

        Args:
            patience: The most seconds for which this call waits. If the bus has not confirmed by then, the node is cut off
                until it does.
        """
        if await self._look(patience):
            self._up()
        else:
            self._down()
        self._task = self._loop.create_task(self._run())

    async def stop(self) -> None:
        """Stop looking."""
        tasks = [task for task in (self._task, self._asking) if task is not None]
        self._task = self._asking = None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=LIMIT)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            if await self._look(LIMIT):
                self._up()
            elif self._missed >= LIMIT:
                self._down()

    async def _look(self, limit: float) -> bool:
        """Return whether the bus confirms within some seconds.

        Otherwise the seconds that were waited are added to what is missed: a ``confirm`` that raises takes no time.
        """
        asking = self._asking
        if asking is None or asking.done():  # else it ignored its cancellation
            asking = self._asking = self._loop.create_task(self._ask())
        waited = 0.0
        while waited < limit:
            await asyncio.wait([asking], timeout=min(SLICE, limit - waited))
            if asking.done():
                break
            waited += SLICE
        if asking.done() and not asking.cancelled() and asking.result():
            return True
        asking.cancel()
        self._missed += max(waited, EVERY)
        return False

    async def _ask(self) -> bool:
        try:
            await self._confirm()
        except BaseException as raised:
            crash_of(raised, "the confirm of the bus")  # raises what came from outside
            if not self._has_raised:
                self._has_raised = True
                self.log.exception("The bus could not be asked whether it hears this node")
            return False
        return True

    def _up(self) -> None:
        now = self._loop.time()
        silence, self._heard_at = now - self._heard_at, now
        self._missed, self._has_raised = 0.0, False
        if self.is_up:
            return
        self.is_up = True
        if self._is_reported:
            self._is_reported = False
            self.log.warning(
                "This node (%s) hears the bus again, after %.1f s", self._node, silence
            )
        if self._telemetry.handlers[BusRestored]:
            self._telemetry.tell(BusRestored(self._node, silence))

    def _down(self) -> None:
        if self._is_reported:
            return
        self.is_up, self._is_reported = False, True
        self.log.error(
            "This node (%s) has not heard the bus for %.1f s: broadcasts reach the clients of this"
            " process only, and the node is not ready",
            self._node,
            self.silence,
        )
        if self._telemetry.handlers[BusCutOff]:
            self._telemetry.tell(BusCutOff(self._node, self.silence))
