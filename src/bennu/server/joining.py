"""The user's ``join``: run within its limit, and read into an ok or an error. Protocol document, §2.9."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from ..definition import Handler
from ..errors import Refused
from ..message import Error, Message, Ok, Reply
from ..reasons import Reason
from ..user_code.callback import crash_of
from ..user_code.functions import teach_refusal
from ..user_code.payload import InvalidPayload
from .handle import Handle

__all__ = ["CRASHED", "ask_to_join"]


CRASHED: Final = Reason.JOIN_CRASHED.payload()

_ANSWERS: Final = (Ok, Error)
_NO_ANSWERS: Final = (Reply, bool, BaseException)


def _decoded(handler: Handler, message: Message) -> tuple[Any, ...]:
    """Return the arguments of a handler of a client's message."""
    if handler.decode is None:
        return ()
    try:
        return (handler.decode(message.payload),)
    except Exception:
        raise
    except BaseException as error:
        raise crash_of(error, f"the payload of {handler.name}") from error


async def ask_to_join(channel: Handle, message: Message) -> Ok | Error:
    """Run the user's join; return what the client is answered."""
    handler = channel.definition.join
    if handler is None:
        return Ok()
    limit = channel.outbox.socket.join_timeout
    channel.set_limit(limit)
    try:
        value = await handler.ask(channel, channel.agent, *_decoded(handler, message))
    except Refused as refused:
        return Error(refused.payload)
    except InvalidPayload as invalid:
        return Error(Reason.INVALID_PAYLOAD.payload(errors=invalid.errors))
    except asyncio.CancelledError:
        if channel.take_interruption():
            return _too_slow(channel, limit)
        raise
    except Exception as error:
        if channel.is_dead:
            raise
        teach_refusal(error)
        channel.log.exception("The join of %r crashed", channel.topic)
        return Error(CRASHED)
    finally:
        channel.clear_limit()
    if channel.is_interrupted:
        channel.take_interruption()
        return _too_slow(channel, limit)
    return _result(channel, value)


def _too_slow(channel: Handle, limit: float) -> Error:
    if channel.ending is None:  # else it was cut short for another reason, which was said
        channel.log.error("The join of %r took over %gs", channel.topic, limit)
    return Error(CRASHED)


def _result(channel: Handle, value: Any) -> Ok | Error:
    if value is None:
        return Ok()
    if isinstance(value, _ANSWERS):
        return value
    if isinstance(value, _NO_ANSWERS):
        channel.log.error(
            "The join of %r returned %r: expected a value, Ok(...), Error(...) or None;%s",
            channel.topic,
            value,
            " a join has no other status"
            if isinstance(value, Reply)
            else " to refuse a client, write `raise Refused(reason)`",
        )
        return Error(CRASHED)
    return Ok(value)
