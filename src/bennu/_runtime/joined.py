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
from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from .._definition import ChannelDefinition, Handler
from .._payload import InvalidPayload, anything
from ..errors import EncodeError, Refused, Stop
from ..message import ERROR, OK, PHX_LEAVE, Broadcast, Error, Message, Ok, Reply
from ..telemetry import ChannelHandledIn, ChannelJoined, Telemetry
from .handle import Handle, Phase, write_reply
from .inbox import Inbox, Kind
from .supervision import kill

if TYPE_CHECKING:
    from ..pubsub.fastlane import LaneKey
    from .connection import Connection

__all__ = ["JoinedChannel"]

logger = logging.getLogger("bennu")

GRACE: Final = 5.0
"""Seconds that a running handler has to finish when its channel ends."""

CRASHED: Final = {"reason": "join crashed"}


class Notice(Enum):
    """What the client is told of an end."""

    CLOSE = auto()
    ERROR = auto()
    NOTHING = auto()


Step = tuple[Any, ...]
"""The message that is answered, if any; the handler; its arguments: what ``_guarded`` takes."""


class End(NamedTuple):
    """Why a channel ends, and what is told of it."""

    reason: str | Exception
    notice: Notice


class JoinedChannel(Handle):
    """A channel object and the task that runs it."""

    __slots__ = (
        "_ending",
        "_inbox",
        "_interrupted",
        "_killed",
        "_lane",
        "_limit",
        "_task",
        "_terminated",
        "_waiter",
        "channel",
    )

    def __init__(
        self,
        connection: Connection,
        definition: ChannelDefinition,
        message: Message,
        parameters: dict[str, Any],
    ) -> None:
        join_ref = message.ref if message.join_ref is None else message.join_ref
        super().__init__(connection, definition, message.topic, join_ref)
        self._inbox = Inbox()
        self._waiter: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._ending: End | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._lane: LaneKey | None = None
        self._interrupted = False
        self._killed = False
        self._terminated = False
        channel = self.channel = definition.channel()
        channel._runtime = self
        channel.assigns = connection.assigns
        for name, value in parameters.items():
            setattr(channel, name, value)

    # What the connection does.

    def begin(self, message: Message) -> None:
        """Start the task with the join."""
        self._task = self.outbox.runtime.create_task(self._run(message))

    def deliver(self, message: Message) -> None:
        """Take a message of the client."""
        if self._inbox.put_message(message, self.channel.max_inbox):
            self.outbox.inbox_full()
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def leave(self, message: Message) -> None:
        """Take the client's leave: in its turn, but not beyond the grace time."""
        self._inbox.put_anyway(message)
        self._expect_end(End("left", Notice.CLOSE))

    def end(self, reason: str | Exception) -> None:
        """Take the news that the connection is gone: in its turn, but not beyond the grace time."""
        self.leave_lane()
        end = End(reason, Notice.NOTHING)
        self._inbox.put_anyway((Kind.END, end))
        self._expect_end(end)

    def kill(self) -> None:
        """End at once, without a word: another join takes over."""
        self._killed = True
        if self._task is not None and not self._task.done():
            self._task.cancel()
            self._set_limit(GRACE)

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call back once the task is over."""
        if self._task is None or self._task.done():
            callback()
        else:
            self._task.add_done_callback(lambda _: callback())

    def enter_lane(self) -> None:
        """Hear the topic from now on."""
        connection = self.outbox
        self.phase = Phase.JOINED
        key = (connection.serializer, connection.wire.framing, self.definition.intercepts)
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
        logger.error("A task of %s on %r crashed", self._name, self.topic, exc_info=error)
        self._end_soon(End(error, Notice.ERROR))

    def _put_server(self, kind: Kind, item: Any) -> None:
        if self.phase is Phase.ENDED or self._ending is not None:
            return
        bound = self.channel.max_mailbox
        if not self._inbox.put_server(kind, item, bound):
            if self.channel.overflow == "end":
                logger.error(
                    "%s on %r ends: %d messages of the server wait for it (max_mailbox)",
                    self._name,
                    self.topic,
                    bound,
                )
                self._end_soon(End("overflow", Notice.ERROR))
                return
            self._inbox.drop_oldest_server()
            self._inbox.put_server(kind, item, bound)
            logger.warning("%s on %r dropped its oldest message", self._name, self.topic)
        if self._waiter is not None:
            self._wake(self._waiter)

    @property
    def _name(self) -> str:
        return self.definition.name

    def _wake(self, waiter: asyncio.Future[None]) -> None:
        self._waiter = None
        if not waiter.done():
            waiter.set_result(None)

    def _end_soon(self, end: End) -> None:
        """End after the handler that runs now, before whatever is queued."""
        if self._ending is None:
            self._ending = end
            self._expect_end(end)

    # The limit of what runs.

    def _expect_end(self, end: End) -> None:
        """Wake the task, or give what it is busy with a limit."""
        if self._waiter is not None:
            self._wake(self._waiter)
        elif self._task is not None and not self._task.done():
            self._set_limit(GRACE, end)

    def _set_limit(self, seconds: float, end: End | None = None) -> None:
        self._clear_limit()
        self._limit = self.loop.call_later(seconds, self._interrupt, seconds, end)

    def _clear_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _interrupt(self, seconds: float, end: End | None) -> None:
        """Cancel what has run too long; kill it, if it was cancelled before."""
        task = self._task
        if task is None or task.done():
            return
        if self._interrupted or self._killed:
            logger.error("%s on %r ignored its cancellation and was killed", self._name, self.topic)
            kill(task)
            return
        if end is not None:
            logger.error(
                "%s on %r did not finish in %gs when its channel ended (%s): it is cancelled",
                self._name,
                self.topic,
                seconds,
                end.reason,
            )
            self._ending = end
        self._interrupted = True
        task.cancel()
        self._limit = self.loop.call_later(GRACE, self._interrupt, GRACE, None)

    def _take_interruption(self) -> bool:
        """Return whether a cancellation was ours, and take it back if so."""
        task = self._task
        if self._killed or not self._interrupted or task is None:
            return False
        self._interrupted = False
        self._clear_limit()
        task.uncancel()
        return True

    def _was_cancelled_from_outside(self) -> bool:
        """Whether a CancelledError means this task, not something that a handler waited for."""
        return self._killed or (self._task is not None and self._task.cancelling() > 0)

    # The task.

    async def _run(self, message: Message) -> None:
        try:
            if await self._join(message):
                await self._finish(await self._serve())
        except asyncio.CancelledError:
            if not self._killed:
                raise
        finally:
            self._clean_up(message)

    async def _join(self, message: Message) -> bool:
        """Run the user's join and answer it; return whether it succeeded."""
        connection = self.outbox
        started = time.perf_counter()
        outcome = await self._ask_to_join(message)
        telemetry = connection.runtime.telemetry
        if telemetry.handlers and connection.socket.log and outcome.response is not CRASHED:
            result: Literal["ok", "error"] = "ok" if type(outcome) is Ok else "error"
            duration = time.perf_counter() - started
            telemetry.emit(
                ChannelJoined(self.topic, self._name, readable(message), result, duration)
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

    async def _ask_to_join(self, message: Message) -> Ok | Error:
        handler = self.definition.join
        if handler is None:
            return Ok()
        limit = self.outbox.socket.join_timeout
        self._set_limit(limit)
        try:
            value = await self._call(handler, *decoded(handler, message))
        except Refused as refused:
            return Error(refused.payload)
        except InvalidPayload as invalid:
            return Error({"reason": "invalid_payload", "errors": invalid.errors})
        except asyncio.CancelledError:
            if self._take_interruption():
                return self._join_too_slow(limit)
            if self._was_cancelled_from_outside():
                raise
            logger.exception("The join of %r crashed", self.topic)
            return Error(CRASHED)
        except Exception:
            logger.exception("The join of %r crashed", self.topic)
            return Error(CRASHED)
        finally:
            self._clear_limit()
        if self._interrupted:
            self._take_interruption()
            return self._join_too_slow(limit)
        return self._join_result(value)

    def _join_too_slow(self, limit: float) -> Error:
        logger.error("The join of %r took over %gs", self.topic, limit)
        return Error(CRASHED)

    def _join_result(self, value: Any) -> Ok | Error:
        if value is None:
            return Ok()
        if isinstance(value, Ok | Error):
            return value
        if isinstance(value, Reply):
            logger.error(
                "The join of %r returned %r: expected a value, Ok(...), Error(...) or None;"
                " a join has no other status",
                self.topic,
                value,
            )
            return Error(CRASHED)
        return Ok(value)

    async def _serve(self) -> End:
        """Handle one item after another, until one of them is the end."""
        end: End | None = None
        if self.definition.after_join is not None:
            end = await self._guarded(None, self.definition.after_join)
        items = self._inbox.items
        create_future = self.loop.create_future
        while end is None:
            if self._ending is not None:
                return self._ending
            if not items:
                self._waiter = create_future()
                await self._waiter
                continue
            item = items.pop(0)
            if type(item) is Message:
                step = self._step_of_message(item)
            else:
                step = self._step_of_item(*item)  # type: ignore[misc]
            if type(step) is End:
                return step
            if step is not None:
                end = await self._guarded(*step)
        return end

    def _step_of_message(self, message: Message) -> Step | End | None:
        """Return what to run for a message of the client; what needs no handler is done at once."""
        event = message.event
        if event == PHX_LEAVE:
            self.outbox.reply(self.join_ref, message.ref, self.topic, OK, {})
            return End("left", Notice.CLOSE)
        inbox = self._inbox
        if inbox.is_full and inbox.has_drained(self.channel.max_inbox):
            self.outbox.inbox_drained()
        definition = self.definition
        handler = definition.events.get(event) if type(event) is str else None
        try:
            if handler is not None:
                if handler.decode is None:
                    return message, handler
                return message, handler, handler.decode(message.payload)
            if definition.handle_in is not None:
                return message, definition.handle_in, event, anything(message.payload)
        except InvalidPayload as invalid:
            self._reply_error(message, {"reason": "invalid_payload", "errors": invalid.errors})
            return None
        self._reply_error(message, {"reason": "unknown_event"})
        return None

    def _step_of_item(self, kind: Kind, item: Any) -> Step | End | None:
        """Return what to run for something of the server's own."""
        if kind is Kind.END:
            end: End = item
            return end
        if kind is Kind.OUT:
            return None, self.definition.outs[item.event], item.payload
        handler = self.definition.info_handler(item)
        if handler is not None:
            return None, handler, item
        logger.warning(
            "%s on %r got an unexpected message %r: add @on_info(%s) to handle it",
            self._name,
            self.topic,
            item,
            type(item).__name__,
        )
        return None

    async def _guarded(self, message: Message | None, handler: Handler, *args: Any) -> End | None:
        """Run one handler, answer with what it returns, and say whether the channel ends by it."""
        self.message = message
        telemetry = self.outbox.runtime.telemetry
        started = time.perf_counter() if telemetry.handlers else 0.0
        try:
            if handler.is_async:
                value = await handler.function(self.channel, *args)
            else:
                value = await self._call(handler, *args)
            if message is not None:
                if telemetry.handlers and self.outbox.socket.log:
                    self._handled_event(telemetry, message, started)
                if value is not None:
                    write_reply(self, message.ref, value)
        except Refused as refused:
            if message is not None:
                self.outbox.reply(self.join_ref, message.ref, self.topic, ERROR, refused.payload)
        except Stop as stop:
            if message is not None and stop.reply is not None:
                write_reply(self, message.ref, stop.reply)
            return End(stop.reason, Notice.CLOSE if stop.closes else Notice.ERROR)
        except asyncio.CancelledError as error:
            if self._take_interruption():
                return self._ending
            if self._was_cancelled_from_outside():
                raise
            return self._crash(handler, RuntimeError(f"it awaited what was cancelled: {error!r}"))
        except Exception as error:  # noqa: BLE001 - _crash logs it
            return self._crash(handler, error)
        finally:
            self.message = None
        if self._interrupted:  # it swallowed its cancellation, but it is over
            self._take_interruption()
        return self._ending

    def _crash(self, handler: Handler, error: Exception) -> End:
        logger.error(
            "%s on %r crashed in %s",
            self._name,
            self.topic,
            handler.function.__name__,
            exc_info=error,
        )
        return End(error, Notice.ERROR)

    def _handled_event(self, telemetry: Telemetry, message: Message, started: float) -> None:
        telemetry.emit(
            ChannelHandledIn(
                self.topic,
                self._name,
                message.event,
                message.ref,
                readable(message),
                time.perf_counter() - started,
            )
        )

    async def _call(self, handler: Handler, *args: Any) -> Any:
        if handler.is_async:
            return await handler.function(self.channel, *args)
        return await self.outbox.runtime.in_thread(handler.function, self.channel, *args)

    def _reply_error(self, message: Message, response: Any) -> None:
        if message.ref is not None:
            self.outbox.reply(self.join_ref, message.ref, self.topic, ERROR, response)

    # The end.

    async def _finish(self, end: End) -> None:
        self._clear_limit()
        self._interrupted = False
        self._ending = end
        if end.notice is Notice.CLOSE:
            self.leave_lane()
            self.outbox.closed(self)
        await self._terminate(end)
        if end.notice is Notice.ERROR:
            self.leave_lane()
            self.outbox.crashed(self)

    async def _terminate(self, end: End) -> None:
        self._terminated = True
        handler = self.definition.terminate
        if handler is None:
            return
        limit = self.channel.terminate_timeout
        self._set_limit(limit)
        try:
            await self._call(handler, end.reason)
        except asyncio.CancelledError:
            if not self._take_interruption():
                raise
            logger.error(  # noqa: TRY400 - where it was cancelled says nothing
                "terminate of %s on %r took over %gs", self._name, self.topic, limit
            )
        except Exception:
            logger.exception("terminate of %s on %r crashed", self._name, self.topic)
        finally:
            self._clear_limit()

    def _clean_up(self, message: Message) -> None:
        """Leave nothing behind, however the task ended; this can't be cancelled, and never waits."""
        self._clear_limit()
        was_joining, had_joined = self.phase is Phase.JOINING, self.phase is Phase.JOINED
        if self._inbox.is_full:
            self._inbox.is_full = False
            self.outbox.inbox_drained()
        self.leave_lane()
        if had_joined and not self._terminated and not self._killed:
            end = self._ending or End("shutdown", Notice.ERROR)
            self.outbox.runtime.spawn(self._terminate_late(end))
        else:
            self._over()
        if was_joining:
            self.outbox.not_joined(message, CRASHED)
            self.outbox.release(self)
        elif self._ending is not None and self._ending.notice is Notice.CLOSE:
            self.outbox.closed(self)
        elif not self._killed:
            self.outbox.crashed(self)

    async def _terminate_late(self, end: End) -> None:
        """Run terminate for a channel whose own task had to be killed."""
        self._task = asyncio.current_task()
        try:
            await self._terminate(end)
        finally:
            self._clear_limit()
            self._over()

    def _over(self) -> None:
        self.phase = Phase.ENDED
        self.disown()


def decoded(handler: Handler, message: Message) -> tuple[Any, ...]:
    """Return the arguments of a handler of a client's message."""
    return () if handler.decode is None else (handler.decode(message.payload),)


def readable(message: Message) -> Any:
    """Return a payload as telemetry shows it."""
    try:
        return anything(message.payload)
    except InvalidPayload:
        return bytes(message.payload)
