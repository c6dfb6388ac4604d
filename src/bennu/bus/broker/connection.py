"""The connection of a node to its broker, which is made again whenever it ends.

Theory of operation
-------------------
The connection tries for ever, with growing pauses of random length, so that the nodes of a fleet don't come back at the same
moment. After a new connection it subscribes to all channels, and then lets the outbox go on: what others publish in answer
to this node finds it listening.

A driver says when its connection has ended. A broker that hangs says nothing, and neither does a network that drops
everything. So the node listens for its own heartbeats. If none comes back for ``deaf`` seconds, the connection is closed. A
heartbeat that came back also says up to when this node has heard everything.

A node whose own loop was held reads its heartbeats late. That is not the broker's fault, so such a turn does not count.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from ...errors import DefinitionError
from ...logs.log import Log
from .driver import Driver, Hear
from .outbox import BrokerOutbox
from .settings import BrokerSettings
from .subscriptions import Subscriptions

__all__ = ["BrokerConnection"]

CLOSE: Final = 2.0
"""Seconds for which the driver may close its connection."""


class BrokerConnection:
    """The connection.

    Args:
        driver: The driver.
        settings: The times.
        own: The channels that this node always hears.
        subscriptions: What else this node hears.
        outbox: What waits for the broker.
        hear: Called with each message.
        greeting: Returns what is published first on a new connection.
        connected: Called when the connection is made.
        disconnected: Called when it has ended.
        log: Writes the log.

    Attributes:
        is_connected: Whether there is a connection.
        heard_at: The time up to which this node has heard everything, by the clock of the event loop.
        heard_turn: The turn of the clock at that time.
    """

    def __init__(
        self,
        driver: Driver,
        settings: BrokerSettings,
        own: list[str],
        subscriptions: Subscriptions,
        outbox: BrokerOutbox,
        hear: Hear,
        greeting: Callable[[], list[tuple[str, bytes]]],
        connected: Callable[[], object],
        disconnected: Callable[[], object],
        log: Log,
    ) -> None:
        self._driver = driver
        self._settings = settings
        self._own = own
        self._subscriptions = subscriptions
        self._outbox = outbox
        self._hear = hear
        self._greeting = greeting
        self._on_connected = connected
        self._on_disconnected = disconnected
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Exception] = self._loop.create_future()
        self._beats: deque[tuple[int, float, int]] = deque()
        self._watched_since = 0.0
        self._delay = settings.first_delay
        self._down_since: float | None = None
        self._is_mistake = False
        self.is_connected = False
        self._tried: asyncio.Future[None] = self._loop.create_future()
        self.heard_at = self._loop.time()
        self.heard_turn = 0

    # Heartbeats.

    def sent(self, number: int, turn: int) -> None:
        """Note that a heartbeat was sent."""
        self._beats.append((number, self._loop.time(), turn))

    def came_back(self, number: int) -> None:
        """Note that a heartbeat has come back."""
        while self._beats and self._beats[0][0] <= number:
            _, self.heard_at, self.heard_turn = self._beats.popleft()
            self._delay = self._settings.first_delay

    @property
    def hears(self) -> bool:
        """Whether all heartbeats have come back, but the last two."""
        return self.is_connected and len(self._beats) < 3

    def watch(self, *, was_held: bool) -> None:
        """End the connection if no heartbeat comes back.

        Args:
            was_held: Whether the event loop was held, so that this node reads late.
        """
        now = self._loop.time()
        if was_held:
            self._watched_since = now
        if self.is_connected and self._beats:
            silence = now - max(self._beats[0][1], self._watched_since)
            if silence > self._settings.deaf - self._settings.beat / 4:
                self._end(TimeoutError(f"the broker returns no heartbeat for {silence:.1f} s"))

    # The connection.

    async def first_attempt(self) -> None:
        """Wait until the first attempt to connect has succeeded or failed, but not for long.

        Raises:
            DefinitionError: The first attempt has shown that no later attempt can succeed.
        """
        await asyncio.wait([self._tried], timeout=self._settings.connect)
        if not self._tried.done():
            self._tried.set_result(None)
            self._note_down(TimeoutError(f"no answer within {self._settings.connect:g} s"))
        self._tried.result()

    async def run(self) -> None:
        """Keep the connection until this task is cancelled."""
        while True:
            why = await self._connect_once()
            if isinstance(why, DefinitionError) and not self._tried.done():
                self._tried.set_exception(why)
                return
            self._note_down(why)
            if not self._tried.done():
                self._tried.set_result(None)
            await asyncio.sleep(random.uniform(0, self._delay))  # noqa: S311 - no secret
            self._delay = min(2 * self._delay, self._settings.last_delay)

    async def _connect_once(self) -> Exception:
        """Connect, and return why the connection has ended."""
        self._ended = self._loop.create_future()
        tasks: list[asyncio.Future[Any]] = []
        try:
            await self._open()
            self._note_up()
            tasks = [
                self._loop.create_task(self._outbox.write(self._driver)),
                self._loop.create_task(self._subscriptions.work(self._driver)),
                self._ended,
            ]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if self._ended in done:
                return self._ended.result()
            error = done.pop().exception()
            return error if isinstance(error, Exception) else ConnectionError(str(error))
        except TimeoutError as error:
            seconds = self._settings.connect
            return error if str(error) else TimeoutError(f"no answer within {seconds:g} s")
        except Exception as error:  # noqa: BLE001 - each client library has its own
            return error
        finally:
            await self._close(tasks)

    async def _open(self) -> None:
        """Connect, and subscribe to all channels."""
        ended, driver, seconds = self._ended, self._driver, self._settings.connect

        def broken(error: Exception) -> None:
            if not ended.done():
                ended.set_result(error)

        async with asyncio.timeout(seconds):
            await driver.connect(self._hear, broken)
        async with asyncio.timeout(seconds):
            await driver.subscribe(self._own)
        await self._subscriptions.resubscribe(driver, seconds)
        self._beats.clear()
        async with asyncio.timeout(seconds):
            await driver.publish(self._greeting())
        self.is_connected = True
        self._watched_since = self._loop.time()
        self._outbox.connect()
        self._on_connected()

    async def _close(self, tasks: list[asyncio.Future[Any]]) -> None:
        was_connected, self.is_connected = self.is_connected, False
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled():
                    task.exception()  # it was returned, or comes of the same end
        self._subscriptions.disconnect()
        if was_connected:
            self._outbox.disconnect()
            self._on_disconnected()
        with suppress(Exception):  # the connection is given up, whatever its end says
            async with asyncio.timeout(CLOSE):
                await self._driver.close()

    def _end(self, why: Exception) -> None:
        if not self._ended.done():
            self._ended.set_result(why)

    # The log.

    def _note_down(self, why: Exception) -> None:
        """Log the first reason of an outage; and once if it then takes a human to end it, such as a new password."""
        is_mistake = isinstance(why, DefinitionError)
        if self._down_since is None or (is_mistake and not self._is_mistake):
            self._down_since = self._down_since or self._loop.time()
            self._is_mistake = is_mistake
            self._log.error(
                "The bus %s is down: %s. This node tries again until it is back",
                self._driver.name,
                why if str(why) else type(why).__name__,
            )

    def _note_up(self) -> None:
        if self._down_since is not None:
            self._log.warning(
                "The bus %s is back after %.1f s",
                self._driver.name,
                self._loop.time() - self._down_since,
            )
            self._down_since = None
            self._is_mistake = False
        if not self._tried.done():
            self._tried.set_result(None)
