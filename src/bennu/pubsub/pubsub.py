"""Registers the subscribers of topics, and sends messages to them. Protocol document, §3.5 and §7.

A topic has two kinds of subscriber. The connection of a joined channel is in a *lane*: broadcasts are written to the
connection without the channel (:mod:`bennu.pubsub.fastlane`), unless the channel intercepts their event. A
*listener* is a function that gets every message unencoded: a ``Broadcast``, or a typed message.

Broadcasts stay inside this process. The *bus* (:mod:`bennu.pubsub.bus`) carries bytes between nodes. Today only
presence uses the bus (:meth:`PubSub.publish`, :meth:`PubSub.on_publish`), under topics that clients can't join.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Raw

from ..loop.home import Home
from ..message import Broadcast, SocketId
from ..reasons import DropReason
from ..telemetry import Telemetry
from ..user_code.callback import Callback
from ..user_code.copies import copy_of
from .bus import Bus, LocalBus
from .fastlane import Batch, Interceptor, Lane, LaneKey, Outbox
from .subscription import Subscription

__all__ = ["PubSub"]


LATER: Final = (
    "loop.call_soon_threadsafe(endpoint.pubsub.{}, ...), where loop is the server's event loop,"
)
"""The code with which a worker thread calls a plain method, for errors."""

CANCEL: Final = (
    "loop.call_soon_threadsafe(subscription.cancel), where loop is the server's event loop,"
)
"""The code with which a worker thread cancels a subscription, for errors."""

ON_LOOP: Final = (
    "asyncio.run_coroutine_threadsafe(endpoint.pubsub.{}(...), loop).result(), where loop is the server's"
    " event loop,"
)
"""The code with which a worker thread calls an async method, for errors."""


class _Topic:
    __slots__ = ("lanes", "listeners")

    def __init__(self) -> None:
        self.lanes: dict[LaneKey, Lane] = {}
        self.listeners: list[Subscription] = []

    @property
    def is_empty(self) -> bool:
        return not self.lanes and not self.listeners


class PubSub:
    """Topics and their subscribers in this process.

    Call all methods on the event loop on which the endpoint was started, between its start and its stop. Any other
    call raises ``WrongThread`` or ``NotStarted``.

    Args:
        telemetry: Counts the messages that can't be delivered. Default: a new ``Telemetry``.
        bus: Carries presences to other nodes. Broadcasts don't use it. Default: a ``LocalBus``, for a node alone.
        home: The home of the endpoint. Default: the event loop on which the PubSub is first used.

    Attributes:
        telemetry: The telemetry.
        home: The event loop of the endpoint.
        log: Writes the log lines of this PubSub.
        batch: The broadcasts of this turn of the event loop.
    """

    def __init__(
        self,
        telemetry: Telemetry | None = None,
        bus: Bus | None = None,
        home: Home | None = None,
    ) -> None:
        self.home = Home(starts_on_use=True) if home is None else home
        self.telemetry = telemetry or Telemetry()
        self.log = self.telemetry.log.child("pubsub")
        self._bus: Bus = LocalBus() if bus is None else bus
        self._handlers: dict[str, list[Callable[[bytes], object]]] = {}
        self._topics: dict[str | SocketId, _Topic] = {}
        self.batch = Batch()

    def unbind(self) -> None:
        """Forget the event loop, so that a stopped endpoint can start again on another event loop."""
        self.home.stop()

    def abandon(self) -> None:
        """Forget all subscribers: the event loop was closed without a stop, or is the parent process's."""
        self._topics.clear()
        self._handlers.clear()
        self.batch = Batch()

    # Other nodes.

    @property
    def node_name(self) -> str:
        """The name of this node on the bus."""
        return self._bus.node_name

    async def start(self) -> None:
        """Start the bus: receive messages of other nodes."""
        await self._bus.start(self._received)

    async def stop(self) -> None:
        """Stop the bus."""
        await self._bus.stop()

    def publish(self, topic: str, data: bytes, node: str | None = None) -> None:
        """Send bytes to the handlers of a topic on other nodes. The bytes arrive at most once.

        This does not wait. An exception of the bus is logged and not raised: any bus can lose a message.

        Args:
            topic: The topic that :meth:`on_publish` listens to on the other nodes. Channels have other topics.
            data: The bytes to send.
            node: The name of one node. Default: None, all other nodes. For an unknown node nothing is sent.

        Raises:
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process.
        """
        self.home.expect("pubsub", "publish", LATER)
        try:
            self._bus.publish(topic, data, node)
        except Exception:
            self.log.exception("The bus failed: a message on %r was lost", topic)

    def on_publish(self, topic: str, handler: Callable[[bytes], object]) -> Callable[[], None]:
        """Call a handler with the bytes that other nodes publish under a topic.

        Args:
            topic: Any text.
            handler: Called on the event loop with the bytes. If it raises, the exception is logged.

        Returns:
            A function that removes the handler. A second call of it has no effect.
        """
        self.home.expect("pubsub", "on_publish", LATER)
        self._handlers.setdefault(topic, []).append(handler)

        def cancel() -> None:
            handlers = self._handlers.get(topic, [])
            if handler in handlers:
                handlers.remove(handler)
                if not handlers:
                    del self._handlers[topic]

        return cancel

    def _received(self, topic: str, data: bytes) -> None:
        for handler in tuple(self._handlers.get(topic, ())):
            try:
                handler(data)
            except Exception:
                self.log.exception("The handler of a message from another node on %r failed", topic)

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
        entry = self._topics.get(topic)
        if entry is None:
            entry = self._topics[topic] = _Topic()
        lane = entry.lanes.get(key)
        if lane is None:
            lane = entry.lanes[key] = Lane(key)
        lane.put(connection, channel)
        connection.lanes += 1
        return lane.key

    def leave(self, topic: str, key: LaneKey, connection: Outbox) -> None:
        """Take a connection out of a lane of a topic; the arguments are those of :meth:`enter`."""
        self.batch.sync(connection)
        entry = self._topics[topic]
        lane = entry.lanes[key]
        lane.take(connection)
        connection.lanes -= 1
        if not len(lane):
            del entry.lanes[key]
            self._forget_if_empty(topic, entry)

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
                called twice.
            owner: A channel or other sender. Its ``broadcast_from`` skips this listener. Default: None.
            shares: Pass True for a listener that does not change messages: it gets the same object as other
                listeners. Default: False, each listener gets its own copy (:mod:`bennu.user_code.copies`).

        Returns:
            The subscription. Call its ``cancel()`` to stop listening.

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
        self._topics.setdefault(topic, _Topic()).listeners.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Remove a subscription: :meth:`Subscription.cancel` calls this."""
        # If the endpoint is stopped, any thread can cancel.
        if self.home.is_in_process or self.home.is_abandoned:
            self.home.expect("subscription", "cancel", CANCEL)
        entry = self._topics.get(subscription.topic)
        if entry is not None and subscription in entry.listeners:
            entry.listeners.remove(subscription)
            self._forget_if_empty(subscription.topic, entry)

    def _forget_if_empty(self, topic: str | SocketId, entry: _Topic) -> None:
        if entry.is_empty:
            del self._topics[topic]

    def has_subscribers(self, topic: str) -> bool:
        """Return whether a topic can have a subscriber in this process."""
        return topic in self._topics

    def subscribers(self, topic: str) -> int:
        """Return the number of connections and listeners of a topic in this process."""
        entry = self._topics.get(topic)
        if entry is None:
            return 0
        return len(entry.listeners) + sum(map(len, entry.lanes.values()))

    # Broadcasts.

    async def broadcast(self, topic: str | SocketId, message: Any) -> None:
        """Send a message to every subscriber of a topic in this process.

        Args:
            topic: Any text, or an id of connections.
            message: A :class:`~bennu.Broadcast` is sent to clients and listeners. A message of any other type is
                sent only to listeners.

        Raises:
            EncodeError: The payload can't be encoded for a client.
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process.
        """
        self.home.expect("pubsub", "broadcast", ON_LOOP)
        if self.send(topic, message):
            await asyncio.sleep(0)  # other tasks run between the broadcasts of a loop

    async def broadcast_from(self, sender: object, topic: str, message: Any) -> None:
        """Send a message to every subscriber of a topic except the sender. Raises as :meth:`broadcast`.

        Args:
            sender: A channel, or the owner of listeners.
            topic: Any text.
            message: See :meth:`broadcast`.
        """
        self.home.expect("pubsub", "broadcast_from", ON_LOOP)
        if self.send(topic, message, sender):
            await asyncio.sleep(0)

    def local_broadcast(
        self, topic: str | SocketId, message: Any, *, sender: object = None
    ) -> bool:
        """Send a message to the subscribers in this process, without waiting. Raises as :meth:`broadcast`.

        Returns:
            Whether the batch of this turn is full, so that the caller should await ``asyncio.sleep(0)``.
        """
        self.home.expect("pubsub", "local_broadcast", LATER)
        return self.send(topic, message, sender)

    def send(
        self, topic: str | SocketId, message: Any, sender: object = None, text: Raw | None = None
    ) -> bool:
        """Send a message as :meth:`local_broadcast` does, for a caller that has called :meth:`Home.expect`.

        If the payload is written as JSON already, clients get that ``text``. Interceptors and listeners get the payload.
        """
        entry = self._topics.get(topic)
        if entry is None:
            return False
        crowded = False
        if isinstance(message, Broadcast):
            event, payload = message.event, message.payload
            framed: list[tuple[Lane, Any]] = []
            for lane in entry.lanes.values():
                if event in lane.intercepts:
                    _intercept(lane, message, sender)
                elif isinstance(payload, bytes) and not lane.carries_binary:
                    self._skip(lane, message)
                else:
                    written = payload if text is None else text
                    encoded = lane.serializer.broadcast(message.topic, event, written)
                    framed.append((lane, lane.frame(*encoded)))
            # After all lanes are encoded: if one lane can't be encoded, nothing is sent.
            for lane, frame in framed:
                if lane.slow:
                    lane.offer(message, frame, sender)
                exclude = None if sender is None else lane.outbox_of(sender)
                crowded |= self.batch.add(lane, frame, exclude)
        if entry.listeners:
            self._tell_listeners(entry, message, sender)
        return crowded

    def _skip(self, lane: Lane, broadcast: Broadcast) -> None:
        """Log and count a binary broadcast that can't be sent to the clients of a lane.

        In Phoenix one client with V1 or long polling fails the broadcast for all other clients.
        """
        self.log.warning(
            "A binary broadcast of %r on %r was not sent to %d client(s) that speak %s%s,"
            " which can't carry it",
            broadcast.event,
            broadcast.topic,
            len(lane),
            lane.serializer.name,
            "" if lane.framing.carries_binary else " over long polling",
        )
        self.telemetry.dropped(broadcast.topic, DropReason.NO_BINARY, len(lane))

    def _tell_listeners(self, entry: _Topic, message: Any, sender: object) -> None:
        message = copy_of(message)  # the sender can change the message later
        for listener in tuple(entry.listeners):
            if sender is None or listener.owner is not sender:
                try:
                    listener.deliver(message if listener.shares else copy_of(message))
                except Exception:
                    self.log.exception("A listener of %r failed on %s", listener.topic, message)


def _intercept(lane: Lane, broadcast: Broadcast, sender: object) -> None:
    """Give a broadcast to the channels of a lane that intercept it."""
    kept = copy_of(broadcast)  # the sender can change the message later
    for channel in lane.everybody():
        if channel is not sender:
            channel.intercept(kept)
