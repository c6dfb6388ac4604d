"""A publisher as a node of the bus: its adapter and its store, from their start to their stop.

Theory of operation
-------------------
With an address each start has a new adapter and a new store. So a child of ``fork``, and a publisher whose event loop was closed
without a stop, begin anew. What they had before is kept and never closed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from typing import Any, TypeVar

from ..bus.address import adapter_for, without_password
from ..bus.bus import PUBLISHER, BusAdapter, Loss
from ..bus.local import LocalAdapter
from ..errors import DefinitionError, NotConfirmed, NotStarted, WrongThread
from ..history.history import History
from ..logs.log import Log, Printed
from ..message import Broadcast
from ..reasons import LossReason
from .entries import FOUND_LATER, EntryPublisher
from .given_logs import GivenLogs

__all__ = ["PublisherNode"]

T = TypeVar("T")

_inherited: list[Any] = []
"""What a child has of its parent's publishers. It is never closed: that would reach into the parent's event loop."""


class PublisherNode:
    """The node of one publisher.

    Args:
        bus: The address of the bus, or an adapter.
        logs: The histories and their store; None for a publisher without histories.
        timeout: The most seconds for which a call waits for the bus.

    Raises:
        DefinitionError: The address can't be used, or is the bus of one process.
    """

    def __init__(self, bus: str | BusAdapter, logs: GivenLogs | None, timeout: float) -> None:
        self._bus = bus
        self._logs = logs
        self._timeout = timeout
        self._made_in = os.getpid()
        if isinstance(self._new_adapter(), LocalAdapter):
            raise DefinitionError(
                "Publisher(...)",
                expected="the bus of the processes that serve clients",
                got=f"{self.address}, the bus of one process alone",
                write='Publisher("ipc:///run/chat"), and Endpoint(pubsub="ipc:///run/chat")',
            )
        self._log = Log("bennu.publisher")
        self._adapter: BusAdapter | None = None
        self._entries: EntryPublisher | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started_in = 0
        self._dropped = 0
        self._checked = 0
        self._is_unconfirmed = False

    @property
    def address(self) -> str:
        """The address of the bus, without a password."""
        if isinstance(self._bus, str):
            return without_password(self._bus)
        return type(self._bus).__name__

    @property
    def is_started(self) -> bool:
        """Whether the node is started in this process."""
        return self._adapter is not None and self._started_in == os.getpid()

    # Start and stop.

    async def start(self) -> None:
        """Connect; see :meth:`Publisher.start`."""
        if self.is_started and not self._is_abandoned:
            self.expect("start")
            return
        adapter = self._new_adapter()
        if self._adapter is not None:
            _inherited.append((self._adapter, self._entries, self._loop))
            self._adapter = self._entries = None
            if self._logs is not None:
                self._logs.abandon()
        try:
            await adapter.start(_ignore, self._lost)
            if self._logs is not None:
                store = await self._logs.store()
                entries = EntryPublisher(store, adapter.publish, self._timeout, self._log)
                await entries.start()
                self._entries = entries
        except BaseException:
            await adapter.stop()
            raise
        self._adapter = adapter
        self._loop = asyncio.get_running_loop()
        self._started_in = os.getpid()
        self._dropped = self._checked = 0
        self._is_unconfirmed = False

    async def stop(self) -> None:
        """Wait until the store and the bus have taken everything, and disconnect; see :meth:`Publisher.stop`."""
        if self._adapter is None:
            return
        self.expect("stop")
        try:
            if self._entries is not None:
                await self._entries.stop()
            if self._is_unconfirmed:
                await self.confirm("stop")
        finally:
            await self.disconnect()

    async def disconnect(self) -> None:
        """Disconnect, without a wait for the bus."""
        adapter, self._adapter = self._adapter, None
        entries, self._entries = self._entries, None
        try:
            if entries is not None:
                await entries.stop()
        finally:
            if adapter is not None:
                await adapter.stop()

    # Messages.

    def log_of(self, topic: str, event: str) -> tuple[EntryPublisher, History] | None:
        """Return what appends to the log of a topic, and its history.

        For a topic without history, and for an event that is ephemeral there, the result is None.
        """
        if self._logs is None or self._entries is None:
            return None
        history = self._logs.histories.of(topic, event)
        return None if history is None else (self._entries, history)

    async def publish(
        self, adapter: BusAdapter, topic: str, data: bytes, *, confirm: bool
    ) -> int | None:
        """Publish bytes on the bus. Return how many nodes hear the topic, if the bus knows.

        Args:
            adapter: What :meth:`expect` has returned.
            topic: The topic on the bus.
            data: The bytes.
            confirm: Whether to wait until the bus has taken them.

        Raises:
            EncodeError: The message is too large for the bus.
            NotConfirmed: The bus has not confirmed in time, or has dropped messages.
        """
        dropped = self._dropped
        count = await self._within_time(_publish(adapter, topic, data, confirm=confirm))
        if confirm:
            self._expect_complete(dropped)
        else:
            self._is_unconfirmed = True
        return count

    async def append(
        self,
        adapter: BusAdapter,
        log: tuple[EntryPublisher, History],
        message: Broadcast,
        *,
        confirm: bool,
    ) -> int | None:
        """Append a broadcast to the log of its topic, and announce it. Return how many nodes hear the topic, if the bus knows.

        Args:
            adapter: What :meth:`expect` has returned.
            log: What :meth:`log_of` has returned.
            message: The broadcast.
            confirm: Whether to wait until the bus has taken the announcement.

        Raises:
            EncodeError: The payload is bytes, or no JSON object, or too large for the store.
            StoreUnavailable: The store has not taken the broadcast in time.
        """
        entries, history = log
        dropped = self._dropped
        announced = await entries.publish(history, message)
        if not announced.is_on_bus:
            return None
        if not confirm:
            self._is_unconfirmed = True
            return announced.nodes
        try:
            await self._within_time(adapter.confirm())
            self._expect_complete(dropped)
        except (NotConfirmed, NotStarted):  # or the publisher was stopped meanwhile
            self._log.warning(
                "The bus %s has not confirmed a broadcast to %r, which is in the log of the topic: %s",
                self.address,
                message.topic,
                Printed(FOUND_LATER),
            )
            return None
        return announced.nodes

    async def confirm(self, method: str = "confirm") -> None:
        """Wait until the bus has taken everything; see :meth:`Publisher.confirm`."""
        adapter = self.expect(method)
        before = self._checked
        self._is_unconfirmed = False
        try:
            await self._within_time(adapter.confirm())
        except BaseException:
            self._is_unconfirmed = True
            raise
        self._checked = self._dropped
        self._expect_complete(before)

    async def _within_time(self, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await work
        except TimeoutError:
            raise NotConfirmed(
                f"the bus {self.address} has not confirmed within {self._timeout:g} s that it took the message, which"
                " can still arrive: check that the bus runs and that this process reaches it, or wait longer with"
                " Publisher(timeout=...)"
            ) from None

    def _expect_complete(self, before: int) -> None:
        """Raise an error if messages were dropped since a count."""
        dropped = self._dropped - before
        if dropped:
            raise NotConfirmed(
                f"{dropped} message(s) were dropped, because the bus {self.address} was down or took nothing for too"
                " long: publish them again when it is back"
                + (self._logs is not None)
                * ", without those to topics with history, which are in their logs"
            )

    def _lost(self, loss: Loss) -> None:
        if loss.reason is LossReason.DROPPED:
            self._dropped += loss.count or 1

    # Where a call comes from.

    def _new_adapter(self) -> BusAdapter:
        if not isinstance(self._bus, str):
            if self._made_in != os.getpid():
                raise NotStarted(
                    "this publisher has an adapter of its parent process, and two processes can't be one node: write"
                    " Publisher(ADDRESS), or make the adapter and the publisher after the fork"
                )
            return self._bus
        name = adapter_for(self._bus).node  # a name that this bus allows
        return adapter_for(self._bus, PUBLISHER + name)

    @property
    def _is_abandoned(self) -> bool:
        return self._loop is not None and self._loop.is_closed()

    def expect(self, method: str) -> BusAdapter:
        """Return the adapter, if the call comes from the event loop and the process of the start.

        Raises:
            NotStarted: The node is not started in this process.
            WrongThread: It is started on another event loop.
        """
        adapter = self._adapter
        if adapter is None:
            raise NotStarted(
                f"publisher.{method}(...): the publisher is not started: write"
                " `async with Publisher(...) as publisher:`, or await publisher.start() first"
            )
        if self._started_in != os.getpid():
            raise NotStarted(
                f"publisher.{method}(...): this process ({os.getpid()}) is a fork of the one that started the"
                " publisher, and has no connection: await publisher.start() in this process"
            )
        if self._loop is not asyncio.get_running_loop():
            raise WrongThread(
                f"publisher.{method}(...) was called on another event loop than the one on which the publisher was"
                " started: make a publisher for each event loop, or use BlockingPublisher in threads"
            )
        return adapter


async def _publish(adapter: BusAdapter, topic: str, data: bytes, *, confirm: bool) -> int | None:
    count = await adapter.publish(topic, data)
    if confirm:
        await adapter.confirm()
    return count


def _ignore(node: str, topic: str, data: bytes) -> None:
    """Do nothing: a publisher subscribes to nothing."""
