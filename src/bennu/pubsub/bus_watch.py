"""Watches whether this node hears the bus.

Theory of operation
-------------------
A connection that is open proves nothing: a broker can hang, a firewall can drop packets, a subscription can be lost. So
once a second the node asks its adapter to confirm that what it publishes arrives (:meth:`~bennu.bus.BusAdapter.confirm`).
If no confirmation comes for three seconds, the node is *cut off*: the health page says so, an event is emitted, and the
log says it once. Local clients are served as before. When the bus confirms again, the node is ready again.

An event loop that has hung for ten seconds has not looked at the answers that came in the meantime. So a look that took
much longer than its limit proves nothing, and is repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from ..logs.log import Log
from ..telemetry import BusCutOff, BusRestored, Telemetry

__all__ = ["BusWatch"]

EVERY: Final = 1.0
"""Seconds between two looks."""

LIMIT: Final = 3.0
"""Seconds without a confirmation after which the node is cut off."""

LATE: Final = 1.0
"""Seconds that a look can last beyond its limit. If it lasted longer, the event loop has hung."""


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
        self._task: asyncio.Task[None] | None = None

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
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            started = self._loop.time()
            if await self._look(LIMIT):
                self._up()
            elif self._loop.time() - started < LIMIT + LATE:
                self._down()

    async def _look(self, limit: float) -> bool:
        """Return whether the bus confirms within some seconds."""
        try:
            async with asyncio.timeout(limit):
                await self._confirm()
        except TimeoutError:
            return False
        except Exception:
            self.log.exception("The bus could not be asked whether it hears this node")
            return False
        return True

    def _up(self) -> None:
        now = self._loop.time()
        if not self.is_up:
            self.is_up = True
            silence, self._heard_at = now - self._heard_at, now
            if self._telemetry.handlers[BusRestored]:
                self._telemetry.emit(BusRestored(self._node, silence))
            if silence > LIMIT:
                self.log.warning(
                    "This node (%s) hears the bus again, after %.1f s", self._node, silence
                )
        self._heard_at = now

    def _down(self) -> None:
        if self.is_up or self._task is None:
            self.is_up = False
            if self._telemetry.handlers[BusCutOff]:
                self._telemetry.emit(BusCutOff(self._node, self.silence))
            self.log.error(
                "This node (%s) has not heard the bus for %.1f s: broadcasts reach the clients of this"
                " process only, and the node is not ready",
                self._node,
                self.silence,
            )
