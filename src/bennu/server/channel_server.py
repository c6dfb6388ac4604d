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

How the task runs, and why its end always comes, is told in :mod:`bennu.server.actor`.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal

from ..backpressure import DropPolicy
from ..definition import ChannelDefinition
from ..errors import EncodeError
from ..logs.why import why
from ..message import (
    ERROR,
    PHX_LEAVE,
    Broadcast,
    Error,
    Message,
    Ok,
    bytes_of,
    is_reserved,
)
from ..pubsub.fastlane import LaneKey
from ..reasons import Reason
from ..telemetry import ChannelHandledIn, ChannelJoined, MessageRefused, Telemetry
from ..user_code.callback import Callback, crash_of
from ..user_code.copies import copy_of
from ..user_code.payload import InvalidPayload, anything
from .actor import Step
from .handle import Handle
from .joining import CRASHED, ask_to_join
from .line import Line
from .mailbox import Kind
from .owner import Phase
from .supervised import GRACE, End, Notice

__all__ = ["ChannelServer"]


class ChannelServer(Handle):
    """A channel object and the task that runs it.

    Attributes:
        lane: The lane of its topic that the connection is in because of it.
    """

    __slots__ = ("lane",)

    def __init__(
        self,
        connection: Line,
        definition: ChannelDefinition,
        message: Message,
        parameters: dict[str, Any],
    ) -> None:
        join_ref = message.ref if message.join_ref is None else message.join_ref
        super().__init__(connection, definition, message.topic, join_ref)
        self.lane: LaneKey | None = None
        for name, value in parameters.items():
            setattr(self.agent, name, value)

    # What the connection does.

    def begin(self, message: Message) -> None:
        """Start the task with the join."""
        self.context = self.outbox.context.copy()
        self.task = self.outbox.server.create_task(self._run(message), self.context)

    def leave(self, message: Message) -> None:
        """Take the client's leave: in its turn, but not beyond the grace time."""
        self._inbox.put_anyway(message)
        self.expect_end(End("left", Notice.CLOSE, message))

    def end(self, reason: str | Exception) -> None:
        """Take the news that the connection is gone: in its turn, but not beyond the grace time."""
        self.leave_lane()
        super().end(reason)

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
        connection.server.pubsub.enter(self.topic, key, connection, self)
        self.lane = key

    def leave_lane(self) -> None:
        """Hear it no more."""
        if self.lane is not None:
            key, self.lane = self.lane, None
            self.outbox.server.pubsub.leave(self.topic, key, self.outbox)

    @property
    def drop_policy(self) -> DropPolicy | None:
        """Which messages may be dropped while the client is slow; None if none may."""
        return self.definition.drop_policy

    @property
    def drop_key(self) -> Callback | None:
        """Finds the key by which a newer message takes the place of an older one."""
        return self.definition.drop_key

    # What comes from the server's side.

    def intercept(self, broadcast: Broadcast) -> None:
        """Take a broadcast that ``@on_out`` wants to see first."""
        self._put_server(Kind.OUT, broadcast)

    # The task.

    async def _run(self, message: Message) -> None:
        try:
            has_joined = await self._join(message)
            message = message.without_payload()
            if has_joined:
                handler = self.definition.after_join
                first = None
                if handler is not None:
                    first = (None, handler, handler.begin(self, self.agent))
                await self._finish(await self._serve(first))
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
        server = connection.server
        is_told = server.lines.is_asked or server.telemetry.handlers[ChannelJoined]
        if is_told and connection.socket.log and outcome.response is not CRASHED:
            self._tell_of_join(message, outcome, time.perf_counter() - started)
        if type(outcome) is Ok:
            if connection.is_lost:
                self.phase = Phase.JOINED  # it did join, so it will terminate
                return True
            try:
                connection.joined(self, message, outcome.response)
            except EncodeError:
                self.log.exception("The join of %r returned what can't be sent", self.topic)
                outcome = Error(CRASHED)
            else:
                connection.release(self)
                return True
        self.phase = Phase.ENDED
        connection.not_joined(message, outcome.response)
        connection.release(self)
        return False

    def _tell_of_join(self, message: Message, outcome: Ok | Error, duration: float) -> None:
        """Log what came of a join, and tell the handlers of telemetry."""
        lines, telemetry = self.outbox.server.lines, self.outbox.server.telemetry
        reason = "" if type(outcome) is Ok else why(outcome.response)
        if type(outcome) is Ok:
            lines.joined(self.topic, lambda: readable(message), duration)
        else:
            lines.join_refused(self.topic, lambda: readable(message), reason)
        if telemetry.handlers[ChannelJoined]:
            result: Literal["ok", "error"] = "ok" if type(outcome) is Ok else "error"
            telemetry.emit(
                ChannelJoined(self.topic, self.name, readable(message), result, duration, reason)
            )

    def _step_of_message(self, message: Message) -> Step | End | None:
        """Return what to run for a message of the client; what needs no handler is done at once."""
        event = message.event
        if event == PHX_LEAVE:
            return End("left", Notice.CLOSE, message)
        inbox = self._inbox
        if inbox.is_full and inbox.has_drained(self.agent.max_inbox):
            self.outbox.resume_reading()
        definition = self.definition
        handler = definition.events.get(event) if type(event) is str else None
        try:
            if handler is not None:
                if handler.decode is None:
                    return message, handler, handler.begin(self, self.agent)
                payload = handler.decode(message.payload)
                return message, handler, handler.begin(self, self.agent, payload)
            if definition.handle_in is not None and type(event) is str and not is_reserved(event):
                longest = self.outbox.socket.max_event_size
                if bytes_of(event) > longest:
                    self._refuse(message, Reason.TOO_LONG.payload(max_bytes=longest))
                    return None
                handler = definition.handle_in
                payload = anything(message.payload)
                return message, handler, handler.begin(self, self.agent, event, payload)
        except InvalidPayload as invalid:
            self._refuse(message, Reason.INVALID_PAYLOAD.payload(errors=invalid.errors))
            return None
        except BaseException as error:  # noqa: BLE001 - logged: the payload's type raised, e.g. in __post_init__
            return self._crash(event, crash_of(error, f"the payload of {event!r}"))
        self._refuse(message, Reason.UNKNOWN_EVENT.payload())
        return None

    def _step_of_item(self, kind: Kind, item: Any) -> Step | End | None:
        """Return what to run for something of the server's own."""
        if kind is Kind.END:
            end: End = item
            return end
        if kind is Kind.OUT:
            handler = self.definition.outs[item.event]
            return None, handler, handler.begin(self, self.agent, copy_of(item.payload))
        if kind is Kind.HEARD:
            item = copy_of(item)
        info = self.definition.info_handler(item)
        if info is not None:
            return None, info, info.begin(self, self.agent, item)
        self.log.warning(
            "%s got an unexpected message %r: add @on_info(%s) to handle it",
            self.label,
            item,
            type(item).__name__,
        )
        return None

    def _handled_event(self, telemetry: Telemetry, message: Message, started: float) -> None:
        """Tell telemetry that an event has been handled."""
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

    def _refused(self, message: Message, response: Any) -> None:
        """Tell telemetry that a message was answered with an error."""
        telemetry = self.outbox.server.telemetry
        if telemetry.handlers[MessageRefused] and self.outbox.socket.log:
            event, reason = str(message.event), why(response)
            telemetry.emit(MessageRefused(self.topic, self.name, event, message.ref, reason))

    def _refuse(self, message: Message, response: Any) -> None:
        self._refused(message, response)
        if message.ref is not None:
            self.outbox.reply(self.join_ref, message.ref, self.topic, ERROR, response)

    # The end.

    async def _finish(self, end: End) -> None:
        self.take_end(end)
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

    def _over(self) -> None:
        super()._over()
        self.outbox.over()

    def _clean_up(self, message: Message) -> None:
        """Leave nothing behind, however the task ended; this can't be cancelled, and never waits."""
        was_joining, had_joined = self.phase is Phase.JOINING, self.phase is Phase.JOINED
        self.leave_lane()
        self._wind_up(terminates=had_joined and not self.is_killed)
        if was_joining:
            self.outbox.not_joined(message, CRASHED)
        elif self.ending is not None and self.ending.notice is Notice.CLOSE:
            self._close(self.ending)
        elif not self.is_killed:
            self.outbox.crashed(self)
        self.outbox.release(self)  # whatever happened, it holds nothing any more


def readable(message: Message) -> Any:
    """Return a payload as telemetry shows it."""
    try:
        return anything(message.payload)
    except InvalidPayload:
        return bytes(message.payload)
