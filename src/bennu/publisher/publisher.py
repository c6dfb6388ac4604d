"""Publishes from a process that serves no clients: a task queue, a cron job, a script, another service.

Theory of operation
-------------------
A publisher is a node of the bus that subscribes to nothing. It sends what an endpoint sends, packed by the same code
(:mod:`bennu.pubsub.packing`), so no node can tell the two apart. The name of its node begins with ``publisher@``, and
``endpoint.nodes()`` leaves such nodes out.

A broadcast to a topic with history is appended to the log of the topic first, as on an endpoint (:mod:`.entries`).

Nothing is lost in silence. Each call waits until the bus has confirmed the message, unless the caller says
``confirm=False``. Then a later :meth:`Publisher.confirm` or the stop waits for all of them together. An adapter that has
to drop messages says so, and the next confirmation raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from ..bus.address import BUS, given_bus
from ..bus.bus import PUBLISHER, BusAdapter
from ..errors import DefinitionError
from ..history.history import History
from ..message import Broadcast, broadcast_of
from ..pubsub.envelope import IDS, TOPICS, EnvelopeKind, pack
from ..pubsub.message_types import MessageTypes
from ..pubsub.packing import packed
from ..store.address import STORE
from ..store.store import Store
from ..user_code.options import CLASSES, SECONDS, optional, options
from .given_logs import HISTORIES, given_logs
from .node import PublisherNode
from .of_endpoint import HasPubSub, bus_of, logs_of_endpoint, pubsub_of

__all__ = ["TIMEOUT", "Publisher"]

TIMEOUT: Final = 10.0
"""Seconds for which a call waits for the bus. ``ipc://`` waits 5 seconds for a process that hangs."""


@options(
    address=optional(BUS),
    messages=CLASSES,
    timeout=SECONDS,
    store=optional(STORE),
    histories=optional(HISTORIES),
)
class Publisher:
    """Sends messages to the clients of an application, from any process that reaches its bus.

    A publisher belongs to the event loop on which it was started. Use it with ``async with``, or call :meth:`start`
    and :meth:`stop`. In code without an event loop use :class:`~bennu.BlockingPublisher`.

    Args:
        address: The address of the bus, as in ``Endpoint(pubsub=...)``, or a :class:`~bennu.bus.BusAdapter`. Default:
            None, the variable BENNU_PUBSUB.
        messages: The classes of typed messages for :meth:`send`, as in ``Endpoint(messages=...)``. Default: none.
        timeout: The most seconds for which a call waits for the bus. Default: 10.
        store: The store of the endpoint, which keeps the logs of topics with history: an address or a
            :class:`~bennu.store.Store`. Default: None, the variable BENNU_STORE if there are ``histories``.
        histories: Which topics have history: the history of each topic pattern of the endpoint, as in
            ``{"room:*": RoomChannel.history}``. Default: None, no topic has history.

    Raises:
        DefinitionError: There is no address, or it can't be used, or a class of ``messages`` has no JSON form. Or there is a
            store without histories, histories without a store, or the store is in the memory of one process.

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
        store: str | Store | None = None,
        histories: Mapping[str, History] | None = None,
    ) -> None:
        given = given_bus(address)
        if given is None:
            raise DefinitionError(
                "Publisher(...)",
                expected="the address of the bus, or the variable BENNU_PUBSUB",
                got="neither",
                write='Publisher("redis://localhost:6379")',
            )
        self._types = MessageTypes(messages, owner="Publisher")
        self._node = PublisherNode(given, given_logs(store, histories), timeout)

    @classmethod
    def of(cls, endpoint: HasPubSub, *, timeout: float = TIMEOUT) -> Self:
        """Return a publisher with the bus, the messages, the store and the histories of an endpoint.

        It is for a process that imports the endpoint and does not serve it, such as a worker of Celery. In the process that
        serves the endpoint write ``endpoint.broadcast(...)``.

        Args:
            endpoint: An :class:`~bennu.Endpoint`.
            timeout: The most seconds for which a call waits for the bus. Default: 10.

        Raises:
            DefinitionError: The endpoint has no bus with an address.
        """
        pubsub = pubsub_of(endpoint)
        publisher = cls(bus := bus_of(pubsub), timeout=timeout)
        publisher._types = pubsub.types
        publisher._node = PublisherNode(bus, logs_of_endpoint(pubsub), timeout)
        return publisher

    @property
    def address(self) -> str:
        """The address of the bus, without a password."""
        return self._node.address

    @property
    def is_started(self) -> bool:
        """Whether the publisher is started in this process."""
        return self._node.is_started

    # Start and stop.

    async def start(self) -> None:
        """Connect to the bus, and start the store. A broker or store that is down is no error here: the first message waits.

        A child of ``fork`` starts its publisher anew.

        Raises:
            DefinitionError: The address of the bus or of the store can't be used.
            NotStarted: The publisher has an adapter or a store that belongs to the parent of this process.
            WrongThread: The publisher is started on another event loop.
        """
        await self._node.start()

    async def stop(self) -> None:
        """Wait until the store and the bus have taken everything, and disconnect. Without a start this does nothing.

        Raises:
            NotConfirmed: The bus has not confirmed in time. The publisher is stopped all the same.
        """
        await self._node.stop()

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
            await self._node.disconnect()

    # Messages.

    async def broadcast(
        self, topic: str, event: str, payload: Any = None, *, confirm: bool = True
    ) -> int | None:
        """Send an event to the clients of a topic, on all nodes.

        A broadcast to a topic with history always waits until the store has it, also with ``confirm=False``. If the bus does
        not confirm it, that is only logged: the clients get it from the store some seconds later.

        Args:
            topic: The topic.
            event: The name of the event.
            payload: A JSON object (a dict, Struct, dataclass or model), or ``bytes``. Default: None, ``{}``.
            confirm: Whether to wait until the bus has taken the message. Default: True.

        Returns:
            With ``ipc://`` the number of processes that hear the topic; None with a broker, which does not know, and for a
            topic with history if the store tells the nodes.

        Raises:
            StoreUnavailable: The topic has history, and the store has not taken the message in time: it reaches nobody.
            EncodeError: The payload can't be encoded, or is too large for the bus.
            ReservedEvent: The event is reserved by the protocol.
            NotConfirmed: The bus has not confirmed in time, or has dropped messages. The message can still arrive.
            NotStarted: The publisher is not started in this process.
            WrongThread: The publisher is started on another event loop.
        """
        adapter = self._node.expect("broadcast")
        message = broadcast_of(_text("a topic", topic), event, payload)
        log = self._node.log_of(topic, event)
        if log is not None:
            return await self._node.append(adapter, log, message, confirm=confirm)
        envelope = packed(message, self._types)
        return await self._node.publish(adapter, TOPICS + topic, envelope.envelope, confirm=confirm)

    async def send(self, topic: str, message: Any, *, confirm: bool = True) -> int | None:
        """Send a typed message to a topic's listeners: ``self.subscribe(topic)`` and ``pubsub.subscribe(topic, ...)``.

        Clients do not get it.

        Args:
            topic: The topic.
            message: A message of a class in ``messages``, or a value of a builtin JSON type.
            confirm: Whether to wait until the bus has taken the message. Default: True.

        Returns and raises as :meth:`broadcast`.
        """
        adapter = self._node.expect("send")
        _text("a topic", topic)
        if isinstance(message, Broadcast):
            raise TypeError(
                "send(...) takes a typed message: write publisher.broadcast(topic, event, payload)"
            )
        envelope = packed(message, self._types)
        return await self._node.publish(adapter, TOPICS + topic, envelope.envelope, confirm=confirm)

    async def disconnect(self, id: str, *, confirm: bool = True) -> int | None:  # noqa: A002 - Phoenix's name
        """Close all connections that have an id, on all nodes, with the code 1001.

        Args:
            id: The id that ``Socket(id=...)`` returned, or an id of ``info.add_id``.
            confirm: Whether to wait until the bus has taken the message. Default: True.

        Returns:
            With ``ipc://`` the number of processes that serve; None with a broker.

        Raises as :meth:`broadcast`.
        """
        adapter = self._node.expect("disconnect")
        envelope = pack(EnvelopeKind.DISCONNECT, _text("an id", id))
        return await self._node.publish(adapter, IDS, envelope, confirm=confirm)

    async def confirm(self) -> None:
        """Wait until the bus has taken everything that was sent with ``confirm=False``.

        With ``ipc://`` each process that lives has taken it. A broker has taken it, and passes it on.

        Raises:
            NotConfirmed: The bus has not confirmed in time, or has dropped messages since the last confirmation.
            NotStarted: The publisher is not started in this process.
            WrongThread: The publisher is started on another event loop.
        """
        await self._node.confirm()

    def nodes(self) -> frozenset[str]:
        """Return the names of the nodes that serve clients, as far as this publisher knows them.

        A broker tells them within a second or two after the start.
        """
        names = self._node.expect("nodes").nodes()
        return frozenset(name for name in names if not name.startswith(PUBLISHER))


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} is text, got {value!r}")
    return value
