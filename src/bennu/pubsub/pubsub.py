"""Registers the subscribers of topics, and sends messages to them. Protocol document, §3.5 and §7.

A topic has two kinds of subscriber. The connection of a joined channel is in a *lane*: broadcasts are written to the
connection without the channel (:mod:`bennu.pubsub.fastlane`), unless the channel intercepts their event. A
*listener* is a function that gets every message unencoded: a ``Broadcast``, or a typed message.

With ``Endpoint(pubsub=ADDRESS)`` the endpoint is a node of a :class:`~bennu.pubsub.cluster.Cluster`. Then a message is
encoded once, sent to the subscribers in this process, and published on the bus for the other nodes. A node alone has no
cluster, and nothing is published.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from msgspec import Raw

from ..bus.bus import BusAdapter
from ..inspect.topic_watch import TopicWatch
from ..loop.home import Home
from ..message import Broadcast, Disconnect, SocketId
from ..metrics.tallies import Tallies
from ..store.entry import LogEntry
from ..telemetry import Telemetry
from ..user_code.callback import Callback
from .advice import CANCEL, LATER, ON_LOOP
from .cluster import Cluster, Handler
from .envelope import IDS, TOPICS, Envelope, EnvelopeKind, pack
from .fastlane import Batch, Interceptor, LaneKey, Outbox
from .given_bus import GivenBus
from .message_types import MessageTypes
from .packing import packed
from .reporting import report_broadcast
from .subscription import Subscription
from .topic_logs import TopicLogs
from .topic_table import TopicTable

__all__ = ["PubSub"]


class PubSub:
    """Topics, their subscribers in this process, and the other nodes.

    Call all methods on the event loop on which the endpoint was started, between its start and its stop. Any other
    call raises ``WrongThread`` or ``NotStarted``.

    Args:
        telemetry: Counts the messages that can't be delivered. Default: a new ``Telemetry``.
        bus: The address of the bus, or an adapter. Default: None, a node alone.
        home: The home of the endpoint. Default: the event loop on which the PubSub is first used.
        types: The types of messages that travel to other nodes. Default: only the builtin ones.

    Attributes:
        home: The event loop of the endpoint.
        log: Writes the log lines of this PubSub.
        batch: The broadcasts of this turn of the event loop.
        cluster: The other nodes; None for a node alone, and before the start.
        logs: The logs of topics with history; None if no topic has history. The endpoint sets it.
        telemetry, bus, types: As given.
        watch: Records the broadcasts of followed topics; None while no topic is followed. The inspector sets it.
        tallies: Counts for metrics; None without metrics. The exporter sets it.
        node: The name of this node. With the address of a bus, each start gives it a new name.
        is_alone: Whether this node has no bus.

    Raises:
        DefinitionError: The address can't be used.
    """

    def __init__(
        self,
        telemetry: Telemetry | None = None,
        bus: str | BusAdapter | None = None,
        home: Home | None = None,
        types: MessageTypes | None = None,
    ) -> None:
        self.home = Home(starts_on_use=True) if home is None else home
        self.telemetry = telemetry or Telemetry()
        self.log = self.telemetry.log.child("pubsub")
        self.bus = self.make_bus(bus)
        self.node = self.bus.first.node
        self.is_alone = self.bus.is_alone
        self.types = MessageTypes() if types is None else types
        self._topics = TopicTable(self)
        self.batch = Batch()
        self.cluster: Cluster | None = None
        self.logs: TopicLogs | None = None
        self.tallies: Tallies | None = None
        self.watch: TopicWatch | None = None

    def make_bus(self, bus: str | BusAdapter | None) -> GivenBus:
        """Return the bus that this PubSub was given."""
        return GivenBus(bus)

    def unbind(self) -> None:
        """Forget the event loop, so that a stopped endpoint can start again on another event loop."""
        self.home.stop()

    def abandon(self) -> None:
        """Forget all subscribers: the event loop was closed without a stop, or is the parent process's."""
        self._topics.clear()
        self.batch = Batch()
        self.cluster = None
        self.bus.abandon()
        if self.logs is not None:
            self.logs.forget()

    # Other nodes.

    async def start(self) -> None:
        """Connect to the bus.

        Raises:
            DefinitionError: The address of the bus can't be used, or the adapter was made before a fork.
        """
        if self.is_alone:
            return
        adapter = await self.bus.adapter(self.log)
        self.node = adapter.node
        cluster = Cluster(adapter, self.receive, self.telemetry, self.log)
        try:
            await cluster.start()
        except BaseException:
            await cluster.stop()
            raise
        self.cluster = cluster
        self._topics.hear_all()

    def keep_logs(self) -> None:
        """Follow the logs of all topics that have subscribers, because the logs have started."""
        self._topics.follow_all()

    async def stop(self) -> None:
        """Disconnect from the bus."""
        cluster, self.cluster = self.cluster, None
        if cluster is not None:
            await cluster.stop()

    def nodes(self) -> frozenset[str]:
        """Return the names of the nodes that this node knows, including its own."""
        self.home.expect("pubsub", "nodes", LATER)
        return frozenset((self.node,)) if self.cluster is None else self.cluster.nodes()

    def publish(self, topic: str, data: bytes, node: str | None = None) -> None:
        """Send bytes to the handlers of one of Bennu's own topics on other nodes. The bytes arrive at most once.

        This does not wait. Messages that the bus can't take are dropped and logged.

        Args:
            topic: The topic on the bus, as in :meth:`on_publish`.
            data: The bytes to send.
            node: The name of one node. Default: None, all other nodes. For an unknown node nothing is sent.

        Raises:
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process.
        """
        self.home.expect("pubsub", "publish", LATER)
        if self.cluster is not None:
            self.cluster.postman.post(topic, data, node)

    def on_publish(self, topic: str, handler: Handler) -> Callable[[], None]:
        """Call a handler with what other nodes publish under one of Bennu's own topics.

        Args:
            topic: The topic on the bus (:mod:`bennu.pubsub.envelope`).
            handler: Called on the event loop with the publishing node and the bytes. If it raises, the exception is logged.

        Returns:
            A function that removes the handler. A second call of it has no effect.
        """
        self.home.expect("pubsub", "on_publish", LATER)
        return (lambda: None) if self.cluster is None else self.cluster.on_publish(topic, handler)

    async def heard(self, topic: str) -> None:
        """Wait until this node hears what other nodes send to a topic: after :meth:`subscribe`, but at most a second."""
        if self.cluster is not None:
            await self.cluster.heard(topic)

    def receive(self, topic: str | None, envelope: Envelope, node: str | None = None) -> None:
        """Send an encoded message of a node to the subscribers in this process. For a disconnect by id the topic is None.

        Raises:
            DecodeError: The message is none that Bennu sends to this topic.
        """
        self._topics.receive(topic, envelope, node)

    # Subscribers.

    def enter(self, topic: str, key: LaneKey, connection: Outbox, channel: Interceptor) -> LaneKey:
        """Put a connection into a lane of a topic.

        Args:
            topic: The topic of the joined channel.
            key: The key of the lane: serializer, framing and intercepted events.
            connection: The connection.
            channel: The channel, which gets the broadcasts that it intercepts.

        Returns:
            The lane's own key, which all its members share.
        """
        self.batch.sync(connection)
        connection.lanes += 1
        return self._topics.add(topic).enter(key, connection, channel)

    def leave(self, topic: str, key: LaneKey, connection: Outbox) -> None:
        """Take a connection out of a lane of a topic; the arguments are those of :meth:`enter`."""
        self.batch.sync(connection)
        subscribers = self._topics[topic]
        subscribers.leave(key, connection)
        connection.lanes -= 1
        self._topics.forget_if_empty(topic, subscribers)

    def move(self, connection: Outbox, places: Sequence[tuple[str, LaneKey]]) -> None:
        """Move a connection between the normal and the slow members of its lanes.

        Args:
            connection: The connection, which has become slow, or has stopped being slow.
            places: The topic and the lane's key of each joined channel.
        """
        self.batch.sync(connection)
        for topic, key in places:
            lane = self._topics[topic].lanes[key]
            lane.put(connection, lane.take(connection))

    def subscribe(
        self,
        topic: str | SocketId,
        deliver: Callable[[Any], object],
        *,
        owner: object = None,
        shares: bool = False,
    ) -> Subscription:
        """Listen to a topic.

        Args:
            topic: Any text, or an id of connections.
            deliver: A plain function, called on the event loop with each message: a
                :class:`~bennu.Broadcast`, or a typed message. It must not wait. If it is subscribed twice, it is
                called twice. The payload of a broadcast of another node is JSON: dicts, lists, texts and numbers.
            owner: A channel or other sender. Its ``broadcast_from`` skips this listener. Default: None.
            shares: Pass True for a listener that does not change messages: it gets the same object as other
                listeners. Default: False, each listener gets its own copy (:mod:`bennu.user_code.copies`).

        Returns:
            The subscription. Call its ``cancel()`` to stop listening. Messages of other nodes come as soon as the bus
            has confirmed the topic: usually within milliseconds.

        Raises:
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process. Subscribe in its lifespan, for example.
            DefinitionError: ``deliver`` is async.
        """
        self.home.expect("pubsub", "subscribe", LATER)
        callback = Callback.plain(
            "pubsub.subscribe(...)",
            deliver,
            why="it is called during a broadcast, which does not wait",
            write="def deliver(message): queue.put_nowait(message)",
        )
        return self.listen(topic, callback.call_now, owner=owner, shares=shares)

    def listen(
        self,
        topic: str | SocketId,
        deliver: Callable[[Any], object],
        *,
        owner: object = None,
        shares: bool = True,
    ) -> Subscription:
        """Listen to a topic with one of Bennu's own functions, which change no message; see :meth:`subscribe`."""
        self.home.expect("pubsub", "subscribe", LATER)
        subscription = Subscription(self, topic, deliver, owner, shares)
        self._topics.add(topic).listeners.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Remove a subscription: :meth:`Subscription.cancel` calls this."""
        # If the endpoint is stopped, any thread can cancel.
        if self.home.is_in_process or self.home.is_abandoned:
            self.home.expect("subscription", "cancel", CANCEL)
        subscribers = self._topics.get(subscription.topic)
        if subscribers is not None and subscription in subscribers.listeners:
            subscribers.listeners.remove(subscription)
            self._topics.forget_if_empty(subscription.topic, subscribers)

    def subscribers(self, topic: str) -> int:
        """Return the number of connections and listeners of a topic in this process."""
        subscribers = self._topics.get(topic)
        return 0 if subscribers is None else len(subscribers)

    # Broadcasts.

    async def broadcast(self, topic: str, message: Any) -> None:
        """Send a message to every subscriber of a topic, on all nodes.

        Args:
            topic: Any text.
            message: A :class:`~bennu.Broadcast` is sent to clients and listeners. A message of any other type is
                sent only to listeners. With a bus, its type must be known (:mod:`bennu.pubsub.message_types`).

        Raises:
            EncodeError: The payload can't be encoded for a client or for the bus: then nobody gets it. Or the message
                is too large for the bus: then only the subscribers in this process get it.
        """
        self.home.expect("pubsub", "broadcast", ON_LOOP)
        await self.send_everywhere(topic, message)

    async def broadcast_from(self, sender: object, topic: str, message: Any) -> None:
        """Send a message as :meth:`broadcast` does, but not to the sender: a channel, or the owner of listeners."""
        self.home.expect("pubsub", "broadcast_from", ON_LOOP)
        await self.send_everywhere(topic, message, sender)

    async def direct_broadcast(self, node: str, topic: str, message: Any) -> None:
        """Send a message to the subscribers of a topic on one node. Raises as :meth:`broadcast`.

        Args:
            node: The name of the node (:meth:`nodes`). To an unknown node nothing is sent.
            topic: Any text.
            message: See :meth:`broadcast`.
        """
        self.home.expect("pubsub", "direct_broadcast", ON_LOOP)
        report_broadcast(self.telemetry, topic, message, node)
        if node == self.node:
            self.send(topic, message)
        elif self.cluster is not None:
            await self.cluster.publish(TOPICS + topic, packed(message, self.types).envelope, node)

    async def disconnect(self, name: str) -> None:
        """Close all connections with an id, on all nodes. Raises as :meth:`broadcast`."""
        self.home.expect("pubsub", "disconnect", ON_LOOP)
        self.send(SocketId(name), Disconnect())
        if self.cluster is not None:
            await self.cluster.publish(IDS, pack(EnvelopeKind.DISCONNECT, name))

    def local_broadcast(
        self, topic: str | SocketId, message: Any, *, sender: object = None
    ) -> bool:
        """Send a message to the subscribers in this process, without waiting. Raises as :meth:`broadcast`.

        Returns:
            Whether the batch of this turn is full, so that the caller should await ``asyncio.sleep(0)``.
        """
        self.home.expect("pubsub", "local_broadcast", LATER)
        report_broadcast(self.telemetry, topic, message, "local")
        return self.send(topic, message, sender)

    async def send_everywhere(self, topic: str, message: Any, sender: object = None) -> None:
        """Send a message as :meth:`broadcast` does, for a caller that has called :meth:`Home.expect`."""
        cluster, logs = self.cluster, self.logs
        report_broadcast(self.telemetry, topic, message, "all")
        if logs is not None and isinstance(message, Broadcast):
            history = logs.history_of(topic, message.event)
            if history is not None:
                await logs.publish(history, message, sender)
                return
        if cluster is None:
            if self.send(topic, message, sender):
                await asyncio.sleep(0)  # other tasks run between the broadcasts of a loop
            return
        envelope, text = packed(message, self.types)
        is_crowded = self.send(topic, message, sender, text)
        await cluster.publish(TOPICS + topic, envelope)
        if is_crowded:
            await asyncio.sleep(0)

    def send(
        self, topic: str | SocketId, message: Any, sender: object = None, text: Raw | None = None
    ) -> bool:
        """Send a message to the subscribers in this process. Return whether the batch of this turn is full.

        If the payload is written as JSON already, clients get that ``text``. Interceptors and listeners get the payload.
        """
        subscribers = self._topics.get(topic)
        return subscribers is not None and subscribers.send(self, message, sender, text)

    send_of_channel = send
    """:meth:`send` for a channel of a node alone, which has reported the broadcast. Tracing puts it into a span."""

    def broadcasting(self, topic: str, event: str) -> AbstractContextManager[None]:
        """Return what a broadcast runs in that the HTTP API passes on. Tracing puts it into a span."""
        report_broadcast(self.telemetry, topic, Broadcast(topic, event, None), "all")
        return nullcontext()

    def pass_on(self, topic: str, epoch: str, entry: LogEntry, sender: object) -> bool:
        """Send an entry of a topic with history to the subscribers in this process, except the sender.

        Returns:
            Whether the batch of this turn is full.
        """
        subscribers = self._topics.get(topic)
        return subscribers is not None and subscribers.pass_on(self, topic, epoch, entry, sender)
