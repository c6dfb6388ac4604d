"""A task with an inbox: what a channel that is joined and an open raw socket have in common.

Theory of operation
-------------------
The task takes one item after another out of the inbox and runs what it means, a *step*: the running of one
method of the user's object. An item is something of the client, or something of the server: a broadcast
that is to be looked at, a message to the object, the news that the connection is gone.

Whatever runs when the end comes has a *limit*: then it is cancelled, and if it won't heed that, its
coroutine is closed under it (:mod:`bennu.server.supervision`). So an end always comes, and the
``finally`` of the task, which can't be skipped, leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Awaitable
from typing import Any, Final, cast

from ..definition import Handler
from ..errors import CallbackError, EncodeError, Refused, Stop
from ..logs.log import Printed
from ..logs.printable import described
from ..message import Error, Message
from ..reasons import DropReason
from ..telemetry import ChannelHandledIn, Telemetry
from ..user_code.callback import UNFINISHED, crash_of
from ..user_code.functions import teach_refusal
from .mailbox import Frame, Inbox, Kind
from .owner import D, H, Phase
from .supervised import End, Notice, Supervised

__all__ = ["Actor", "Step"]


LOG_EVERY: Final = 1000
"""Dropped messages between two lines of the log: a flood must not flood that too."""

PART: Final = 16_384
"""Bytes of weighed messages that a task handles before it waits for a turn of its own."""

Step = tuple[Any, Handler, Awaitable[Any]]
"""What is answered, if anything; the handler; and its running, to be awaited."""


class Actor(Supervised[H, D]):
    """A user's object and the task that runs it.

    Attributes:
        message: What of the client is being handled, if anything is.
    """

    __slots__ = ("_dropped", "_handled", "_heavy", "_inbox", "_terminated", "message")

    def __init__(self, connection: H, definition: D, topic: str, agent: Any) -> None:
        super().__init__(connection, definition, topic, agent)
        self.message: Any = None
        self._inbox = Inbox()
        self._heavy: dict[int, int] | None = None  # of messages by identity: their bytes
        self._handled = 0  # bytes of them since it last waited for a turn
        self._dropped = 0
        self._terminated = False
        agent._server = self
        agent.assigns = connection.assigns

    # Given by what it is.

    @abstractmethod
    def _step_of_message(self, message: Any) -> Step | End | None:
        """Return what to run for a message of the client; what needs no handler is done at once."""

    @abstractmethod
    def _step_of_item(self, kind: Kind, item: Any) -> Step | End | None:
        """Return what to run for something of the server's own."""

    @abstractmethod
    def answer(self, message: Any, value: Any) -> None:
        """Send what a handler returned."""

    @abstractmethod
    def may_refuse(self, message: Any) -> bool:
        """Whether ``raise Refused`` is an answer, not an error."""

    def _handled_event(self, telemetry: Telemetry, message: Any, started: float) -> None:
        """Tell telemetry that a message has been handled."""

    def _refused(self, message: Any, response: Any) -> None:
        """Tell telemetry that a message was answered with an error."""

    # What the connection does.

    def deliver(self, message: Message | Frame) -> None:
        """Take a message of the client."""
        if self._inbox.put_message(message, self.agent.max_inbox):
            self.outbox.pause_reading()
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def deliver_heavy(self, message: Message | Frame, size: int) -> None:
        """Take a message of so many bytes, which count until it has been handled."""
        if self._heavy is None:
            self._heavy = {}
        self._heavy[id(message)] = size
        self.outbox.load(size)
        self.deliver(message)

    def _unload(self, message: object) -> None:
        """Count the bytes of a message no more, if they are counted."""
        if self._heavy and (size := self._heavy.pop(id(message), 0)):
            self.outbox.unload(size)

    def end(self, reason: str | Exception) -> None:
        """Take the news that the connection is gone: in its turn, but not beyond the grace time."""
        end = End(reason, Notice.NOTHING)
        self._inbox.put_anyway((Kind.END, end))
        self.expect_end(end)

    # What comes from the server's side.

    def put_info(self, message: Any) -> None:
        """Queue a message of the server."""
        self._put_server(Kind.INFO, message)

    def put_heard(self, message: Any) -> None:
        """Queue a message of a topic, which others hear too: its handler gets a copy."""
        self._put_server(Kind.HEARD, message)

    def fail(self, error: Exception) -> None:
        """End because something that it started raised."""
        if isinstance(error, Stop):
            self.end_soon(self._stop(error))
            return
        self.log.error("A task of %s crashed", self.label, exc_info=error)
        self.end_soon(End(error, Notice.ERROR))

    def _put_server(self, kind: Kind, item: Any) -> None:
        if self.phase is Phase.ENDED or self.ending is not None:
            return
        bound = self.agent.max_mailbox
        if not self._inbox.put_server(kind, item, bound):
            if self.agent.overflow == "end":
                self.log.error(
                    "%s ends: %d messages of the server wait for it (max_mailbox)",
                    self.label,
                    bound,
                )
                self.end_soon(End("overflow", Notice.ERROR))
                return
            self._inbox.drop_oldest_server()
            self._inbox.put_server(kind, item, bound)
            self._dropped += 1
            self.outbox.server.telemetry.dropped(self.topic, DropReason.MAILBOX_FULL)
            if self._dropped == 1 or self._dropped % LOG_EVERY == 0:
                self.log.warning(
                    "%s has dropped its oldest message, %d so far (max_mailbox)",
                    self.label,
                    self._dropped,
                )
        if self.waiter is not None:
            self.wake(self.waiter)

    # The task.

    async def _serve(self, step: Step | None) -> End:
        """Run one step after another, this one first, until one of them is the end."""
        items = self._inbox.items
        create_future = self.loop.create_future
        telemetry = self.outbox.server.telemetry
        handlers = telemetry.handlers
        item: Any
        planned: Step | End | None
        message: Any
        running: Any
        value: Any
        while True:
            if step is None:
                if self.ending is not None:
                    return self.ending
                if not items:
                    # What was handled may hold on to megabytes; this may wait for hours.
                    item = planned = message = running = value = None
                    self.waiter = create_future()
                    await self.waiter
                    continue
                item = items.pop(0)
                if self._heavy and self._is_to_wait(item):
                    end = await self._wait_for_turn()
                    if end is not None:
                        return end
                if item.__class__ is tuple:
                    planned = self._step_of_item(*item)
                else:
                    planned = self._step_of_message(item)
                if planned is None:
                    if self._heavy:
                        self._unload(item)
                    continue
                if isinstance(planned, End):
                    return planned
                step = planned
            message, handler, running = step
            step = None
            self.message = message
            is_told = message is not None and handlers[ChannelHandledIn]
            started = time.perf_counter() if is_told else 0.0
            try:
                value = await running
                if value is not None and type(value) is not dict and type(value) in UNFINISHED:
                    value = await handler.finish(value)
                if is_told and self.outbox.socket.log:
                    self._handled_event(telemetry, message, started)
                if value is not None:
                    if message is not None:
                        self.answer(message, value)
                    else:
                        self._tell_nobody(handler, cast("object", value))
            except BaseException as error:  # noqa: BLE001 - _end_by raises what is not ours
                end = self._end_by(error, message, handler)
                if end is not None:
                    return end
            finally:
                self.message = None
                if self._heavy:
                    self._unload(message)
            if self.is_interrupted:  # it swallowed its cancellation, but it is over
                self.take_interruption()

    def _tell_nobody(self, handler: Handler, value: object) -> None:
        """Say that what a handler returned reaches no client: only a client's message has a reply."""
        self.log.warning(
            "%s: %s returned %s, which is sent to nobody, since no client asked."
            " Write `await self.push(event, payload)`",
            self.label,
            handler.function.__name__,
            Printed(described(value)),
        )

    def _is_to_wait(self, item: object) -> bool:
        """Whether this is a large message, and others' go first, since so much was handled before it."""
        size = self._heavy.get(id(item), 0) if self._heavy else 0
        is_next = size > 0 and self._handled >= PART
        self._handled = size if is_next else self._handled + size
        return is_next

    async def _wait_for_turn(self) -> End | None:
        """Wait for a turn to handle a large message; return the end if that has come meanwhile."""
        try:
            await self.outbox.server.scheduler.exclusive()
        except asyncio.CancelledError:
            if not self.take_interruption():
                raise
        return self.ending

    def _end_by(self, error: BaseException, message: Any, handler: Handler) -> End | None:
        """Return the end that a handler's exception means, or None if it goes on.

        Called while the exception is handled: what is none of our business is raised again.
        """
        if self.is_dead:
            raise error
        if isinstance(error, Stop) or (isinstance(error, Refused) and self.may_refuse(message)):
            try:
                return self._answer_by(error, message)
            except EncodeError as unsendable:
                error = unsendable
        if isinstance(error, asyncio.CancelledError):
            if self.take_interruption():
                return self.ending
            if self.was_cancelled_from_outside():
                raise error
            error = CallbackError(f"it awaited what was cancelled: {described(error)}")
        name = handler.function.__name__
        return self._crash(name, crash_of(error, name))

    def _answer_by(self, error: Refused | Stop, message: Any) -> End | None:
        answer = Error(error.payload) if isinstance(error, Refused) else error.reply
        if message is not None and answer is not None:
            self.answer(message, answer)
        if isinstance(error, Refused):
            self._refused(message, error.payload)
            return None
        return self._stop(error)

    def _stop(self, stop: Stop) -> End:
        if stop.closes:
            return End(stop.reason, Notice.CLOSE)
        self.log.error("%s stopped: %s", self.label, stop.reason)
        return End(stop.reason, Notice.ERROR)

    def _crash(self, where: str, error: Exception) -> End:
        teach_refusal(error)
        self.log.error("%s crashed in %s", self.label, where, exc_info=error)
        return End(error, Notice.ERROR)

    # The end.

    def take_end(self, end: End) -> None:
        """Let nothing interrupt what is done about the end that has come."""
        self.clear_limit()
        self.is_interrupted = False
        self.ending = end

    async def _terminate(self, end: End) -> None:
        self._terminated = True
        handler = self.definition.terminate
        if handler is None:
            return
        name = handler.function.__name__
        limit = self.agent.terminate_timeout
        self.set_limit(limit)
        try:
            await handler.ask(self, self.agent, end.reason)
        except asyncio.CancelledError:
            if self.take_interruption():
                self.log.error(  # noqa: TRY400 - where it was cancelled says nothing
                    "%s of %s took over %gs", name, self.label, limit
                )
            else:
                raise
        except Exception:
            if self.is_dead:
                raise
            self.log.exception("%s of %s crashed", name, self.label)
        finally:
            self.clear_limit()

    def _wind_up(self, *, terminates: bool) -> None:
        """Leave nothing behind, however the task ended; this can't be cancelled, and never waits."""
        self.clear_limit()
        if self._inbox.is_full:
            self._inbox.is_full = False
            self.outbox.resume_reading()
        if self._heavy:
            self.outbox.unload(sum(self._heavy.values()))
            self._heavy.clear()
        self._inbox.items.clear()  # megabytes, in a cycle of references that is found late
        if terminates and not self._terminated:
            end = self.ending or End("shutdown", Notice.ERROR)
            self.task = self.outbox.server.create_task(self._terminate_late(end), self.context)
        else:
            self._over()

    async def _terminate_late(self, end: End) -> None:
        """Run terminate for one whose own task had to be killed."""
        self.is_interrupted = self.is_dead = False
        try:
            await self._terminate(end)
        finally:
            self.clear_limit()
            self._over()

    def _over(self) -> None:
        self.phase = Phase.ENDED
        self.disown()
