"""Hears what a broker announces of topics, for stores that announce their new entries themselves.

Theory of operation
-------------------
A feed uses a driver of a bus (:mod:`bennu.bus.broker.driver`), which carries bytes under channels for the time of one
connection. The feed keeps the driver connected. If a connection fails or ends, it tries again for ever, with growing pauses
of random length, so that the nodes of a fleet don't come back at the same moment. On a new connection it subscribes to the
channels of all topics again.

What was announced between two connections is lost. So after each connection but the first, the feed asks for a read of every
topic. It also does so after a gap that the driver notices in a part of its broker.

A broker that hangs says nothing. So the feed publishes a heartbeat on a channel of its own, and ends the connection if the
heartbeat does not come back. A driver that notices this itself needs no heartbeat.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Final

from ..bus.broker.driver import Driver
from ..bus.broker.settings import BrokerSettings, Channels
from ..bus.broker.subscriptions import Subscriptions
from ..errors import DefinitionError, StoreUnavailable
from ..logs.log import Log

__all__ = ["Feed"]

CLOSE: Final = 2.0
"""Seconds for which the driver may close its connection."""


class Feed:
    """Hears the channels of topics.

    Args:
        driver: The driver. It belongs to the feed.
        channels: The names of the channels of topics.
        hear: Called with the topic and the bytes of each message. It never waits or raises.
        read_again: Called with a topic whose messages can have been lost. It never waits or raises.
        heartbeat: The channel of the heartbeat, which no other feed has; None if the driver notices a broker that hangs.
        settings: The times. Default: those of a node on a bus: a heartbeat each second, which must come back within 3 s.
        log: Writes the log. Default: the log of the stores.
    """

    def __init__(
        self,
        driver: Driver,
        channels: Channels,
        hear: Callable[[str, bytes], object],
        read_again: Callable[[str], object],
        *,
        heartbeat: str | None,
        settings: BrokerSettings | None = None,
        log: Log | None = None,
    ) -> None:
        self._driver = driver
        self._hear = hear
        self._read_again = read_again
        self._heartbeat = heartbeat
        self._settings = BrokerSettings() if settings is None else settings
        self._log = Log("bennu.store") if log is None else log
        self._subscriptions = Subscriptions(channels, _ignore)
        self._is_connected = False
        self._is_closing = False
        self._has_connected = False
        self._why_down: Exception | None = None
        self._failed = asyncio.Event()
        self._delay = self._settings.first_delay
        self._heard_at = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def is_connected(self) -> bool:
        """Whether messages are heard."""
        return self._is_connected

    @property
    def driver(self) -> Driver:
        """The driver."""
        return self._driver

    # Start and stop.

    def start(self) -> None:
        """Begin to connect. A feed is started once."""
        self._driver.on_gap(self._gap)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End the connection. Calls of :meth:`subscribe` return."""
        task, self._task = self._task, None
        if task is not None:
            if not self._is_closing:  # a connection that is half closed would stay open
                task.cancel()
            await asyncio.wait([task])
        self._subscriptions.stop()

    # Topics.

    async def subscribe(self, topics: Collection[str]) -> None:
        """Hear topics, and return when every later message is heard.

        A call that fails or is cancelled still subscribes, as soon as the broker is there, until :meth:`unsubscribe`.

        Raises:
            EncodeError: A topic is too long, or has no UTF-8 form.
            StoreUnavailable: The broker can't be reached.
        """
        for batch in self._subscriptions.add(topics):
            await self._confirmed(batch.confirmed)

    async def _confirmed(self, confirmed: asyncio.Event) -> None:
        """Wait for the confirmation of some topics, or for a failure of the connection."""
        if self._why_down is None:
            tasks = [asyncio.ensure_future(one.wait()) for one in (confirmed, self._failed)]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
        if not confirmed.is_set():
            raise StoreUnavailable(
                f"the store {self._driver.name} can't be reached: {_text(self._why_down)}"
            )

    def unsubscribe(self, topics: Collection[str]) -> None:
        """Hear topics no more."""
        self._subscriptions.remove(topics)

    # The connection.

    async def _run(self) -> None:
        """Keep the connection until this task is cancelled."""
        while True:
            why = await self._connect_once()
            if self._task is None:
                return
            self._note_down(why)
            await asyncio.sleep(random.uniform(0, self._delay))  # noqa: S311 - no secret
            self._delay = min(2 * self._delay, self._settings.last_delay)

    async def _connect_once(self) -> Exception:
        """Connect, and return why the connection has ended."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Exception] = loop.create_future()
        tasks: list[asyncio.Future[Any]] = []
        try:
            await self._open(ended)
            tasks = [ended, loop.create_task(self._subscriptions.work(self._driver))]
            if self._heartbeat is not None:
                tasks.append(loop.create_task(self._beat(self._heartbeat)))
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if ended in done:
                return ended.result()
            error = done.pop().exception()
            return error if isinstance(error, Exception) else ConnectionError(str(error))
        except TimeoutError:
            return TimeoutError(f"no answer within {self._settings.connect:g} s")
        except Exception as error:  # noqa: BLE001 - each client library has its own
            return error
        finally:
            await self._close(tasks)

    async def _open(self, ended: asyncio.Future[Exception]) -> None:
        """Connect, and subscribe to all channels."""
        driver, seconds = self._driver, self._settings.connect

        def broken(error: Exception) -> None:
            if not ended.done():
                ended.set_result(error)

        async with asyncio.timeout(seconds):
            await driver.connect(self._heard, broken)
        if self._heartbeat is not None:
            async with asyncio.timeout(seconds):
                await driver.subscribe([self._heartbeat])
        again = [*self._subscriptions.topics] if self._has_connected else []
        await self._subscriptions.resubscribe(driver, seconds)
        self._is_connected = self._has_connected = True
        self._note_up()
        for topic in again:
            self._read_again(topic)

    async def _close(self, tasks: list[asyncio.Future[Any]]) -> None:
        self._is_connected = False
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled():
                    task.exception()  # it was returned, or comes of the same end
        self._subscriptions.disconnect()
        self._is_closing = True
        with suppress(Exception):  # the connection is given up, whatever its end says
            async with asyncio.timeout(CLOSE):
                await self._driver.close()
        self._is_closing = False

    # Messages.

    def _heard(self, channel: str, data: bytes) -> None:
        known = self._subscriptions.by_channel.get(channel)
        if known is not None:
            self._hear(known.topic, data)
        elif channel == self._heartbeat:
            self._heard_at = asyncio.get_running_loop().time()
            self._delay = self._settings.first_delay

    def _gap(self, _: float) -> None:
        for topic in [*self._subscriptions.topics]:
            self._read_again(topic)

    async def _beat(self, channel: str) -> None:
        """Publish heartbeats, and fail if none comes back."""
        loop, beat, deaf = asyncio.get_running_loop(), self._settings.beat, self._settings.deaf
        self._heard_at = before = loop.time()
        while True:
            async with asyncio.timeout(deaf):
                await self._driver.publish([(channel, b"")])
            await asyncio.sleep(beat)
            now = loop.time()
            if now - before > 2 * beat:  # the event loop was held: this node reads late
                self._heard_at = now
            before = now
            if now - self._heard_at > deaf - beat / 4:
                silence = now - self._heard_at
                raise TimeoutError(f"the broker returns no heartbeat for {silence:.1f} s")

    # The log.

    def _note_down(self, why: Exception) -> None:
        """Log the first reason of an outage."""
        if self._why_down is None:
            self._log.error(
                "The store %s announces no new entries to this node: %s. Bennu connects again, and reads the logs"
                " meanwhile",
                self._driver.name,
                _text(why),
            )
        self._why_down = why
        self._failed.set()

    def _note_up(self) -> None:
        if self._why_down is not None:
            self._log.warning("The store %s announces new entries again", self._driver.name)
            self._why_down = None
        self._failed.clear()
        if self._heartbeat is None:
            self._delay = self._settings.first_delay


def _text(error: Exception | None) -> str:
    if isinstance(error, DefinitionError):
        return f"{error.got} (expected {error.expected})"
    return str(error) or type(error).__name__


def _ignore(_: object) -> None:
    """Do nothing."""
