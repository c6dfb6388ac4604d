"""The connection of a client that was refused, and can read the reason: see :mod:`bennu.refusals`.

Such a connection does not count as a connection of the endpoint: no channel is joined, and no broadcast is sent. The
server answers heartbeats and leaves as usual, and all other messages with the reason. It closes the connection after
some seconds. The socket's rates and message size do not apply. :data:`RATE` and :data:`MAX_REFUSED` apply instead.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Final

from ..errors import DecodeError
from ..limits.rate import Bucket, Rate
from ..message import ERROR, HEARTBEAT, OK, PHOENIX, PHX_JOIN, PHX_LEAVE, Message, Opcode
from ..protocol import JSONV2, Serializer
from ..reasons import CloseCode
from ..refusals import MAX_HOLD, Readable
from .connection import ServerConnection

if TYPE_CHECKING:
    from .handshake import Accepted
    from .server import Server
    from .transport import Transport

__all__ = ["MAX_REFUSED", "RefusedConnection", "refusal_with_time"]

MAX_REFUSED: Final = 16_384
"""The most bytes of a message of a refused client. The server does not read its payload."""

RATE: Final = Rate(10, per=1, burst=200)
"""The rate of messages of a refused client. The burst allows a page that joins all its channels at once."""


def refusal_with_time(payload: dict[str, Any], readable: Readable) -> tuple[dict[str, Any], float]:
    """Return the payload for a refused client, with ``retry_after_ms``, and the seconds until its connection closes."""
    hold = random.uniform(readable.hold, 2 * readable.hold)  # noqa: S311 - spreads the clients over time
    wait = payload.get("retry_after_ms")
    if isinstance(wait, int | float) and not isinstance(wait, bool):
        return payload, min(max(hold, wait / 1000), max(hold, MAX_HOLD))
    return {**payload, "retry_after_ms": round(hold * 1000)}, hold


class RefusedConnection(ServerConnection):
    """An open connection of a client that was refused."""

    __slots__ = ("_bucket", "_response", "_timer", "serializer")

    def __init__(self, server: Server, accepted: Accepted, transport: Transport) -> None:
        self.serializer: Serializer = accepted.serializer or JSONV2
        self._bucket = Bucket(RATE)
        readable = accepted.socket.refusals or Readable()
        self._response, hold = refusal_with_time(dict(accepted.refusal or {}), readable)
        super().__init__(server, accepted, transport)
        self.limiter = None
        self._timer: asyncio.TimerHandle = server.loop.call_later(hold, self._dismiss)

    def receive(self, opcode: Opcode, data: bytes) -> None:
        """Answer one message of the client, or close if the client sends too many messages."""
        if not self._takes():
            return
        try:
            message = self.serializer.decode(opcode, data)
        except DecodeError as error:
            self.close(CloseCode.UNDECODABLE, reason=error)
            return
        status, response = self._answer_to(message)
        join_ref = message.join_ref if message.event in (PHX_JOIN, PHX_LEAVE) else None
        try:
            reply = self.serializer.reply(join_ref, message.ref, message.topic, status, response)
        except Exception as error:
            self.server.log.exception(
                "Closing a refused connection because its reason can't be encoded"
            )
            self.close(CloseCode.INTERNAL_ERROR, reason=error)
            return
        self.send(reply)

    def control(self, opcode: Opcode, data: bytes) -> None:
        """Count a ping or pong."""
        self._takes()

    @property
    def max_frame_size(self) -> int:
        """The most bytes of one message of the client."""
        return min(super().max_frame_size, MAX_REFUSED)

    def _takes(self) -> bool:
        """Count a message; close the connection if there are too many."""
        if not self._bucket.take(self.server.loop.time()):
            return True
        self.close(CloseCode.RATE_LIMITED, reason="closed")
        return False

    def put_info(self, message: Any) -> None:
        """Do nothing: there is no channel."""

    def ended(self, reason: str | Exception) -> None:
        """Cancel the timer."""
        del reason
        self._timer.cancel()

    def _answer_to(self, message: Message) -> tuple[str, Any]:
        is_heartbeat = (message.topic, message.event) == (PHOENIX, HEARTBEAT)
        if is_heartbeat or message.event == PHX_LEAVE:
            return OK, {}
        return ERROR, self._response

    def _dismiss(self) -> None:
        self.close(CloseCode.REFUSED)

    def _enter(self) -> None:
        self.server.refused.add(self)

    def _exit(self, reason: str | Exception) -> None:
        del reason
        self.server.refused.discard(self)
