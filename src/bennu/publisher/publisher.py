"""Publishes from a process that serves no clients: a task queue, a cron job, a script, another service.

Theory of operation
-------------------
A publisher is a node of the bus that subscribes to nothing. It sends what an endpoint sends, packed by the same code
(:mod:`bennu.pubsub.packing`), so no node can tell the two apart. The name of its node begins with ``publisher@``, and
``endpoint.nodes()`` leaves such nodes out.

Nothing is lost in silence. Each call waits until the bus has confirmed the message, unless the caller says
``confirm=False``. Then a later :meth:`Publisher.confirm` or the stop waits for all of them together. An adapter that has
to drop messages says so, and the next confirmation raises.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from ..bus.address import BUS, adapter_for, given_bus, without_password
from ..bus.bus import PUBLISHER, BusAdapter, Loss
from ..bus.local import LocalAdapter
from ..errors import DefinitionError, NotConfirmed, NotStarted, WrongThread
from ..message import Broadcast, broadcast_of
from ..pubsub.envelope import IDS, TOPICS, EnvelopeKind, pack
from ..pubsub.message_types import MessageTypes
from ..pubsub.packing import packed
from ..reasons import LossReason
from ..user_code.options import CLASSES, SECONDS, optional, options

__all__ = ["TIMEOUT", "Publisher"]

T = TypeVar("T")

TIMEOUT: Final = 10.0
"""Seconds for which a call waits for the bus. ``ipc://`` waits 5 seconds for a process that hangs."""

_inherited: list[Any] = []
"""What a child has of its parent's publishers. It is never closed: that would reach into the parent's event loop."""


@options(address=optional(BUS), messages=CLASSES, timeout=SECONDS)
class Publisher:
    """Sends messages to the clients of an application, from any process that reaches its bus.

    A publisher belongs to the event loop on which it was started. Use it with ``async with``, or call :meth:`start`
    and :meth:`stop`. In code without an event loop use :class:`~bennu.BlockingPublisher`.

    Args:
        address: The address of the bus, as in ``Endpoint(pubsub=...)``, or a :class:`~bennu.bus.BusAdapter`. Default:
            None, the variable BENNU_PUBSUB.
        messages: The classes of typed messages for :meth:`send`, as in ``Endpoint(messages=...)``. Default: none.
        timeout: The most seconds for which a call waits for the bus. Default: 10.

    Raises:
        DefinitionError: There is no address, or it can't be used, or a class of ``messages`` has no JSON form.

    Example:
        ``async with Publisher("redis://cache:6379") as publisher:``
        ``    await publisher.broadcast("room:1", "news", {"text": "hello"})``
    """

    def __init__(
        self,
        address: str | BusAdapter | None = None,
        *,
        messages: Sequence[type] = (),
        timeout: float = TIMEOUT,
    ) -> None:
        given = given_bus(address)
        if given is None:
            raise DefinitionError(
                "Publisher(...)",
                expected="the address of the bus, or the variable BENNU_PUBSUB",
                got="neither",
                write='Publisher("redis://localhost:6379")',
            )
        self._bus = given
        self._types = MessageTypes(messages, owner="Publisher")
        self._timeout = timeout
        self._made_in = os.getpid()
        if isinstance(self._new_adapter(), LocalAdapter):
            raise DefinitionError(
                "Publisher(...)",
                expected="the bus of the processes that serve clients",
                got=f"{self.address}, the bus of one process alone",
                write='Publisher("ipc:///run/chat"), and Endpoint(pubsub="ipc:///run/chat")',
            )
        self._adapter: BusAdapter | None = None
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
        """Whether the publisher is started in this process."""
        return self._adapter is not None and self._started_in == os.getpid()

    # Start and stop.

    async def start(self) -> None:
        """Connect to the bus. A broker that is down is no error here: the first message waits for it.

        A child of ``fork`` starts its publisher anew.

        Raises:
            DefinitionError: The address of the bus can't be used.
            NotStarted: The publisher has an adapter that belongs to the parent of this process.
            WrongThread: The publisher is started on another event loop.
        """
        if self.is_started and not self._is_abandoned:
            self._expect("start")
            return
        adapter = self._new_adapter()
        if self._adapter is not None:
            _inherited.append((self._adapter, self._loop))
            self._adapter = None
        try:
            await adapter.start(_ignore, self._lost)
        except BaseException:
            await adapter.stop()
            raise
        self._adapter = adapter
        self._loop = asyncio.get_running_loop()
        self._started_in = os.getpid()
        self._dropped = self._checked = 0
        self._is_unconfirmed = False

    async def stop(self) -> None:
        """Wait until the bus has confirmed everything, and disconnect. Without a start this does nothing.

        Raises:
            NotConfirmed: The bus has not confirmed in time. The publisher is stopped all the same.
        """
        if self._adapter is None:
            return
        self._expect("stop")
        try:
            if self._is_unconfirmed:
                await self.confirm()
        finally:
            await self._disconnect()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            await self.stop()
        elif self.is_started:  # the block's own error is not replaced by another one
            await self._disconnect()

    # Messages.

    async def broadcast(
        self, topic: str, event: str, payload: Any = None, *, confirm: bool = True
    ) -> int | None:
        """Send an event to the clients of a topic, on all nodes.

        Args:
            topic: The topic.
            event: The name of the event.
            payload: A JSON object (a dict, Struct, dataclass or model), or ``bytes``. Default: None, ``{}``.
            confirm: Whether to wait until the bus has taken the message. Default: True.

        Returns:
            With ``ipc://`` the number of processes that hear the topic; None with a broker, which does not know.

        Raises:
            EncodeError: The payload can't be encoded, or is too large for the bus.
            ReservedEvent: The event is reserved by the protocol.
            NotConfirmed: The bus has not confirmed in time, or has dropped messages. The message can still arrive.
            NotStarted: The publisher is not started in this process.
            WrongThread: The publisher is started on another event loop.
        """
        adapter = self._expect("broadcast")
        envelope = packed(broadcast_of(_text("a topic", topic), event, payload), self._types)
        return await self._publish(adapter, TOPICS + topic, envelope.envelope, confirm=confirm)

    async def send(self, topic: str, message: Any, *, confirm: bool = True) -> int | None:
        """Send a typed message to a topic's listeners: ``self.subscribe(topic)`` and ``pubsub.subscribe(topic, ...)``.

        Clients do not get it.

        Args:
            topic: The topic.
            message: A message of a class in ``messages``, or a value of a builtin JSON type.
            confirm: Whether to wait until the bus has taken the message. Default: True.

        Returns and raises as :meth:`broadcast`.
        """
        adapter = self._expect("send")
        _text("a topic", topic)
        if isinstance(message, Broadcast):
            raise TypeError(
                "send(...) takes a typed message: write publisher.broadcast(topic, event, payload)"
            )
        envelope = packed(message, self._types)
        return await self._publish(adapter, TOPICS + topic, envelope.envelope, confirm=confirm)

    async def disconnect(self, id: str, *, confirm: bool = True) -> int | None:  # noqa: A002 - Phoenix's name
        """Close all connections that have an id, on all nodes, with the code 1001.

        Args:
            id: The id that ``Socket(id=...)`` returned, or an id of ``info.add_id``.
            confirm: Whether to wait until the bus has taken the message. Default: True.

        Returns:
            With ``ipc://`` the number of processes that serve; None with a broker.

        Raises as :meth:`broadcast`.
        """
        adapter = self._expect("disconnect")
        envelope = pack(EnvelopeKind.DISCONNECT, _text("an id", id))
        return await self._publish(adapter, IDS, envelope, confirm=confirm)

    async def confirm(self) -> None:
        """Wait until the bus has taken everything that was sent with ``confirm=False``.

        With ``ipc://`` each process that lives has taken it. A broker has taken it, and passes it on.

        Raises:
            NotConfirmed: The bus has not confirmed in time, or has dropped messages since the last confirmation.
            NotStarted: The publisher is not started in this process.
            WrongThread: The publisher is started on another event loop.
        """
        adapter = self._expect("confirm")
        before = self._checked
        self._is_unconfirmed = False
        try:
            await self._within_time(adapter.confirm())
        except BaseException:
            self._is_unconfirmed = True
            raise
        self._checked = self._dropped
        self._expect_complete(before)

    def nodes(self) -> frozenset[str]:
        """Return the names of the nodes that serve clients, as far as this publisher knows them.

        A broker tells them within a second or two after the start.
        """
        names = self._expect("nodes").nodes()
        return frozenset(name for name in names if not name.startswith(PUBLISHER))

    # Inside.

    async def _publish(
        self, adapter: BusAdapter, topic: str, data: bytes, *, confirm: bool
    ) -> int | None:
        dropped = self._dropped
        count = await self._within_time(_publish(adapter, topic, data, confirm=confirm))
        if confirm:
            self._expect_complete(dropped)
        else:
            self._is_unconfirmed = True
        return count

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
            )

    def _lost(self, loss: Loss) -> None:
        if loss.reason is LossReason.DROPPED:
            self._dropped += loss.count or 1

    async def _disconnect(self) -> None:
        adapter, self._adapter = self._adapter, None
        if adapter is not None:
            await adapter.stop()

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

    def _expect(self, method: str) -> BusAdapter:
        """Return the adapter, if the call comes from the publisher's event loop and process."""
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


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} is text, got {value!r}")
    return value
