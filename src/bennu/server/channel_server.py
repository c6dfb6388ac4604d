"""Runs one joined channel: its task, its handlers, and its end. Protocol document, §2.9–2.16 and §3.

Theory of operation
-------------------
The connection makes a :class:`ChannelServer` for each ``phx_join``. Its task runs the user's ``join``, answers it,
and then takes one item of the mailbox after another. An item is a message of the client, an intercepted
broadcast, a message for ``@on_info``, or an end. For each item the task runs one handler, and writes what the handler
returns as the reply.

A channel is in one phase. :data:`~bennu.server.phases.TRANSITIONS` is the whole state machine: the triggers that move a channel
from one phase to the next, and the notices to the client. The notice that a channel is *closed* is sent before
``terminate`` runs, so the topic is free at once. The notice that a channel has *crashed* is sent after ``terminate``,
because the client joins again when it reads the notice.

A handler that still runs when an end comes has a time limit, and so has ``join``: :mod:`bennu.server.task`.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, cast

from ..definition import ChannelDefinition
from ..errors import NotJoined
from ..history.page import PastEntries
from ..history.reader import AnyPosition
from ..message import OK, Broadcast, Message
from ..pubsub.fastlane import LaneKey
from ..store.entry import LogEntry
from ..telemetry import ChannelHandledIn, PushSent
from ..user_code.callback import UNFINISHED, call_now
from .channel_member import ChannelMember
from .channel_telemetry import report_handled, report_moved, report_pushed, tally_of, warn_unsent
from .end import End, Trigger
from .joining import CRASHED, join
from .joining_history import read_history
from .mailbox import Kind
from .phases import TRANSITIONS, Notice, Phase, notice_of
from .steps import Step, answer, end_by, is_result, step_of
from .task import Interruption, SupervisedTask

if TYPE_CHECKING:
    from .channel_connection import ChannelConnection

__all__ = ["ChannelServer"]

JOINED: Final = Phase.JOINED

AFTER_JOIN: Final = (Kind.JOINED, None)
"""The item that a task handles first."""


class ChannelServer:
    """One channel object, and the task that runs it.

    Args:
        connection: The client's connection.
        definition: The tables of the channel's class.
        message: The client's join.
        parameters: The values of the parameters in the topic's pattern.

    Attributes:
        agent: The channel object.
        join_ref: The client's join_ref, or else the ref of its join.
        joined_at: The time at which the join succeeded, in seconds of the event loop. Unset before.
        phase: The phase of the channel.
        lane: The lane of its topic that the connection is in because of this channel.
        member: The membership in a topic with history; None for a topic without history.
        message: The message of the client that is being handled.
        task: The task that runs the channel.
    """

    __slots__ = (
        "agent",
        "connection",
        "definition",
        "join_ref",
        "joined_at",
        "lane",
        "member",
        "message",
        "phase",
        "task",
        "topic",
    )

    def __init__(
        self,
        connection: ChannelConnection,
        definition: ChannelDefinition,
        message: Message,
        parameters: dict[str, Any],
    ) -> None:
        self.connection = connection
        self.definition = definition
        self.topic: str = message.topic
        self.join_ref = message.ref if message.join_ref is None else message.join_ref
        self.phase = Phase.JOINING
        self.lane: LaneKey | None = None
        self.member: ChannelMember | None = None
        self.message: Message | None = None
        self.task = SupervisedTask(self)
        self.agent = agent = call_now(definition.name, definition.channel)
        agent._server = self
        agent.assigns = connection.assigns
        for name, value in parameters.items():
            setattr(agent, name, value)

    @property
    def label(self) -> str:
        """The channel's name in logs."""
        return f"{self.definition.name} on {self.topic!r}"

    @property
    def outbox(self) -> ChannelConnection:
        """The connection, as the fast lane knows it."""
        return self.connection

    def move(self, trigger: Trigger) -> Notice:
        """Go to the next phase; return the notice to the client."""
        before = self.phase
        self.phase, notice = TRANSITIONS[before, trigger]
        report_moved(self, before, trigger)
        return notice

    # Methods for the connection.

    def begin(self, message: Message) -> None:
        """Start the task with the client's join."""
        self.task.start(self._run(message))

    def deliver(self, message: Message) -> None:
        """Queue a message of the client."""
        task = self.task
        waiter = task.waiter  # the rest is task.wake(), in one function for speed
        if waiter is None:
            if task.over is None:  # else the connection has not yet noticed the end
                task.open_mailbox().put_message(message)
        else:
            task.waiter = None
            if not waiter.done():
                waiter.set_result(message)

    def deliver_large(self, message: Message, size: int) -> None:
        """Queue a large message of the client, and count its bytes until it is handled."""
        if self.task.over is None:
            self.task.open_mailbox().count_bytes(message, size)
            self.deliver(message)

    def leave(self, message: Message) -> None:
        """Queue the client's leave. It is handled in its turn, but at the latest after the grace time."""
        self.task.put_end(message, End(Trigger.LEFT, "left", message))

    def end(self, reason: str | Exception) -> None:
        """Queue the end by a lost connection. It is handled in its turn, but at the latest after the grace time."""
        self.leave_lane()
        if self.member is not None:
            self.member.lost()
        end = End(Trigger.LOST, reason)
        self.task.put_end(end, end)

    def replace(self) -> None:
        """End at once, without ``terminate`` and without a notice, because the client joins again."""
        self.move(Trigger.REPLACED)
        self.task.replace()

    def accepted(self) -> None:
        """Note that the join has succeeded."""
        self.move(Trigger.ACCEPTED)
        self.joined_at = self.connection.server.loop.time()
        self.enter_lane()

    def enter_lane(self) -> None:
        """Begin to receive the broadcasts of the topic; or change the lane, because the member catches up or is live now."""
        connection, member = self.connection, self.member
        pubsub = connection.server.pubsub
        pubsub.batch.sync(connection)  # this can tell that the client is slow, so it comes first
        entries = member is not None and member.entries_in_lane
        key = (connection.serializer, connection.framing, self.definition.intercepts, entries)
        if key != self.lane:
            old, self.lane = self.lane, pubsub.enter(self.topic, key, connection, self)
            if old is not None:
                pubsub.leave(self.topic, old, connection)

    def leave_lane(self) -> None:
        """Stop receiving the broadcasts of the topic."""
        if self.lane is not None:
            key, self.lane = self.lane, None
            self.connection.server.pubsub.leave(self.topic, key, self.connection)

    def slow_down(self) -> None:
        """Take the news that the client reads too slowly."""
        if self.member is not None:
            self.member.slow_down()

    def catch_up(self) -> None:
        """Take the news that the client has caught up."""
        if self.member is not None:
            self.member.catch_up()

    # Methods for server code.

    def intercept(self, broadcast: Broadcast) -> None:
        """Queue a broadcast that ``@on_out`` handles before the client gets it."""
        self.task.put_item(Kind.OUT, broadcast)

    def intercept_entry(self, entry: LogEntry) -> None:
        """Queue an entry of a log that ``@on_out`` handles before the client gets it."""
        if self.member is not None:
            self.member.intercept(entry)

    def put_info(self, message: Any) -> None:
        """Queue a message for ``@on_info``."""
        self.task.put_item(Kind.INFO, message)

    def push(self, event: str, payload: Any) -> None:
        """Write an event to this client; write nothing after the end."""
        if self.phase is Phase.ENDED:
            return
        connection = self.connection
        positioned = None if self.member is None else self.member.encode_push(event, payload)
        encoded = positioned or connection.serializer.push(
            self.join_ref, self.topic, event, payload
        )
        if positioned or connection.backpressure is None:
            connection.send(encoded)
        else:
            connection.backpressure.push(self, event, payload, encoded)
        if connection.server.telemetry.handlers[PushSent]:
            report_pushed(self, event)

    async def read_history(
        self, since: AnyPosition, before: AnyPosition, limit: int
    ) -> PastEntries:
        """Return a part of the history of the topic, as far as the client may read it."""
        self.expect_usable("history")
        return await read_history(self, since, before, limit)

    def answer(self, ref: Any, value: Any) -> None:
        """Write a result of a handler as the reply to the message with a ref."""
        answer(self, ref, value)

    def expect_usable(self, method: str) -> None:
        """Check that the channel has joined, and that the call comes from the endpoint's event loop.

        Raises:
            NotJoined: The channel has not joined yet, or has ended.
            WrongThread: The call comes from another thread.
        """
        if self.phase is not JOINED:
            self.expect_joined(method)
        self.connection.server.home.expect("self", method)

    def expect_joined(self, method: str) -> None:
        """Check that the channel has joined, and has not ended.

        Raises:
            NotJoined: The channel has not joined yet, or has ended.
        """
        name = self.definition.name
        if self.phase is Phase.JOINING:
            raise NotJoined(
                f"{name}.{method}(...) was called before the join of {self.topic!r} succeeded:"
                " write it in `async def after_join(self)`"
            )
        if self.phase is Phase.ENDED:
            what = f"{name}.{method}(...) was called after the channel on {self.topic!r} ended"
            raise NotJoined(what)

    # The task.

    _answer_join, _next_step = join, step_of  # tracing puts them into spans

    async def _run(self, message: Any) -> None:
        """Run the join, then a handler for each item, and then the end."""
        task, connection, timers = self.task, self.connection, self.connection.server.timers
        create_future = connection.server.loop.create_future
        handlers, tally = connection.server.telemetry.handlers, tally_of(self)
        unanswered: Message | None = message
        item: Any = AFTER_JOIN
        step: Step | End | None
        end: End | None
        handler: Any
        running: Any
        value: Any
        try:
            if not await self._answer_join(message):
                return
            unanswered = None  # its payload can be large
            while True:
                step = self._next_step(item)
                if step is not None:
                    if step.__class__ is End:
                        end = cast("End", step)
                        break
                    message, handler, running = step
                    self.message = message
                    is_observed = message and (tally or timers or handlers[ChannelHandledIn])
                    started = time.perf_counter() if is_observed else 0.0
                    try:
                        value = await running
                        if value is not None and type(value) in UNFINISHED:
                            value = await handler.finish(value)
                        if message is not None and is_observed:
                            duration = time.perf_counter() - started
                            if tally is not None:
                                tally.handled(message.event, duration)
                            if timers or handlers[ChannelHandledIn]:
                                report_handled(self, message, duration)
                        if value is None:
                            pass
                        elif message is None:
                            warn_unsent(self, handler, value)
                        elif is_result(value.__class__):
                            self.answer(message.ref, value)
                        else:
                            connection.reply(self.join_ref, message.ref, self.topic, OK, value)
                    except BaseException as error:  # noqa: BLE001 - end_by raises it again if it is not the handler's
                        end = end_by(self, error, message, handler)
                        if end is not None:
                            break
                    finally:
                        self.message = None
                    if task.interruption is not Interruption.NONE:
                        task.take_interruption()  # the handler swallowed its cancellation, but is over
                mailbox = task.mailbox
                if mailbox is not None and mailbox.sizes:
                    mailbox.unload(item)
                # The handled item can hold megabytes, and the task can wait for hours.
                item = step = message = handler = running = value = None
                if task.ending is None:
                    if mailbox is not None:
                        item = mailbox.pop()
                    if item is None:
                        task.waiter = create_future()
                        item = await task.waiter
                    mailbox = task.mailbox
                    if mailbox is not None and mailbox.sizes and mailbox.needs_turn(item):
                        await task.wait_for_turn()
                if task.ending is not None:
                    end = task.ending
                    break
            await self._finish(end)
            end = None  # it can hold an exception, which holds this frame
        except asyncio.CancelledError:
            if self.phase is not Phase.REPLACED:
                raise
        finally:
            self._clean_up(unanswered)

    # The end.

    async def _finish(self, end: End) -> None:
        """Run ``terminate`` and notify the client, in the order of the protocol."""
        if self.phase is Phase.REPLACED:
            return
        self.task.take_end(end)
        notice = self.move(end.trigger)
        if notice is Notice.CLOSED:
            self._notify(end)
        await self.task.terminate(self.definition.terminate, end)
        if notice is Notice.CRASHED:
            self._notify(end)

    def _notify(self, end: End) -> None:
        """Notify the client of an end, and free the topic. A second call does nothing."""
        self.leave_lane()
        if notice_of(end) is Notice.CLOSED:
            self.connection.closed(self, end.leave)
        else:
            self.connection.crashed(self)

    def _clean_up(self, unanswered: Message | None) -> None:
        """Release everything, however the task ended, and answer a join that is ``unanswered``. This never waits."""
        self.leave_lane()
        if self.member is not None:
            self.member.end()
        task, connection = self.task, self.connection
        end = task.ending or End(Trigger.FAILED, "shutdown")
        is_killed = self.phase is JOINED  # before `terminate` could run
        if self.phase is Phase.JOINING and unanswered is not None:
            self.move(Trigger.REFUSED)
            connection.not_joined(unanswered, CRASHED)
        elif self.phase is not Phase.REPLACED or notice_of(end) is Notice.CLOSED:
            self._notify(end)
        task.clean_up(end)
        if is_killed:
            self.move(end.trigger)
            task.terminate_late(self.definition.terminate, end, self._over)
        else:
            self._over()
        connection.release(self)  # in all cases: the channel no longer holds the connection

    def _over(self) -> None:
        if self.phase is not Phase.ENDED:
            self.move(Trigger.OVER)
        self.task.end()
        self.connection.over()
