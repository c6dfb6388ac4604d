"""The registry from topics to subscribers, and how a message reaches them. Protocol document, §3.5 and §7.

A topic has two kinds of subscriber. The connection of a joined channel is in a *lane*: broadcasts are written to it
without the channel (:mod:`bennu.pubsub.fastlane`), except those whose event the channel intercepts. A *listener* is
a function that gets every message as it is: a ``Broadcast``, or a typed message.

Broadcasts stay inside this process. The *bus* (:mod:`bennu.pubsub.bus`) carries bytes between nodes. Today only
presence uses it, under topics of its own (:meth:`PubSub.publish`, :meth:`PubSub.on_publish`) that no client hears.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from ..loop.home import Home
from ..message import Broadcast, SocketId
from ..reasons import DropReason
from ..telemetry import Telemetry
from ..user_code.callback import Callback
from ..user_code.copies import copy_of
from .bus import Bus, LocalBus
from .fastlane import Batch, Interceptor, Lane, LaneKey, Outbox

__all__ = ["PubSub", "Subscription"]


LATER: Final = (
    "loop.call_soon_threadsafe(endpoint.pubsub.{}, ...), where loop is the server's event loop,"
)
"""What a thread writes to have a plain method called."""

CANCEL: Final = (
    "loop.call_soon_threadsafe(subscription.cancel), where loop is the server's event loop,"
)
"""The same for a subscription."""

ON_LOOP: Final = (
    "asyncio.run_coroutine_threadsafe(endpoint.pubsub.{}(...), loop).result(), where loop is the server's"
    " event loop,"
)
"""What a thread writes to have an async method called."""


class Subscription:
    """A listener of one topic; ``cancel()`` ends it, and may be called again."""

    __slots__ = ("_pubsub", "deliver", "owner", "shares", "topic")

    def __init__(
        self,
        pubsub: PubSub,
        topic: str | SocketId,
        deliver: Callable[[Any], object],
        owner: object,
        shares: bool,
    ) -> None:
        self._pubsub = pubsub
        self.topic = topic
        self.deliver = deliver
        self.owner = owner
        self.shares = shares

    def cancel(self) -> None:
        """Stop listening."""
        home = self._pubsub.home
        if home.is_in_process or home.is_abandoned:  # else it is stopped, and nobody is disturbed
            home.expect("subscription", "cancel", CANCEL)
        self._pubsub._cancel(self)


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

    Everything here belongs to the event loop on which the endpoint was started, from its start to its stop.
    A call from elsewhere raises ``WrongThread`` or ``NotStarted``.

    Args:
        telemetry: Where what can't be delivered is counted.
        bus: How presences reach other nodes; None is a node alone. Broadcasts don't use it.
        home: The event loop of the endpoint; None is the one on which it is used first.

    Attributes:
        telemetry: It, or one of its own.
        home: The event loop.
        log: Its lines in the log.
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
        self.batch = Batch(self._call_soon)

    def _call_soon(self, callback: Callable[[], object]) -> None:
        self.home.loop.call_soon(callback)

    def unbind(self) -> None:
        """Leave the event loop: an endpoint that was stopped may start again on another."""
        self.home.stop()

    def abandon(self) -> None:
        """Forget everybody: the event loop was closed without a stop, or is the parent process's."""
        self._topics.clear()
        self._handlers.clear()
        self.batch = Batch(self._call_soon)

    # Other nodes.

    @property
    def node_name(self) -> str:
        """The name of this node on the bus."""
        return self._bus.node_name

    async def start(self) -> None:
        """Begin to hear other nodes."""
        await self._bus.start(self._received)

    async def stop(self) -> None:
        """Hear them no more."""
        await self._bus.stop()

    def publish(self, topic: str, data: bytes, node: str | None = None) -> None:
        """Send bytes to the same part of other nodes, at most once; never wait.

        A bus that fails has lost a message, as any bus may: that is logged, and not raised.

        Args:
            topic: What :meth:`on_publish` listens to there. It is no topic of channels.
            data: What to send.
            node: To whom; None is all other nodes. An unknown node gets nothing, silently.

        Raises:
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process.
        """
        self.home.expect("pubsub", "publish", LATER)
        try:
            self._bus.publish(topic, data, node)
        except Exception:
            self.log.exception("What was published on %r was lost", topic)

    def on_publish(self, topic: str, handler: Callable[[bytes], object]) -> Callable[[], None]:
        """Take the bytes that other nodes publish under a topic.

        Args:
            topic: Any text.
            handler: Called in the event loop with the bytes; one that raises is logged.

        Returns:
            What ends it; it may be called again.
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
                self.log.exception("What another node published on %r could not be handled", topic)

    # Who hears a topic.

    def enter(self, topic: str, key: LaneKey, outbox: Outbox, interceptor: Interceptor) -> None:
        """Put a connection into the lane of a topic."""
        self.batch.sync(outbox)
        entry = self._topics.get(topic)
        if entry is None:
            entry = self._topics[topic] = _Topic()
        lane = entry.lanes.get(key)
        if lane is None:
            lane = entry.lanes[key] = Lane(key)
        lane.put(outbox, interceptor)
        outbox.lanes += 1

    def leave(self, topic: str, key: LaneKey, outbox: Outbox) -> None:
        """Take a connection out again."""
        self.batch.sync(outbox)
        entry = self._topics[topic]
        lane = entry.lanes[key]
        lane.take(outbox)
        outbox.lanes -= 1
        if not len(lane):
            del entry.lanes[key]
            self._forget_if_empty(topic, entry)

    def move(self, outbox: Outbox, places: Sequence[tuple[str, LaneKey]]) -> None:
        """Enter a connection anew where it is: it has become slow, or is so no more."""
        self.batch.sync(outbox)
        for topic, key in places:
            lane = self._topics[topic].lanes[key]
            lane.put(outbox, lane.take(outbox))

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
            deliver: A plain function, called in the event loop with each message: a
                :class:`~bennu.Broadcast`, or a typed message. It must not wait. Two subscriptions
                deliver twice.
            owner: A channel or other sender whose ``broadcast_from`` passes this listener by.
            shares: Whether the listener gets the very message that other listeners get, since it changes
                nothing of it. By default each listener gets a copy of its own (of what is data; see
                :mod:`bennu.user_code.copies`).

        Returns:
            The subscription, to be cancelled.

        Raises:
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process; its lifespan is a good place.
            DefinitionError: ``deliver`` is async.
        """
        self.home.expect("pubsub", "subscribe", LATER)
        callback = Callback.plain(
            "pubsub.subscribe(...)",
            deliver,
            why="it is called in the midst of a broadcast, and nothing waits for it",
            write="def deliver(message): queue.put_nowait(message)",
        )
        return self._listen(topic, callback.now, owner, shares=shares)

    def listen(
        self, topic: str | SocketId, deliver: Callable[[Any], object], *, owner: object = None
    ) -> Subscription:
        """Listen to a topic with a function of Bennu's own, which changes no message; see :meth:`subscribe`."""
        self.home.expect("pubsub", "subscribe", LATER)
        return self._listen(topic, deliver, owner, shares=True)

    def _listen(
        self,
        topic: str | SocketId,
        deliver: Callable[[Any], object],
        owner: object,
        *,
        shares: bool,
    ) -> Subscription:
        subscription = Subscription(self, topic, deliver, owner, shares)
        self._topics.setdefault(topic, _Topic()).listeners.append(subscription)
        return subscription

    def _cancel(self, subscription: Subscription) -> None:
        entry = self._topics.get(subscription.topic)
        if entry is not None and subscription in entry.listeners:
            entry.listeners.remove(subscription)
            self._forget_if_empty(subscription.topic, entry)

    def _forget_if_empty(self, topic: str | SocketId, entry: _Topic) -> None:
        if entry.is_empty:
            del self._topics[topic]

    def may_reach(self, topic: str) -> bool:
        """Return whether somebody may hear a topic in this process."""
        return topic in self._topics

    def subscribers(self, topic: str) -> int:
        """Return how many connections and listeners a topic has in this process."""
        entry = self._topics.get(topic)
        if entry is None:
            return 0
        return len(entry.listeners) + sum(map(len, entry.lanes.values()))

    # What is said to them.

    async def broadcast(self, topic: str | SocketId, message: Any) -> None:
        """Send a message to every subscriber of a topic that is connected to this process.

        Args:
            topic: Any text, or an id of connections.
            message: A :class:`~bennu.Broadcast` reaches clients; a message of any other type only
                the listeners.

        Raises:
            EncodeError: A client can't be sent the payload.
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process.
        """
        self.home.expect("pubsub", "broadcast", ON_LOOP)
        if self.send(topic, message):
            await asyncio.sleep(0)  # a loop of broadcasts lets others have their turn

    async def broadcast_from(self, sender: object, topic: str, message: Any) -> None:
        """Send a message to every subscriber but the sender: a channel, or an owner of listeners.

        Raises as :meth:`broadcast`.
        """
        self.home.expect("pubsub", "broadcast_from", ON_LOOP)
        if self.send(topic, message, sender):
            await asyncio.sleep(0)

    def local_broadcast(
        self, topic: str | SocketId, message: Any, *, sender: object = None
    ) -> bool:
        """Send a message to the subscribers in this process. Raises as :meth:`broadcast`.

        Returns:
            Whether so much was sent in this turn that the sender should let others have theirs.
        """
        self.home.expect("pubsub", "local_broadcast", LATER)
        return self.send(topic, message, sender)

    def send(self, topic: str | SocketId, message: Any, sender: object = None) -> bool:
        """Send a message as :meth:`local_broadcast`, for a caller that has checked the event loop itself."""
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
                    encoded = lane.serializer.broadcast(message.topic, event, payload)
                    framed.append((lane, lane.frame(*encoded)))
            for (
                lane,
                frame,
            ) in framed:  # only now, so that a lane that can't be encoded leaves nothing half sent
                if lane.slow:
                    lane.offer(message, frame, sender)
                exclude = None if sender is None else lane.outbox_of(sender)
                crowded |= self.batch.add(lane, frame, exclude)
        if entry.listeners:
            self._tell_listeners(entry, message, sender)
        return crowded

    def _skip(self, lane: Lane, broadcast: Broadcast) -> None:
        """Log and count a binary broadcast that the clients of a lane can't be sent.

        In Phoenix one client of the old format, or one that polls, fails the broadcast for all others.
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
        message = copy_of(message)  # the sender may change what it has sent
        for listener in tuple(entry.listeners):
            if sender is None or listener.owner is not sender:
                try:
                    listener.deliver(message if listener.shares else copy_of(message))
                except Exception:
                    self.log.exception("A listener of %r failed on %s", listener.topic, message)


def _intercept(lane: Lane, broadcast: Broadcast, sender: object) -> None:
    """Give a broadcast to the channels of a lane that intercept it."""
    kept = copy_of(broadcast)  # the sender may change what it has sent
    for interceptor in lane.everybody():
        if interceptor is not sender:
            interceptor.intercept(kept)
