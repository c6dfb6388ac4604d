"""A join of a topic with history, after the user's ``join`` has accepted the client; and what a channel reads of it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ..errors import CallbackError
from ..history.page import PastEntries
from ..history.position import Asked, Position, split_payload
from ..history.reader import AnyPosition
from ..message import Message
from .channel_member import ChannelMember, JoinResult
from .task import Interruption

if TYPE_CHECKING:
    from .channel_server import ChannelServer

__all__ = ["RETRY_AFTER", "join_history", "read_history", "where_log_stands", "without_key"]

RETRY_AFTER: Final = 1_000
"""Milliseconds after which a client can join again, if the store does not answer."""


def without_key(message: Message) -> tuple[Message, Asked | None]:
    """Return a join without the key ``recovery``, and what it asks for; None if it does not ask."""
    payload, asked = split_payload(message.payload)
    if asked is not None:
        message = Message(message.join_ref, message.ref, message.topic, message.event, payload)
    return message, asked


async def where_log_stands(channel: ChannelServer, asked: Asked | None) -> Position | None:
    """Return where the log of the topic stands, before the user's ``join`` reads a state.

    A client that can't recover starts there, so that no entry is missing between the state and the first frame.

    Returns:
        None if nobody needs it, or if the store does not answer.
    """
    if asked is None or channel.definition.join is None:
        return None
    return await channel.connection.server.reader.standing(channel.topic)


async def join_history(
    channel: ChannelServer,
    message: Message,
    asked: Asked | None,
    response: Any,
    stood_at: Position | None,
) -> JoinResult:
    """Make a channel a member of its topic, and answer the client's join.

    Args:
        channel: The channel.
        message: The client's join.
        asked: What the join asks for; None for a plain member.
        response: The response of the user's ``join``.
        stood_at: Where the log stood before the user's ``join`` ran; None if it is unknown.

    Returns:
        What became of the join. If it is REFUSED or CRASHED, the join is not answered.
    """
    logs = channel.connection.server.pubsub.logs
    floor = await _floor_in_time(channel)
    log = None if logs is None or floor is _CRASHED else logs.keep(channel.topic)
    if log is None:
        return JoinResult.CRASHED
    member = channel.member = ChannelMember(channel, log, message, asked, floor, stood_at)
    result = JoinResult.LOST
    try:
        result = await member.join(response)
    finally:
        if result is not JoinResult.JOINED:
            channel.member = None
            member.end()
    return result


async def read_history(
    channel: ChannelServer, since: AnyPosition, before: AnyPosition, limit: int
) -> PastEntries:
    """Return a part of the history of a channel's topic, as far as its client may read it.

    Raises:
        CallbackError: The user's ``history_floor`` has failed, which was logged.
    """
    server, member = channel.connection.server, channel.member
    # A plain client that has joined while the store was down is no member.
    floor = await _floor(channel) if member is None else member.floor
    if floor is _CRASHED:
        raise CallbackError(f"the history_floor of {channel.topic!r} failed: see the log")
    return await server.reader.entries("self.history", channel.topic, since, before, limit, floor)


_CRASHED: Final = float("nan")
"""The floor of a ``history_floor`` that has failed."""


async def _floor(channel: ChannelServer) -> float | None:
    """Return the time before which the member may not read, in milliseconds since 1970; None for no such time."""
    handler = channel.definition.history_floor
    if handler is None:
        return None
    log = channel.connection.server.log
    try:
        floor = await handler.call(channel.connection, channel.agent)
        if floor is None:
            return None
        if isinstance(floor, datetime) and floor.tzinfo is not None:
            return floor.timestamp() * 1000
    except Exception:
        if channel.task.interruption is Interruption.KILLED:
            raise
        log.exception("The history_floor of %r crashed", channel.topic)
        return _CRASHED
    log.error(
        "The history_floor of %r returned %r: expected None, or a datetime with a time zone, such as"
        " datetime.now(UTC)",
        channel.topic,
        floor,
    )
    return _CRASHED


async def _floor_in_time(channel: ChannelServer) -> float | None:
    """Return the same within the time limit of a join."""
    task, limit = channel.task, channel.connection.socket.join_timeout
    task.set_limit(limit)
    try:
        floor = await _floor(channel)
    except asyncio.CancelledError:
        if not task.take_interruption():
            raise
        return _too_slow(channel, limit)
    finally:
        task.clear_limit()
    return _too_slow(channel, limit) if task.take_interruption() else floor


def _too_slow(channel: ChannelServer, limit: float) -> float:
    # If the channel has an end, the call was cancelled for another reason, which was logged.
    if channel.task.ending is None:
        channel.connection.server.log.error(
            "The history_floor of %r took over %gs", channel.topic, limit
        )
    return _CRASHED
