"""Telemetry events and log lines about a channel's joins and messages."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from ..definition import Handler
from ..logs.log import Printed
from ..logs.printable import described
from ..logs.why import why
from ..message import Error, Message, Ok
from ..telemetry import (
    ChannelEnded,
    ChannelHandledIn,
    ChannelJoined,
    MessageRefused,
    PushSent,
    ReplySent,
)
from ..user_code.invalid_payload import InvalidPayload
from ..user_code.payload import anything
from .end import Trigger
from .phases import Phase

if TYPE_CHECKING:
    from ..metrics.tallies import ChannelTally
    from .channel_connection import ChannelConnection
    from .channel_server import ChannelServer
    from .server import Server

__all__ = [
    "emit_refused",
    "note_crash",
    "note_refusal",
    "report_handled",
    "report_joined",
    "report_moved",
    "report_pushed",
    "report_replied",
    "tally_of",
    "warn_unsent",
]


def report_joined(
    server: ChannelServer, message: Message, outcome: Ok | Error, started: float
) -> None:
    """Log the outcome of a join, and emit it to telemetry.

    Args:
        server: The channel.
        message: The client's join.
        outcome: The answer to the client.
        started: When the join began, in seconds of ``perf_counter``.
    """
    shared, topic = server.connection.server, server.topic
    if (tally := tally_of(server)) is not None:
        tally.join_took(time.perf_counter() - started)
    lines, telemetry = shared.lines, shared.telemetry
    is_wanted = lines.is_asked or telemetry.handlers[ChannelJoined]
    if not is_wanted or not server.connection.socket.log:
        return
    duration = time.perf_counter() - started
    result: Literal["ok", "error"] = "ok"
    reason = ""
    if type(outcome) is Ok:
        lines.joined(topic, lambda: _readable(message), duration)
    else:
        result, reason = "error", why(outcome.response)
        lines.join_refused(topic, lambda: _readable(message), reason)
    if telemetry.handlers[ChannelJoined]:
        name, payload = server.definition.name, _readable(message)
        telemetry.tell(ChannelJoined(topic, name, payload, result, duration, reason))


def tally_of(server: ChannelServer) -> ChannelTally | None:
    """Return what counts a channel for metrics; None without metrics."""
    tallies = server.connection.server.tallies
    return None if tallies is None else tallies.channel(server.definition)


def report_moved(server: ChannelServer, before: Phase, trigger: Trigger) -> None:
    """Count a join or an end, and emit that a joined channel begins to end.

    Args:
        server: The channel.
        before: The phase that it leaves.
        trigger: What has moved it.
    """
    tally = tally_of(server)
    if before is Phase.JOINED:
        if tally is not None:
            tally.ended(trigger.name.lower())
        _report_ended(server, trigger)
    elif tally is not None and before is Phase.JOINING:
        if trigger is Trigger.ACCEPTED:
            tally.joined()
        else:
            tally.not_joined()


def _report_ended(server: ChannelServer, trigger: Trigger) -> None:
    shared = server.connection.server
    if shared.telemetry.handlers[ChannelEnded] and server.connection.socket.log:
        duration = shared.loop.time() - server.joined_at
        name, end = server.definition.name, trigger.name.lower()
        shared.telemetry.tell(ChannelEnded(server.topic, name, end, duration))


def report_pushed(server: ChannelServer, event: str) -> None:
    """Emit that a channel has pushed an event."""
    if server.connection.socket.log:
        server.connection.server.telemetry.tell(
            PushSent(server.topic, server.definition.name, event)
        )


def report_replied(
    connection: ChannelConnection, topic: Any, ref: Any, status: str, size: int
) -> None:
    """Emit that a reply was written.

    Args:
        connection: The client's connection.
        topic: The topic of the client's message.
        ref: The ref of the client's message.
        status: The status of the reply.
        size: Bytes of the reply.
    """
    telemetry = connection.server.telemetry
    if telemetry.handlers[ReplySent] and connection.socket.log:
        telemetry.tell(ReplySent(topic, ref, status, size))


def report_handled(channel: ChannelServer, message: Message, duration: float) -> None:
    """Tell our own timers that a handler has handled a message, and emit it.

    Args:
        channel: The channel.
        message: The client's message.
        duration: Seconds that the handler took.
    """
    server, topic = channel.connection.server, channel.topic
    for timer in server.timers:
        timer(topic, duration)
    telemetry = server.telemetry
    if telemetry.handlers[ChannelHandledIn] and channel.connection.socket.log:
        name, payload = channel.definition.name, _readable(message)
        telemetry.tell(ChannelHandledIn(topic, name, message.event, message.ref, payload, duration))


def emit_refused(server: ChannelServer, message: Message, response: Any) -> None:
    """Count that a message was answered with an error, and emit it."""
    if (tally := tally_of(server)) is not None:
        tally.refused(str(message.event))
    telemetry = server.connection.server.telemetry
    if telemetry.handlers[MessageRefused] and server.connection.socket.log:
        event, reason = str(message.event), why(response)
        name = server.definition.name
        telemetry.tell(MessageRefused(server.topic, name, event, message.ref, reason))


def note_refusal(server: Server, response: Any, *, is_crash: bool) -> None:
    """Note on the current span that a client was refused.

    Args:
        server: The endpoint's server.
        response: What the client gets.
        is_crash: Whether code of the user has failed.
    """
    if server.tracer is not None:
        server.tracer.refused(why(response), is_crash=is_crash)


def note_crash(server: Server, error: BaseException) -> None:
    """Note on the current span that code of the user has raised an exception."""
    if server.tracer is not None:
        server.tracer.crashed(error)


def warn_unsent(server: ChannelServer, handler: Handler, value: object) -> None:
    """Log that a handler's return value is not sent, because only a client's message has a reply."""
    server.connection.server.log.warning(
        "%s: %s returned %s, which is not sent, because only a client's message gets a reply."
        " Write `await self.push(event, payload)`",
        server.label,
        handler.function.__name__,
        Printed(described(value)),
    )


def _readable(message: Message) -> Any:
    """Return a payload as telemetry shows it."""
    try:
        return anything(message.payload)
    except InvalidPayload:
        return bytes(message.payload)
