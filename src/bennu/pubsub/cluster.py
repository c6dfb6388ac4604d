"""This node among the others: what it publishes on the bus, what it hears, and what it misses.

A node alone has no :class:`Cluster`. Topics on the bus are those of :mod:`bennu.pubsub.envelope`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from ..bus.bus import PUBLISHER, BusAdapter, Loss
from ..errors import DecodeError, DefinitionError, EncodeError
from ..logs.log import Log
from ..reasons import LossReason
from ..telemetry import BusMessagesLost, Telemetry
from ..user_code.callback import crash_of
from .bus_watch import BusWatch
from .envelope import IDS, PRESENCES, TOPICS, Envelope, unpack
from .interest import PATIENCE, TopicInterest
from .postman import Postman

__all__ = ["Cluster", "expect_process", "stop_adapter"]

FAREWELL: Final = 2.0
"""The most seconds for which a stop waits until the last messages are published."""

SLOW: Final = 10.0
"""Seconds after which the log says that an adapter has not started, and the most seconds for its stop."""

Deliver = Callable[[str | None, Envelope, str], object]
"""Called with a message of another node: its topic in PubSub, or None for a disconnect by id; the envelope; and the node."""

Handler = Callable[[str, bytes], object]
"""Called with the publishing node and the bytes of a message under one of Bennu's own topics."""


class Cluster:
    """One node on the bus, from its start to its stop.

    Args:
        adapter: The adapter, not started.
        deliver: Called on the event loop with each message for PubSub.
        telemetry: Gets the events.
        log: Writes the log.

    Attributes:
        interest: What this node hears.
        watch: Whether this node hears the bus.
        postman: Publishes for callers that can't wait.
    """

    def __init__(
        self, adapter: BusAdapter, deliver: Deliver, telemetry: Telemetry, log: Log
    ) -> None:
        self._adapter = adapter
        self._deliver = deliver
        self._telemetry = telemetry
        self.log = log
        self._handlers: dict[str, list[Handler]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_stopped = False
        self._loop = asyncio.get_running_loop()
        self.interest = TopicInterest(adapter, self._spawn, log)
        self.postman = Postman(self.publish, self._spawn, log)
        self.watch = BusWatch(adapter.node, adapter.confirm, telemetry, log)

    @property
    def node(self) -> str:
        """The name of this node."""
        return self._adapter.node

    def nodes(self) -> frozenset[str]:
        """Return the names of all nodes that serve, including this one. Publishers serve no clients."""
        others = self._adapter.nodes()
        return frozenset(name for name in others if not name.startswith(PUBLISHER)) | {self.node}

    async def start(self) -> None:
        """Connect to the bus. A bus that is down does not stop the node: it connects later.

        Raises:
            DefinitionError: The address of the bus can't be used.
        """
        slow = self._loop.call_later(
            SLOW,
            self.log.warning,
            "The bus has not started for %g s: the start of the endpoint waits for it",
            SLOW,
        )
        try:
            await self._adapter.start(self._receive, self._lost)
        finally:
            slow.cancel()
        self.interest.keep(IDS)
        await self.interest.heard(IDS)
        await self.watch.start(PATIENCE)

    async def stop(self) -> None:
        """Publish what waits, and disconnect from the bus, also after a failed start."""
        self._is_stopped = True
        try:
            await self.watch.stop()
            with suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL):
                    await self.postman.empty()
        finally:  # also if the stop is cancelled
            self.interest.stop()
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            try:
                if tasks:
                    await asyncio.wait(tasks, timeout=FAREWELL)
            finally:
                await stop_adapter(self._adapter, self.log)

    def hears(self, topic: str) -> bool:
        """Return whether this node hears what other nodes send to a topic of PubSub."""
        return self.interest.hears(TOPICS + topic)

    async def heard(self, topic: str) -> None:
        """Wait until the bus has confirmed a topic of PubSub, but at most a second. While the bus is down, don't wait."""
        await self.interest.heard(TOPICS + topic, PATIENCE if self.watch.is_up else 0.0)

    # Messages.

    async def confirm(self) -> None:
        """Wait until the bus has taken all that this node has published."""
        await self._adapter.confirm()

    async def publish(self, topic: str, data: bytes, node: str | None = None) -> int | None:
        """Publish bytes to the other nodes that hear a topic. Wait while the bus can't take more.

        Any other exception of the adapter is logged: any bus can lose a message.

        Args:
            topic: The topic on the bus.
            data: The bytes.
            node: The only node that gets the message. Default: None, all other nodes.

        Returns:
            The number of other nodes for which the bus took the message; None if the bus does not know.

        Raises:
            EncodeError: The message is too large for the bus.
        """
        try:
            return await self._adapter.publish(topic, data, node)
        except EncodeError:
            raise
        except BaseException as raised:
            crash_of(raised, "the publish of the bus")  # raises what came from outside
            self.log.exception("The bus failed: a message on %r was lost", topic)
            return None

    def on_publish(self, topic: str, handler: Handler) -> Callable[[], None]:
        """Call a handler with the messages under one of Bennu's own topics. Return a function that removes the handler.

        Args:
            topic: The topic on the bus. It is not one of PubSub's.
            handler: Called on the event loop. If it raises, the exception is logged.
        """
        handlers = self._handlers.setdefault(topic, [])
        handlers.append(handler)
        self.interest.keep(topic)
        is_on = True

        def cancel() -> None:
            nonlocal is_on
            if is_on:
                is_on = False
                handlers.remove(handler)
                if not handlers:
                    del self._handlers[topic]
                    self.interest.let_go(topic)

        return cancel

    def _receive(self, node: str, topic: str, data: bytes) -> None:
        """Take a message of another node. After the stop nobody is there to get it."""
        if self._is_stopped:
            return
        try:
            if topic[:1] == TOPICS:
                self._deliver(topic[1:], unpack(data), node)
            elif topic == IDS:
                self._deliver(None, unpack(data), node)
            else:
                for handler in tuple(self._handlers.get(topic, ())):
                    self._call(handler, node, topic, data)
        except DecodeError as error:
            self._drop(node, topic, error)
        except BaseException as raised:  # the constructor of a message is code of the user
            crash_of(raised, "the constructor of a message")  # raises what came from outside
            self.log.exception("A message of the node %r on %r failed", node, topic)

    def _call(self, handler: Handler, node: str, topic: str, data: bytes) -> None:
        try:
            handler(node, data)
        except DecodeError as error:
            self._drop(node, topic, error)
        except Exception:
            self.log.exception("The handler of a message from another node on %r failed", topic)

    def _drop(self, node: str, topic: str, error: DecodeError) -> None:
        self.log.warning("A message of the node %r on %r was dropped: %s", node, topic, error)

    def _lost(self, loss: Loss) -> None:
        topic = loss.topic
        if topic is not None and topic[:1] == TOPICS:
            topic = topic[1:]
        self._telemetry.missed[loss.reason] += loss.count or 0
        is_for_this_node = loss.reason is LossReason.GAP  # the count of a TAIL is unknown
        if topic is not None and loss.topic != topic and loss.count and is_for_this_node:
            self._telemetry.accounts.of(topic).lost += loss.count
        if self._telemetry.handlers[BusMessagesLost]:
            self._telemetry.tell(BusMessagesLost(loss.node, topic, loss.count, loss.reason))
        if loss.topic is not None and loss.topic[:1] == PRESENCES:
            return  # presence repairs it
        self.log.warning(
            "Lost on the bus: %s message(s) on %s, node %s: %s",
            "an unknown number of" if loss.count is None else loss.count,
            "unknown topics" if topic is None else repr(topic),
            loss.node,
            loss.reason.meaning,
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("A task of the bus failed", exc_info=error)


def expect_process(adapter: BusAdapter, made_in: int) -> None:
    """Check that an adapter belongs to this process: its name is that of one node.

    Args:
        adapter: The adapter that an endpoint was given.
        made_in: The id of the process in which the endpoint was made.

    Raises:
        DefinitionError: This process is a child of that process.
    """
    if made_in != os.getpid():
        raise DefinitionError(
            "Endpoint(pubsub=...)",
            expected="an adapter of this process: two processes can't be one node",
            got=f"an adapter of its parent process, the node {adapter.node!r}",
            write='pubsub="redis://..." (an address), or make the adapter and the endpoint after the fork',
        )


async def stop_adapter(adapter: BusAdapter, log: Log) -> None:
    """Stop an adapter. A stop that raises or hangs is logged: the endpoint stops in any case."""
    try:
        async with asyncio.timeout(SLOW):
            await adapter.stop()
    except BaseException as raised:
        crash_of(raised, "the stop of the bus")  # raises what came from outside
        log.exception(
            "The bus could not be stopped within %g s: its last messages can be lost", SLOW
        )
