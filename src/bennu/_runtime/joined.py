"""One joined channel: a task, its inbox, and its end. Protocol document, §2.9–2.16 and §3.

Theory of operation
-------------------
The task runs the user's ``join``, answers it, and then handles one item of the inbox after another.
An item is a message of the client, or something of the server: an intercepted broadcast, a message for
``@on_info``, the news that the connection is gone.

Each way to end is an :class:`End`: what ``terminate`` is told, and what the client is told, when:

- CLOSE: ``phx_close`` goes out first, the topic is free, then ``terminate`` runs (a leave, a ``Stop``).
- ERROR: ``terminate`` runs first, then ``phx_error`` goes out (an exception, a ``Stop`` for a failure).
- NOTHING: the connection is gone; ``terminate`` runs.

A duplicate join *kills*: no ``terminate``, no word; the connection writes the ``phx_close``.

Whatever runs when the end comes has a *limit*: then it is cancelled, and if it won't heed that, its
coroutine is closed under it (:mod:`bennu._runtime.supervision`). So an end always comes, and the
``finally`` of the task, which can't be skipped, leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import Any, Final, Literal

from .._definition import ChannelDefinition, Handler
from .._payload import InvalidPayload, anything
from ..errors import EncodeError, Refused, Stop
from ..message import ERROR, PHX_LEAVE, Broadcast, Error, Message, Ok
from ..pubsub.fastlane import LaneKey
from ..reasons import DropReason, Reason
from ..telemetry import ChannelHandledIn, ChannelJoined, Telemetry
from .handle import Phase, write_reply
from .inbox import Inbox, Kind
from .joining import CRASHED, ask_to_join
from .line import Line
from .supervised import GRACE, End, Notice, Supervised

__all__ = ["JoinedChannel"]

logger = logging.getLogger("bennu")

LOG_EVERY: Final = 1000
"""Dropped messages between two lines of the log: a flood must not flood that too."""

Step = tuple[Message | None, Handler, Awaitable[Any]]
"""The message that is answered, if any; the handler; and its running, to be awaited."""


class JoinedChannel(Supervised):
    """A channel object and the task that runs it."""

    __slots__ = (
        "_dropped",
        "_inbox",
        "_lane",
        "_terminated",
    )

    def __init__(
        self,
        connection: Line,
        definition: ChannelDefinition,
        message: Message,
        parameters: dict[str, Any],
    ) -> None:
        join_ref = message.ref if message.join_ref is None else message.join_ref
        super().__init__(connection, definition, message.topic, join_ref)
        self._inbox = Inbox()
        self._dropped = 0
        self._lane: LaneKey | None = None
        self._terminated = False
        channel = self.channel
        channel._runtime = self
        channel.assigns = connection.assigns
        for name, value in parameters.items():
            setattr(channel, name, value)

    # What the connection does.

    def begin(self, message: Message) -> None:
        """Start the task with the join."""
        self.task = self.outbox.runtime.create_task(self._run(message))

    def deliver(self, message: Message) -> None:
        """Take a message of the client."""
        if self._inbox.put_message(message, self.channel.max_inbox):
            self.outbox.inbox_full()
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def leave(self, message: Message) -> None:
        """Take the client's leave: in its turn, but not beyond the grace time."""
        self._inbox.put_anyway(message)
        self.expect_end(End("left", Notice.CLOSE, message))

    def end(self, reason: str | Exception) -> None:
        """Take the news that the connection is gone: in its turn, but not beyond the grace time."""
        self.leave_lane()
        end = End(reason, Notice.NOTHING)
        self._inbox.put_anyway((Kind.END, end))
        self.expect_end(end)

    def kill(self) -> None:
        """End at once, without a word: another join takes over."""
        self.is_killed = True
        if self.task is not None and not self.task.done():
            self.task.cancel()
            self.set_limit(GRACE)

    def enter_lane(self) -> None:
        """Hear the topic from now on."""
        connection = self.outbox
        self.phase = Phase.JOINED
        key = (connection.serializer, connection.framing, self.definition.intercepts)
        connection.runtime.pubsub.enter(self.topic, key, connection, self)
        self._lane = key

    def leave_lane(self) -> None:
        """Hear it no more."""
        if self._lane is not None:
            key, self._lane = self._lane, None
            self.outbox.runtime.pubsub.leave(self.topic, key, self.outbox)

    # What comes from the server's side.

    def intercept(self, broadcast: Broadcast) -> None:
        """Take a broadcast that ``@on_out`` wants to see first."""
        self._put_server(Kind.OUT, broadcast)

    def put_info(self, message: Any) -> None:
        """Queue a message for ``@on_info``."""
        self._put_server(Kind.INFO, message)

    def fail(self, error: Exception) -> None:
        """End because something that the channel started raised."""
        if isinstance(error, Stop):
            self.end_soon(self._stop(error))
            return
        logger.error("A task of %s on %r crashed", self.name, self.topic, exc_info=error)
        self.end_soon(End(error, Notice.ERROR))

    def _put_server(self, kind: Kind, item: Any) -> None:
        if self.phase is Phase.ENDED or self.ending is not None:
            return
        bound = self.channel.max_mailbox
        if not self._inbox.put_server(kind, item, bound):
            if self.channel.overflow == "end":
                logger.error(
                    "%s on %r ends: %d messages of the server wait for it (max_mailbox)",
                    self.name,
                    self.topic,
                    bound,
                )
                self.end_soon(End("overflow", Notice.ERROR))
                return
            self._inbox.drop_oldest_server()
            self._inbox.put_server(kind, item, bound)
            self._dropped += 1
            self.outbox.runtime.telemetry.dropped(self.topic, DropReason.MAILBOX_FULL)
            if self._dropped == 1 or self._dropped % LOG_EVERY == 0:
                logger.warning(
                    "%s on %r has dropped its oldest message, %d so far (max_mailbox)",
                    self.name,
                    self.topic,
                    self._dropped,
                )
        if self.waiter is not None:
            self.wake(self.waiter)

    # The task.

    async def _run(self, message: Message) -> None:
        try:
            if await self._join(message):
                await self._finish(await self._serve())
        except asyncio.CancelledError:
            if not self.is_killed:
                raise
        finally:
            self._clean_up(message)

    async def _join(self, message: Message) -> bool:
        """Run the user's join and answer it; return whether it succeeded."""
        connection = self.outbox
        started = time.perf_counter()
        outcome = await ask_to_join(self, message)
        telemetry = connection.runtime.telemetry
        if telemetry.handlers and connection.socket.log and outcome.response is not CRASHED:
            result: Literal["ok", "error"] = "ok" if type(outcome) is Ok else "error"
            duration = time.perf_counter() - started
            telemetry.emit(
                ChannelJoined(self.topic, self.name, readable(message), result, duration)
            )
        if type(outcome) is Ok:
            if connection.is_lost:
                self.phase = Phase.JOINED  # it did join, so it will terminate
                return True
            try:
                connection.joined(self, message, outcome.response)
            except EncodeError:
                logger.exception("The join of %r returned what can't be sent", self.topic)
                outcome = Error(CRASHED)
            else:
                connection.release(self)
                return True
        self.phase = Phase.ENDED
        connection.not_joined(message, outcome.response)
        connection.release(self)
        return False

    async def _serve(self) -> End:
        """Run one step after another, until one of them is the end."""
        step: Step | None = None
        if self.definition.after_join is not None:
            step = None, self.definition.after_join, self.call(self.definition.after_join)
        items = self._inbox.items
        create_future = self.loop.create_future
        telemetry = self.outbox.runtime.telemetry
        while True:
            if step is None:
                if self.ending is not None:
                    return self.ending
                if not items:
                    self.waiter = create_future()
                    await self.waiter
                    continue
                item = items.pop(0)
                if isinstance(item, Message):
                    planned = self._step_of_message(item)
                else:
                    planned = self._step_of_item(*item)
                if planned is None:
                    continue
                if isinstance(planned, End):
                    return planned
                step = planned
            message, handler, running = step
            step = None
            self.message = message
            started = time.perf_counter() if telemetry.handlers else 0.0
            try:
                value = await running
                if message is not None:
                    if telemetry.handlers and self.outbox.socket.log:
                        self._handled_event(telemetry, message, started)
                    if value is not None:
                        write_reply(self, message.ref, value)
            except BaseException as error:  # noqa: BLE001 - _end_by raises what is not ours
                end = self._end_by(error, message, handler)
                if end is not None:
                    return end
            finally:
                self.message = None
            if self.is_interrupted:  # it swallowed its cancellation, but it is over
                self.take_interruption()

    def _step_of_message(self, message: Message) -> Step | End | None:
        """Return what to run for a message of the client; what needs no handler is done at once."""
        event = message.event
        if event == PHX_LEAVE:
            return End("left", Notice.CLOSE, message)
        inbox = self._inbox
        if inbox.is_full and inbox.has_drained(self.channel.max_inbox):
            self.outbox.inbox_drained()
        definition = self.definition
        handler = definition.events.get(event) if type(event) is str else None
        try:
            if handler is not None:
                if handler.decode is None:
                    return message, handler, self.call(handler)
                return message, handler, self.call(handler, handler.decode(message.payload))
            if definition.handle_in is not None:
                handler = definition.handle_in
                return message, handler, self.call(handler, event, anything(message.payload))
        except InvalidPayload as invalid:
            self._reply_error(message, Reason.INVALID_PAYLOAD.payload(errors=invalid.errors))
            return None
        except Exception as error:  # noqa: BLE001 - logged: the payload's type raised, e.g. in __post_init__
            return self._crash(event, error)
        self._reply_error(message, Reason.UNKNOWN_EVENT.payload())
        return None

    def _step_of_item(self, kind: Kind, item: Any) -> Step | End | None:
        """Return what to run for something of the server's own."""
        if kind is Kind.END:
            end: End = item
            return end
        if kind is Kind.OUT:
            handler = self.definition.outs[item.event]
            return None, handler, self.call(handler, item.payload)
        info = self.definition.info_handler(item)
        if info is not None:
            return None, info, self.call(info, item)
        logger.warning(
            "%s on %r got an unexpected message %r: add @on_info(%s) to handle it",
            self.name,
            self.topic,
            item,
            type(item).__name__,
        )
        return None

    def _end_by(
        self, error: BaseException, message: Message | None, handler: Handler
    ) -> End | None:
        """Return the end that a handler's exception means, or None if the channel goes on.

        Called while the exception is handled: what is none of our business is raised again.
        """
        if self.is_dead:
            raise error
        if isinstance(error, Stop) or (isinstance(error, Refused) and message is not None):
            try:
                return self._answer_by(error, message)
            except EncodeError as unsendable:
                error = unsendable
        if isinstance(error, asyncio.CancelledError):
            if self.take_interruption():
                return self.ending
            if self.was_cancelled_from_outside():
                raise error
            error = RuntimeError(f"it awaited what was cancelled: {error!r}")
        if isinstance(error, Exception):
            return self._crash(handler.function.__name__, error)
        raise error

    def _answer_by(self, error: Refused | Stop, message: Message | None) -> End | None:
        answer = Error(error.payload) if isinstance(error, Refused) else error.reply
        if message is not None and answer is not None:
            write_reply(self, message.ref, answer)
        if isinstance(error, Refused):
            return None
        return self._stop(error)

    def _stop(self, stop: Stop) -> End:
        if stop.closes:
            return End(stop.reason, Notice.CLOSE)
        logger.error("%s on %r stopped: %s", self.name, self.topic, stop.reason)
        return End(stop.reason, Notice.ERROR)

    def _crash(self, where: str, error: Exception) -> End:
        logger.error("%s on %r crashed in %s", self.name, self.topic, where, exc_info=error)
        return End(error, Notice.ERROR)

    def _handled_event(self, telemetry: Telemetry, message: Message, started: float) -> None:
        telemetry.emit(
            ChannelHandledIn(
                self.topic,
                self.name,
                message.event,
                message.ref,
                readable(message),
                time.perf_counter() - started,
            )
        )

    def _reply_error(self, message: Message, response: Any) -> None:
        if message.ref is not None:
            self.outbox.reply(self.join_ref, message.ref, self.topic, ERROR, response)

    # The end.

    async def _finish(self, end: End) -> None:
        self.clear_limit()
        self.is_interrupted = False
        self.ending = end
        if end.notice is Notice.CLOSE:
            self._close(end)
        await self._terminate(end)
        if end.notice is Notice.ERROR:
            self.leave_lane()
            self.outbox.crashed(self)

    def _close(self, end: End) -> None:
        """Tell the client that the channel has closed; a second time is none too many."""
        self.leave_lane()
        self.outbox.closed(self, end.leave)

    async def _terminate(self, end: End) -> None:
        self._terminated = True
        handler = self.definition.terminate
        if handler is None:
            return
        limit = self.channel.terminate_timeout
        self.set_limit(limit)
        try:
            await self.call(handler, end.reason)
        except asyncio.CancelledError:
            if self.take_interruption():
                logger.error(  # noqa: TRY400 - where it was cancelled says nothing
                    "terminate of %s on %r took over %gs", self.name, self.topic, limit
                )
            elif self.was_cancelled_from_outside():
                raise
            else:
                logger.exception("terminate of %s on %r crashed", self.name, self.topic)
        except Exception:
            if self.is_dead:
                raise
            logger.exception("terminate of %s on %r crashed", self.name, self.topic)
        finally:
            self.clear_limit()

    def _clean_up(self, message: Message) -> None:
        """Leave nothing behind, however the task ended; this can't be cancelled, and never waits."""
        self.clear_limit()
        was_joining, had_joined = self.phase is Phase.JOINING, self.phase is Phase.JOINED
        if self._inbox.is_full:
            self._inbox.is_full = False
            self.outbox.inbox_drained()
        self.leave_lane()
        if had_joined and not self._terminated and not self.is_killed:
            end = self.ending or End("shutdown", Notice.ERROR)
            self.task = self.outbox.runtime.create_task(self._terminate_late(end))
        else:
            self._over()
        if was_joining:
            self.outbox.not_joined(message, CRASHED)
            self.outbox.release(self)
        elif self.ending is not None and self.ending.notice is Notice.CLOSE:
            self._close(self.ending)
        elif not self.is_killed:
            self.outbox.crashed(self)

    async def _terminate_late(self, end: End) -> None:
        """Run terminate for a channel whose own task had to be killed."""
        self.is_interrupted = self.is_dead = False
        try:
            await self._terminate(end)
        finally:
            self.clear_limit()
            self._over()

    def _over(self) -> None:
        self.phase = Phase.ENDED
        self.disown()


def readable(message: Message) -> Any:
    """Return a payload as telemetry shows it."""
    try:
        return anything(message.payload)
    except InvalidPayload:
        return bytes(message.payload)
