"""The user's ``join``: run within its limit, and read into an ok or an error. Protocol document, §2.9."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from .._definition import Handler
from .._payload import InvalidPayload
from ..errors import Refused
from ..message import Error, Message, Ok, Reply
from ..reasons import Reason
from .handle import Handle

__all__ = ["CRASHED", "ask_to_join"]

logger = logging.getLogger("bennu")

CRASHED: Final = Reason.JOIN_CRASHED.payload()


def _decoded(handler: Handler, message: Message) -> tuple[Any, ...]:
    """Return the arguments of a handler of a client's message."""
    return () if handler.decode is None else (handler.decode(message.payload),)


async def ask_to_join(channel: Handle, message: Message) -> Ok | Error:
    """Run the user's join; return what the client is answered."""
    handler = channel.definition.join
    if handler is None:
        return Ok()
    limit = channel.outbox.socket.join_timeout
    channel.set_limit(limit)
    try:
        value = await channel.call(handler, *_decoded(handler, message))
    except Refused as refused:
        return Error(refused.payload)
    except InvalidPayload as invalid:
        return Error(Reason.INVALID_PAYLOAD.payload(errors=invalid.errors))
    except asyncio.CancelledError:
        if channel.take_interruption():
            return _too_slow(channel, limit)
        if channel.was_cancelled_from_outside():
            raise
        logger.exception("The join of %r crashed", channel.topic)
        return Error(CRASHED)
    except Exception:
        if channel.is_dead:
            raise
        logger.exception("The join of %r crashed", channel.topic)
        return Error(CRASHED)
    finally:
        channel.clear_limit()
    if channel.is_interrupted:
        channel.take_interruption()
        return _too_slow(channel, limit)
    return _result(channel, value)


def _too_slow(channel: Handle, limit: float) -> Error:
    if channel.ending is None:  # else it was cut short for another reason, which was said
        logger.error("The join of %r took over %gs", channel.topic, limit)
    return Error(CRASHED)


def _result(channel: Handle, value: Any) -> Ok | Error:
    if value is None:
        return Ok()
    if isinstance(value, Ok | Error):
        return value
    if isinstance(value, Reply):
        logger.error(
            "The join of %r returned %r: expected a value, Ok(...), Error(...) or None;"
            " a join has no other status",
            channel.topic,
            value,
        )
        return Error(CRASHED)
    return Ok(value)
