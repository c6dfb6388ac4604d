"""One life of a node on a broker, from its start to its stop."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection
from contextlib import suppress

from ...errors import DecodeError, NotStarted
from ...logs.log import Log
from ..bus import Loss, LossReason, Lost, Receive
from ..sequence import Heard, Key
from .connection import BrokerConnection
from .driver import Driver
from .frames import (
    Answer,
    Ask,
    BrokerFrame,
    FarewellToAll,
    FrameBody,
    FrameKind,
    NodeHeartbeat,
    OtherVersion,
    Probe,
    Recall,
    Recalled,
    Sender,
    body_of,
    control_of,
    head_of,
)
from .members import Member, Members
from .publishing import Publishing
from .questions import Questions
from .settings import BrokerSettings, Channels
from .subscriptions import SubscribedTopic, SubscriptionBatch, Subscriptions
from .twins import Twins

__all__ = ["BrokerNode"]


class BrokerNode:
    """One life of a node.

    Args:
        driver: The driver.
        name: The name of the node.
        epoch: The epoch.
        settings: The times and limits.
        channels: The names of the channels.
        receive: Called with each message.
        lost: Called with each loss.
        log: Writes the log.

    Attributes:
        is_open: Whether the node has started, and not stopped.
        publishing: What this node publishes.
        subscriptions: What this node hears.
        members: The other nodes.
    """

    def __init__(
        self,
        driver: Driver,
        name: str,
        epoch: int,
        settings: BrokerSettings,
        channels: Channels,
        receive: Receive,
        lost: Lost,
        log: Log,
    ) -> None:
        self._driver = driver
        self._name = name
        self._settings = settings
        self._channels = channels
        self._control = channels.control
        self._own = channels.of_node(name)
        self._own_channels = [self._control, self._own]
        self._receive = receive
        self._lost = lost
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._sender = Sender(name, epoch)
        self._head = self._sender.head
        self.is_open = True
        self.members = Members(lost, settings.gone)
        self.publishing = Publishing(name, self._sender, settings, channels, driver.max_bytes, lost)
        self.subscriptions = Subscriptions(channels, self._on_confirmed)
        self._questions = Questions(
            self._tell, self.members, self.subscriptions, self.publishing, settings.beat, lost
        )
        self._connection = BrokerConnection(
            driver,
            settings,
            self._own_channels,
            self.subscriptions,
            self.publishing.outbox,
            self._hear,
            self._greeting,
            self._on_connected,
            self._on_disconnected,
            log,
        )
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._beat = 0
        self._due = 0.0
        self._probe = 0
        self._probes: dict[int, asyncio.Future[None]] = {}
        self._twins = Twins(name, driver.name, log)
        self._has_greeted = False
        self._marks_due = math.inf
        driver.on_gap(self._on_gap)

    # Start and stop.

    async def open(self) -> None:
        """Begin to connect, and wait for the end of the first attempt."""
        self._task = self._loop.create_task(self._connection.run())
        self._due = self._loop.time() + self._settings.beat
        self._timer = self._loop.call_at(self._due, self._turn)
        await self._connection.first_attempt()

    async def close(self) -> None:
        """Send what waits and a farewell, and disconnect. A call that is cancelled disconnects, too."""
        self.is_open = False
        try:
            if self._connection.is_connected:
                await self._say_farewell()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._questions.stop()
            self.subscriptions.stop()
            for future in self._probes.values():
                if not future.done():
                    future.set_exception(NotStarted("the bus was stopped before it had confirmed"))
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait([self._task])
            count = self.publishing.drop_all()
            if count:
                self._log.error(
                    "This node stopped while the bus was down: %d messages are lost", count
                )

    async def _say_farewell(self) -> None:
        self.publishing.mark(self.publishing.numbers.unmarked())
        try:
            async with asyncio.timeout(min(self._settings.patience, self._settings.deaf)):
                await self.confirm()
                # A farewell that overtakes messages makes them late.
                self._tell(None, FarewellToAll())
                await self._come_back()
        except TimeoutError:
            self._log.error(
                "The bus %s does not answer, so this node stops without waiting for it",
                self._driver.name,
            )

    @property
    def is_abandoned(self) -> bool:
        """Whether the event loop of this node was closed before it stopped."""
        return self._loop.is_closed()

    @property
    def silent_since(self) -> float | None:
        """The time since which this node does not hear the bus, by the clock of the event loop; None if it does."""
        return None if self._connection.hears else self._connection.heard_at

    async def confirm(self) -> None:
        """Wait until a message of this node has come back, and the broker has taken those before it."""
        has_taken = False
        while not has_taken:
            await self._come_back()
            with suppress(
                Exception
            ):  # the connection has ended; each client library says it in its own way
                await self._driver.settle()
                has_taken = True

    async def _come_back(self) -> None:
        self._probe += 1
        number = self._probe
        future = self._probes[number] = self._loop.create_future()
        self._tell(self._name, Probe(number))
        try:
            await future
        finally:
            self._probes.pop(number, None)
        self.publishing.report()  # a publisher asks whether messages were dropped

    async def subscribe(self, topics: Collection[str]) -> None:
        """Hear topics, and wait until the broker has confirmed that."""
        for batch in self.subscriptions.add(topics):
            await batch.confirmed.wait()
        if not self.is_open:
            raise NotStarted("the bus was stopped before it had confirmed the topics")

    def unsubscribe(self, topics: Collection[str]) -> None:
        """Hear topics no more."""
        removed = self.subscriptions.remove(topics)
        for member in self.members:
            for topic in removed:
                member.known.forget(topic)
                member.known.forget((topic, ""))

    # The connection.

    def _greeting(self) -> list[tuple[str, bytes]]:
        self._questions.begin()
        heartbeat = self._heartbeat(is_first=not self._has_greeted, is_back=self._has_greeted)
        self._has_greeted = True
        return [(self._control, self._sender.control(heartbeat))]

    def _on_connected(self) -> None:
        self.members.heard_since = self._loop.time()
        if self.members.deaf_since is not None:
            # If the broker was down, the others can take as long to come back.
            self.members.heard_since += self._settings.last_delay
        self._questions.hear_again()
        since = min(self._connection.heard_turn - 1, self._marks_due)
        self._marks_due = math.inf
        self.publishing.mark(self.publishing.numbers.since(int(since)))
        self._send_probe()

    def _on_gap(self, seconds: float) -> None:
        """Ask for marks of what was missed, and send marks of what others can have missed."""
        self._questions.deaf(self._loop.time() - seconds)
        turns = math.ceil(seconds / self._settings.beat) + 1
        self._marks_due = min(self._marks_due, self.publishing.numbers.turn - turns)
        if self._connection.is_connected:
            self._on_connected()

    def _on_disconnected(self) -> None:
        self._questions.deaf(self._connection.heard_at)

    def _on_confirmed(self, batches: list[SubscriptionBatch]) -> None:
        self._questions.confirmed(batches)

    # Once a turn.

    def _turn(self) -> None:
        now = self._loop.time()
        beat = self._settings.beat
        was_held = now - self._due > beat / 2
        self._due = max(self._due + beat, now + beat / 2)
        self._timer = self._loop.call_at(self._due, self._turn)
        connection = self._connection
        connection.watch(was_held=was_held)
        if was_held or not connection.hears:
            self.members.heard_since = max(self.members.heard_since, now)
        hears = bool(self.subscriptions.topics)
        for member in self.members.check(now, hears=hears):
            self._log.warning(
                "The node %s is gone: it was silent for %g s", member.name, self._settings.gone
            )
        quiet = self.publishing.numbers.quiet()
        if connection.is_connected:
            self._tell(None, self._heartbeat())
            self.publishing.mark(quiet)
            self._questions.turn(self.publishing.numbers.turn)
            self._send_probe()
        self.publishing.report()
        self._trim()

    def _heartbeat(self, *, is_first: bool = False, is_back: bool = False) -> NodeHeartbeat:
        self._beat += 1
        self._connection.sent(self._beat, self.publishing.numbers.turn)
        return NodeHeartbeat(self._beat, self._questions.age, is_first, is_back)

    def _send_probe(self) -> None:
        """Send the last probe again, if somebody waits for it."""
        if self._probes:
            self._tell(self._name, Probe(self._probe))

    def _trim(self) -> None:
        """Keep the numbers of the other nodes within their limit."""
        members = [*self.members]
        if sum(len(member.known) for member in members) > self._settings.max_known:
            largest = max(members, key=lambda member: len(member.known))
            largest.known.trim(self.subscriptions.generation)
            self._log.warning(
                "The numbers of more than %d topics and nodes are known: the older half of those of %s was forgotten",
                self._settings.max_known,
                largest.name,
            )

    def _tell(self, node: str | None, control: BrokerFrame) -> None:
        """Send a control frame to a node, or to all."""
        channel = self._control if node is None else self._channels.of_node(node)
        self.publishing.outbox.put_control(channel, self._sender.control(control))

    # What comes from the broker.

    def _hear(self, channel: str, frame: bytes) -> None:
        """Take a frame. Whatever comes, nothing is raised."""
        try:
            if frame.startswith(self._head):
                if channel in self._own_channels:
                    self._hear_myself(body_of(frame, len(self._head)))
                return
            head = head_of(frame)
            body = body_of(frame, len(head))
            member = self.members.find(head)
            if member is None:
                member = self.members.meet(head, self._loop.time())
            if member.name == self._name:
                self._hear_twin(head, body)
            elif body.kind == FrameKind.CONTROL:
                self._hear_control(member, control_of(body.data))
            else:
                self._hear_message(channel, member, body)
        except OtherVersion as error:
            self._log.warning(
                "A frame on the bus was dropped: %s. Run one version of Bennu, or give each its prefix",
                error,
                burst=1,
            )
        except DecodeError as error:
            self._log.warning(
                "A message on the channels of this bus is not of Bennu, and was dropped: %s. Give each application its prefix",
                error,
                burst=1,
            )

    def _hear_message(self, channel: str, member: Member, body: FrameBody) -> None:
        key: Key
        known: SubscribedTopic | None
        if body.topic is None:
            known = self.subscriptions.by_channel.get(channel)
            if known is None:
                return
            topic = key = known.topic
        else:
            topic = body.topic
            known = self.subscriptions.topics.get(topic)
            if known is None or channel != self._own:
                return
            key = (topic, "")
        generation = known.batch.generation
        heard: Heard
        if body.kind in (FrameKind.MESSAGE, FrameKind.ADDRESSED):
            heard = member.known.hear(key, body.number, generation)
        else:
            heard = member.known.mark(key, body.number, generation)
        if heard.missed != 0:
            self._lost(Loss(member.name, topic, heard.missed, LossReason.GAP))
        if heard.is_new:
            self._receive(member.name, topic, body.data)

    def _hear_control(self, member: Member, control: BrokerFrame) -> None:
        match control:
            case NodeHeartbeat():
                self._hear_heartbeat(member, control)
            case FarewellToAll():
                self.members.leave(member, self._loop.time())
            case Ask():
                self._questions.asked(member, control)
            case Answer():
                self._questions.answer(member, control)
            case Recall():
                self._questions.recall(member, control)
            case Recalled():
                self._questions.recalled(member, control)
            case Probe():
                raise DecodeError("a probe of another node")

    def _hear_heartbeat(self, member: Member, heartbeat: NodeHeartbeat) -> None:
        has_topics = bool(self.subscriptions.topics)
        has_come = self.members.arrive(member, self._loop.time(), hears=has_topics)
        if heartbeat.is_first:
            self._questions.begins(member)
            self._tell(member.name, NodeHeartbeat(0, self._questions.age))
        elif heartbeat.is_back:
            member.ask_soon()
            self._questions.arrived(member)
        elif has_come:
            self._questions.arrived(member)

    def _hear_myself(self, body: FrameBody) -> None:
        if body.kind == FrameKind.CONTROL:
            match control_of(body.data):
                case NodeHeartbeat(number=number):
                    self._connection.came_back(number)
                case Probe(number=number):
                    for waiting, future in self._probes.items():
                        if waiting <= number and not future.done():
                            future.set_result(None)
                case _:
                    pass

    def _hear_twin(self, head: bytes, body: FrameBody) -> None:
        """Take a frame of another process with the name of this node."""
        if body.kind == FrameKind.CONTROL and isinstance(control_of(body.data), NodeHeartbeat):
            self._twins.hear(head)
