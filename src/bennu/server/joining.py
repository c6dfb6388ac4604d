"""A join: runs the user's ``join`` within its time limit, and answers the client. Protocol document, §2.9."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from ..definition import Handler
from ..errors import EncodeError, Refused
from ..message import Broadcast, Error, Message, Ok, Reply
from ..reasons import DropReason, Reason
from ..user_code.callback import crash_of
from ..user_code.functions import add_refusal_note
from ..user_code.invalid_payload import InvalidPayload
from .channel_member import JoinResult
from .channel_telemetry import note_crash, note_refusal, report_joined
from .end import Trigger
from .joining_history import RETRY_AFTER, join_history, where_log_stands, without_key
from .task import Interruption

if TYPE_CHECKING:
    from .channel_server import ChannelServer

__all__ = ["CRASHED", "join"]


CRASHED: Final = Reason.JOIN_CRASHED.payload()

_OK: Final = Ok()
_ANSWERS: Final = (Ok, Error)
_NO_ANSWERS: Final = (Reply, bool, BaseException)


async def join(channel: ChannelServer, message: Message) -> bool:
    """Run the user's ``join``, and answer the client's join. Return whether the client has joined.

    Args:
        channel: The channel.
        message: The client's join.
    """
    connection, handler = channel.connection, channel.definition.join
    started = time.perf_counter()
    outcome: Ok | Error = _OK
    logs, history, asked, stood_at = connection.server.pubsub.logs, None, None, None
    try:
        history = None if logs is None else logs.history_of(channel.topic)
    except Exception:
        connection.server.log.exception("The history of %r can't be chosen", channel.topic)
        outcome = Error(CRASHED)
    if history is not None:
        message, asked = without_key(message)
        stood_at = await where_log_stands(channel, asked)
    if handler is not None and outcome is _OK:
        outcome = await _ask(channel, handler, message)
    if outcome.response is not CRASHED:
        report_joined(channel, message, outcome, started)
    if history is not None and type(outcome) is Ok:
        result = await join_history(channel, message, asked, outcome.response, stood_at)
        if result is JoinResult.JOINED or result is JoinResult.LOST:
            if result is JoinResult.LOST:
                channel.move(
                    Trigger.ACCEPTED
                )  # the user's join has succeeded, so `terminate` must run
            connection.release(channel)
            return True
        if result is JoinResult.CRASHED:
            outcome = Error(CRASHED)
        elif asked is not None:
            outcome = Error(Reason.HISTORY_UNAVAILABLE.payload(retry_after_ms=RETRY_AFTER))
    if type(outcome) is Ok:
        missed = await _wait_for_bus(channel)
        if connection.is_lost:
            channel.move(Trigger.ACCEPTED)  # the user's join has succeeded, so `terminate` must run
            return True
        try:
            connection.joined(channel, message, outcome.response)
        except EncodeError:
            connection.server.log.exception(
                "The join of %r returned a value that can't be sent", channel.topic
            )
            outcome = Error(CRASHED)
        else:
            for broadcast in missed:
                _catch_up(channel, broadcast)
            connection.release(channel)
            return True
    channel.move(Trigger.REFUSED)
    note_refusal(connection.server, outcome.response, is_crash=outcome.response is CRASHED)
    connection.not_joined(message, outcome.response)
    connection.release(channel)
    return False


async def _wait_for_bus(channel: ChannelServer) -> list[Any]:
    """Wait until this node hears the topic from other nodes, so that the client misses nothing after the reply.

    Returns:
        What was sent to the topic meanwhile. The client gets it after the reply: it is newer than the user's ``join``.
    """
    pubsub, missed = channel.connection.server.pubsub, list[Any]()
    cluster = pubsub.cluster
    if cluster is not None and not cluster.hears(channel.topic):
        listening = pubsub.listen(channel.topic, missed.append)
        try:
            await cluster.heard(channel.topic)
        finally:
            listening.cancel()
    return missed


def _catch_up(channel: ChannelServer, message: Any) -> None:
    """Send a broadcast to a client that has just joined."""
    if not isinstance(message, Broadcast):
        return  # it is for server code
    connection = channel.connection
    serializer = connection.serializer
    if message.event in channel.definition.intercepts:
        channel.intercept(message)
    elif isinstance(message.payload, bytes) and not (
        serializer.carries_binary and connection.framing.carries_binary
    ):
        connection.server.telemetry.dropped(channel.topic, DropReason.NO_BINARY)
    else:
        encoded = serializer.broadcast(message.topic, message.event, message.payload)
        connection.send(encoded)


async def _ask(channel: ChannelServer, handler: Handler, message: Message) -> Ok | Error:
    """Run the user's join; return the answer to the client: ``CRASHED`` after a failure, which is logged."""
    task, limit = channel.task, channel.connection.socket.join_timeout
    task.set_limit(limit)
    try:
        value = await handler.call(channel.connection, channel.agent, *_decoded(handler, message))
    except Refused as refused:
        return Error(refused.payload)
    except InvalidPayload as invalid:
        return Error(Reason.INVALID_PAYLOAD.payload(errors=invalid.errors))
    except asyncio.CancelledError:
        if task.take_interruption():
            return _too_slow(channel, limit)
        raise
    except Exception as error:
        if task.interruption is Interruption.KILLED:
            raise
        add_refusal_note(error)
        note_crash(channel.connection.server, error)
        channel.connection.server.log.exception("The join of %r crashed", channel.topic)
        return Error(CRASHED)
    finally:
        task.clear_limit()
    if task.take_interruption():
        return _too_slow(channel, limit)
    return _result(channel, value)


def _decoded(handler: Handler, message: Message) -> tuple[Any, ...]:
    """Return the arguments of the user's join."""
    if handler.decode is None:
        return ()
    try:
        return (handler.decode(message.payload),)
    except Exception:
        raise
    except BaseException as error:
        raise crash_of(error, f"the payload of {handler.name}") from error


def _too_slow(channel: ChannelServer, limit: float) -> Error:
    if (
        channel.task.ending is None
    ):  # else the join was cancelled for another reason, which was logged
        channel.connection.server.log.error("The join of %r took over %gs", channel.topic, limit)
    return Error(CRASHED)


def _result(channel: ChannelServer, value: Any) -> Ok | Error:
    given: Any = value  # of any response
    if value is None:
        return Ok()
    if isinstance(value, _ANSWERS):
        answered: Ok | Error = given
        return answered
    if isinstance(value, _NO_ANSWERS):
        channel.connection.server.log.error(
            "The join of %r returned %r: expected a value, Ok(...), Error(...) or None;%s",
            channel.topic,
            given,
            " a join has no other status"
            if isinstance(value, Reply)
            else " to refuse a client, write `raise Refused(reason)`",
        )
        return Error(CRASHED)
    return Ok(value)
