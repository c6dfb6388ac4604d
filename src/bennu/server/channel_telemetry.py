"""What telemetry and the log are told of a channel's joins and messages."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from ..definition import Handler
from ..logs.log import Printed
from ..logs.printable import described
from ..logs.why import why
from ..message import Error, Message, Ok
from ..telemetry import ChannelHandledIn, ChannelJoined, MessageRefused
from ..user_code.invalid_payload import InvalidPayload
from ..user_code.payload import anything

if TYPE_CHECKING:
    from .channel_server import ChannelServer

__all__ = ["tell_handled", "tell_joined", "tell_nobody", "tell_refused"]


def tell_joined(
    server: ChannelServer, message: Message, outcome: Ok | Error, started: float
) -> None:
    """Log what came of a join, and tell the handlers of telemetry.

    Args:
        server: The channel.
        message: The client's join.
        outcome: What the client is answered.
        started: When the join began, by ``perf_counter``.
    """
    shared, topic = server.connection.server, server.topic
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
        telemetry.emit(ChannelJoined(topic, name, payload, result, duration, reason))


def tell_handled(server: ChannelServer, message: Message, started: float) -> None:
    """Tell telemetry that a handler has handled a message.

    Args:
        server: The channel.
        message: The client's message.
        started: When the handler began, by ``perf_counter``.
    """
    if server.connection.socket.log:
        duration = time.perf_counter() - started
        name, payload = server.definition.name, _readable(message)
        server.connection.server.telemetry.emit(
            ChannelHandledIn(server.topic, name, message.event, message.ref, payload, duration)
        )


def tell_refused(server: ChannelServer, message: Message, response: Any) -> None:
    """Tell telemetry that a message was answered with an error."""
    telemetry = server.connection.server.telemetry
    if telemetry.handlers[MessageRefused] and server.connection.socket.log:
        event, reason = str(message.event), why(response)
        name = server.definition.name
        telemetry.emit(MessageRefused(server.topic, name, event, message.ref, reason))


def tell_nobody(server: ChannelServer, handler: Handler, value: object) -> None:
    """Log that what a handler returned is sent to nobody, because only a client's message has a reply."""
    server.connection.server.log.warning(
        "%s: %s returned %s, which is sent to nobody, since no client asked."
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
