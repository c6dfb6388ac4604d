"""The subscribers of one topic in this process, and what they get of a message. Protocol document, §3.5 and §7."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from ..errors import DecodeError
from ..message import Broadcast
from ..reasons import DropReason
from ..telemetry import BroadcastFannedOut
from ..telemetry.accounts import Account
from ..user_code.copies import copy_of
from .envelope import Envelope, EnvelopeKind
from .fastlane import Interceptor, Lane, LaneKey, Outbox
from .reporting import FanOut

if TYPE_CHECKING:
    from ..metrics.tallies import TopicTally
    from ..store.entry import LogEntry
    from .pubsub import PubSub
    from .subscription import Subscription

__all__ = ["Subscribers"]

_decode = msgspec.json.Decoder().decode


class Subscribers:
    """The subscribers of one topic: connections in lanes, and listeners.

    Args:
        account: Counts what becomes of the messages of the topic. Default: a new one.

    Attributes:
        account: As given.
        has_history: Whether the topic has history.
        lanes: The lanes by their keys.
        listeners: The subscriptions of server code.
        tally: Counts the deliveries for metrics; None without metrics.
    """

    __slots__ = ("account", "has_history", "lanes", "listeners", "tally")

    def __init__(self, account: Account | None = None, tally: TopicTally | None = None) -> None:
        self.tally = tally
        self.account = Account() if account is None else account
        self.has_history = False
        self.lanes: dict[LaneKey, Lane] = {}
        self.listeners: list[Subscription] = []

    def __len__(self) -> int:
        return len(self.listeners) + sum(map(len, self.lanes.values()))

    @property
    def is_empty(self) -> bool:
        """Whether nobody is left."""
        return not self.lanes and not self.listeners

    def enter(self, key: LaneKey, connection: Outbox, channel: Interceptor) -> LaneKey:
        """Put a connection into a lane; see :meth:`PubSub.enter`."""
        lane = self.lanes.get(key)
        if lane is None:
            lane = self.lanes[key] = Lane(key)
        lane.put(connection, channel)
        return lane.key

    def leave(self, key: LaneKey, connection: Outbox) -> None:
        """Take a connection out of a lane."""
        lane = self.lanes[key]
        lane.take(connection)
        if not len(lane):
            del self.lanes[key]

    def send(
        self,
        pubsub: PubSub,
        message: Any,
        sender: object,
        text: Raw | None,
        node: str | None = None,
    ) -> bool:
        """Send a message to all subscribers but the sender; see :meth:`PubSub.send`."""
        crowded = False
        if isinstance(message, Broadcast):
            event, payload = message.event, message.payload
            account, watch = self.account, pubsub.watch
            went = None if watch is None else watch.begin(message.topic, event, account, node)
            fan_out: FanOut | None = None
            if self.lanes and (self.tally or pubsub.telemetry.handlers[BroadcastFannedOut]):
                fan_out = FanOut(pubsub.telemetry, account, self.tally)
            account.messages += 1
            framed: list[tuple[Lane, Any]] = []
            for lane in self.lanes.values():
                if event in lane.intercepts:
                    _intercept(lane, message, sender, account)
                elif isinstance(payload, bytes) and not lane.carries_binary:
                    _skip(pubsub, lane, message, account)
                else:
                    written = payload if text is None else text
                    encoded = lane.serializer.broadcast(message.topic, event, written)
                    framed.append((lane, lane.frame(*encoded)))
            # After all lanes are encoded: if one lane can't be encoded, nothing is sent.
            for lane, frame in framed:
                if lane.slow:
                    lane.offer(message, frame, sender, account)
                exclude = None if sender is None else lane.outbox_of(sender)
                receivers = _count(account, lane, exclude)
                if fan_out is not None:
                    fan_out.add(receivers, lane.size(frame))
                crowded |= pubsub.batch.add(lane, frame, exclude)
            if fan_out is not None:
                fan_out.end(message.topic, event)
            if went is not None:
                went(payload if text is None else text)
        if self.listeners:
            self._tell_listeners(pubsub, message, sender)
        return crowded

    def receive(
        self, pubsub: PubSub, topic: str, envelope: Envelope, node: str | None = None
    ) -> None:
        """Send a broadcast of another node to all subscribers. Decode its payload only if one of them reads it.

        Raises:
            DecodeError: The payload is no JSON object. If nobody reads it, only its first and last byte are looked at.
        """
        kind, event, content = envelope
        if kind is EnvelopeKind.BINARY:
            self.send(pubsub, Broadcast(topic, event, content), None, None, node)
            return
        if content[:1] != b"{" or content[-1:] != b"}":
            raise DecodeError(f"expected a payload that is a JSON object, got {content[:16]!r}")
        is_read = self.listeners or _is_read(self.lanes.values(), event)
        try:
            payload = _decode(content) if is_read else None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise DecodeError(f"expected a payload that is JSON: {error}") from error
        self.send(pubsub, Broadcast(topic, event, payload), None, Raw(content), node)

    def pass_on(
        self, pubsub: PubSub, topic: str, epoch: str, entry: LogEntry, sender: object
    ) -> bool:
        """Send an entry of a log to all subscribers but the sender. Return whether the batch is full.

        Positioned lanes get frames with the position. Their channels that intercept the event get the entry by
        themselves. Channels that catch up get the entry later. All others get what they get of any broadcast.
        """
        event, text = entry.event, Raw(entry.payload)
        broadcast: Broadcast | None = None
        lanes = tuple(self.lanes.values())  # a channel that intercepts the entry changes lanes
        if self.listeners or _is_read(lanes, event):
            broadcast = Broadcast(topic, event, _decode(entry.payload))
        position = f"{entry.offset}:{epoch}"
        account, batch, watch = self.account, pubsub.batch, pubsub.watch
        went = None if watch is None else watch.begin(topic, event, account, position=position)
        fan_out: FanOut | None = None
        if self.lanes and (self.tally or pubsub.telemetry.handlers[BroadcastFannedOut]):
            fan_out = FanOut(pubsub.telemetry, account, self.tally)
        account.messages += 1
        for lane in lanes:
            if lane.is_positioned is None:
                continue
            if event in lane.intercepts:
                if lane.is_positioned:
                    for channel in lane.everybody():
                        if channel is not sender:
                            channel.intercept_entry(entry)
                            continue
                        account.due += 1
                        account.own += 1
                elif broadcast is not None:
                    _intercept(lane, broadcast, sender, account)
                continue
            ref = position if lane.is_positioned else None
            frame = lane.frame(*lane.serializer.entry(None, ref, topic, event, text))
            if lane.slow and broadcast is not None:
                lane.offer(broadcast, frame, sender, account)
            exclude = None if sender is None else lane.outbox_of(sender)
            receivers = _count(account, lane, exclude)
            if fan_out is not None:
                fan_out.add(receivers, lane.size(frame))
            batch.put(lane, frame, exclude)
        if fan_out is not None:
            fan_out.end(topic, event)
        # After all lanes: a write can find that a client is slow, and then its member leaves its lane.
        crowded = batch.flush_if_full()
        if went is not None:
            went(text)
        if self.listeners:
            self._tell_listeners(pubsub, broadcast, sender)
        return crowded

    def _tell_listeners(self, pubsub: PubSub, message: Any, sender: object) -> None:
        message = copy_of(message)  # the sender can change the message later
        for listener in tuple(self.listeners):
            if sender is None or listener.owner is not sender:
                try:
                    listener.deliver(message if listener.shares else copy_of(message))
                except Exception:
                    pubsub.log.exception("A listener of %r failed on %s", listener.topic, message)


def _is_read(lanes: Iterable[Lane], event: str) -> bool:
    """Return whether a channel reads the payload of an event: because it intercepts it, or its client is slow."""
    for lane in lanes:  # noqa: SIM110 - any() costs more, and this runs for each broadcast
        if lane.slow or event in lane.intercepts:
            return True
    return False


def _count(account: Account, lane: Lane, exclude: Outbox | None) -> int:
    """Count what the members of a lane get, but for the slow ones. Return the number of deliveries."""
    count = len(lane.members)
    account.due += count
    if exclude is not None:
        account.own += 1
        count -= 1
    account.delivered += count
    return count


def _skip(pubsub: PubSub, lane: Lane, broadcast: Broadcast, account: Account) -> None:
    """Log and count a binary broadcast that can't be sent to the clients of a lane.

    In Phoenix one client with V1 or long polling fails the broadcast for all other clients.
    """
    pubsub.log.warning(
        "A binary broadcast of %r on %r was not sent to %d client(s) that speak %s%s,"
        " which can't carry it",
        broadcast.event,
        broadcast.topic,
        len(lane),
        lane.serializer.name,
        "" if lane.framing.carries_binary else " over long polling",
    )
    account.due += len(lane)
    account.drop(DropReason.NO_BINARY, len(lane))
    pubsub.telemetry.dropped(broadcast.topic, DropReason.NO_BINARY, len(lane))


def _intercept(lane: Lane, broadcast: Broadcast, sender: object, account: Account) -> None:
    """Give a broadcast to the channels of a lane that intercept it."""
    kept = copy_of(broadcast)  # the sender can change the message later
    for channel in lane.everybody():
        account.due += 1
        if channel is sender:
            account.own += 1
        else:
            account.handled += 1
            channel.intercept(kept)
