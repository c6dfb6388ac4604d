"""Finds the handler for an item of a channel's mailbox, and writes its result as a reply. Protocol document, §3.2.

The tables of the channel's class (:mod:`bennu.definition`) have the handler for each item. A message without a handler
gets an error reply.
"""

from __future__ import annotations

from collections.abc import Awaitable
from functools import cache
from typing import TYPE_CHECKING, Any

from ..definition import Handler
from ..errors import EncodeError, Refused, Stop
from ..message import (
    ERROR,
    PHX_LEAVE,
    Broadcast,
    Error,
    Message,
    Ok,
    Reply,
    bytes_of,
    is_reserved,
    parts_of,
)
from ..reasons import Reason
from ..store.entry import LogEntry
from ..user_code.callback import crash_of
from ..user_code.copies import copy_of
from ..user_code.invalid_payload import InvalidPayload
from ..user_code.payload import anything
from .channel_telemetry import emit_refused
from .end import End, Trigger
from .mailbox import Kind
from .task import Interruption

if TYPE_CHECKING:
    from .channel_server import ChannelServer

__all__ = ["Step", "answer", "end_by", "is_result", "step_of"]


Step = tuple[Message | None, Handler, Awaitable[Any]]
"""The client's message or None, the handler, and the awaitable of the handler's call."""


def step_of(server: ChannelServer, item: Any) -> Step | End | None:
    """Return the handler to run for an item, or an end, or None if nothing is left to do.

    Args:
        server: The channel.
        item: A message of the client, an end, or a pair of a kind and a content: an intercepted broadcast, for example.
    """
    if item.__class__ is not Message:
        return item if item.__class__ is End else _step_of_item(server, *item)
    event = item.event
    definition = server.definition
    handler = definition.events.get(event) if type(event) is str else None
    try:
        if handler is not None:
            if handler.decode is None:
                return item, handler, handler.start(server.agent)
            return item, handler, handler.start(server.agent, handler.decode(item.payload))
        if event == PHX_LEAVE:
            return End(Trigger.LEFT, "left", item)
        handler = definition.handle_in
        if handler is not None and type(event) is str and not is_reserved(event):
            longest = server.connection.socket.max_event_size
            if bytes_of(event) > longest:
                _refuse(server, item, Reason.TOO_LONG.payload(max_bytes=longest))
                return None
            return item, handler, handler.start(server.agent, event, anything(item.payload))
    except InvalidPayload as invalid:
        _refuse(server, item, Reason.INVALID_PAYLOAD.payload(errors=invalid.errors))
        return None
    except BaseException as error:  # noqa: BLE001 - logged: the payload's type raised, e.g. in __post_init__
        return server.task.crash(crash_of(error, f"the payload of {event!r}"), event)
    _refuse(server, item, Reason.UNKNOWN_EVENT.payload())
    return None


def _refuse(server: ChannelServer, message: Message, response: Any) -> None:
    """Answer a message without a handler."""
    emit_refused(server, message, response)
    if message.ref is not None:
        server.connection.reply(server.join_ref, message.ref, server.topic, ERROR, response)


def _step_of_item(server: ChannelServer, kind: Kind, content: Any) -> Step | End | None:
    definition, agent = server.definition, server.agent
    if kind is Kind.JOINED:
        handler = definition.after_join
        return None if handler is None else (None, handler, handler.start(agent))
    if kind is Kind.OUT:
        return _step_of_broadcast(server, content)
    if kind is Kind.ENTRY:
        return _step_of_entry(server, content)
    if kind is Kind.HEARD:
        content = copy_of(content)
    handler = definition.info_handler(content)
    if handler is not None:
        return None, handler, handler.start(agent, content)
    server.connection.server.log.warning(
        "%s got an unexpected message %r: add @on_info(%s) to handle it",
        server.label,
        content,
        type(content).__name__,
    )
    return None


def _step_of_broadcast(server: ChannelServer, broadcast: Broadcast) -> Step | End | None:
    """Return the handler to run for an intercepted broadcast. A payload that does not fit is logged and dropped."""
    event = broadcast.event
    handler = server.definition.outs[event]
    try:
        payload = (
            copy_of(broadcast.payload)
            if handler.decode is None
            else handler.decode(broadcast.payload)
        )
    except InvalidPayload as invalid:
        server.connection.server.log.warning(
            "A broadcast of %r was not handled: %s expects another payload: %s",
            event,
            handler.name,
            invalid.errors,
        )
        return None
    except BaseException as error:  # noqa: BLE001 - logged: the payload's type raised, e.g. in __post_init__
        return server.task.crash(crash_of(error, f"the payload of {event!r}"), event)
    return None, handler, handler.start(server.agent, payload)


def _step_of_entry(server: ChannelServer, entry: LogEntry) -> Step | End | None:
    """Return the handler to run for an intercepted entry of a log. The member goes on when the handler is done."""
    member = server.member
    if member is None:
        return None
    try:
        broadcast = member.broadcast_of(entry)
    except Exception as error:  # noqa: BLE001 - logged: the store's bytes are no JSON
        return server.task.crash(error, entry.event)
    step = _step_of_broadcast(server, broadcast)
    if isinstance(step, tuple) and not isinstance(step, End):
        message, handler, running = step
        return message, handler, member.handle(handler, running)
    if step is None:
        member.handled()
    return step


@cache  # isinstance() takes half a microsecond for a Struct
def is_result(kind: type) -> bool:
    """Return whether values of a class are replies. Other values are the response of an ok reply."""
    return issubclass(kind, Ok | Error | Reply | bytes)


def answer(server: ChannelServer, ref: Any, value: Any) -> None:
    """Write a result of a handler as a reply.

    Args:
        server: The channel.
        ref: The ref of the message.
        value: An ``Ok``, ``Error`` or ``Reply``, or the response of an ok reply.

    Raises:
        EncodeError: The response can't be encoded.
    """
    connection = server.connection
    status, value = parts_of(value)
    try:
        connection.reply(server.join_ref, ref, server.topic, status, value)
    except EncodeError:
        # Both the format and the transport must be able to carry bytes.
        carries = connection.serializer.carries_binary and connection.framing.carries_binary
        if carries or not isinstance(value, bytes):
            raise
        connection.server.log.warning(
            "A reply of bytes of %s became an error: %s over %s can't carry bytes",
            server.label,
            connection.serializer.name,
            connection.transport,
        )
        unsupported = Reason.BINARY_UNSUPPORTED.payload()
        connection.reply(server.join_ref, ref, server.topic, ERROR, unsupported)


def end_by(
    server: ChannelServer, error: BaseException, message: Message | None, handler: Handler
) -> End | None:
    """Return the end that a handler's exception means, or None if the channel goes on.

    Called while the exception is handled. An exception that is not the handler's own is raised again.

    Args:
        server: The channel.
        error: The exception.
        message: The message of the client that was handled; None for other items.
        handler: The handler.
    """
    task = server.task
    if task.interruption is Interruption.KILLED:
        raise error
    try:
        if isinstance(error, Stop):
            if message is not None and error.reply is not None:
                answer(server, message.ref, error.reply)
            return task.stop(error)
        if isinstance(error, Refused) and message is not None:
            answer(server, message.ref, Error(error.payload))
            emit_refused(server, message, error.payload)
            return None
    except EncodeError as unsendable:
        error = unsendable
    return task.end_by(error, handler.function.__name__)
