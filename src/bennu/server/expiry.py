"""Ends a connection when its time is over, or when one of its ids is disconnected.

Theory of operation
-------------------
Most connections have no time limit, and at most one id. They have at most one subscription (:func:`listen_to_id`), and no
object of this module. A connection whose ``connect`` called ``info.expire_at`` or ``info.add_id`` has an
:class:`Expiry`: a timer, and a subscription for each id.

On a socket with ``refresh``, each connection has a :class:`RenewableExpiry`. The server warns the client before the end,
and the client can send a new token:

    server -> client   [null, null, "phoenix", "token_expiring", {"expires_in_ms": 30000}]
    client -> server   [null, "7", "phoenix", "token", {"token": "..."}]
    server -> client   [null, "7", "phoenix", "phx_reply", {"status": "ok", "response": {...}}]

Stock clients ignore messages on a topic for which they have no channel, unless the page listens with
``socket.onMessage``. The user's ``refresh`` checks one token at a time, while the connection goes on. If the time is
over before ``refresh`` returns, the connection is closed only if ``refresh`` refuses the token or fails.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from ..errors import EncodeError, Refused
from ..logs.context import running
from ..message import ERROR, OK, PHOENIX, Error, Message, Ok, SocketId
from ..reasons import CloseCode, Reason
from ..user_code.functions import add_refusal_note
from ..user_code.invalid_payload import InvalidPayload
from ..user_code.payload import decoder_for
from .running import AboutConnection

if TYPE_CHECKING:
    from ..connect_info import ConnectInfo
    from ..connector import Refresher
    from ..pubsub import Subscription
    from ..user_code.callback import Callback
    from .channel_connection import ChannelConnection
    from .connection import ServerConnection

__all__ = ["Expiry", "RenewableExpiry", "listen_to_id"]


class _NewToken(Struct):
    token: str


_read = decoder_for(_NewToken, subject="a new token", where=None)


def listen_to_id(connection: ServerConnection[Any], name: str) -> Subscription:
    """Subscribe a connection to the messages to one of its ids.

    Args:
        connection: The connection.
        name: The id.
    """
    return connection.server.pubsub.listen(SocketId(name), connection.receive_by_id)


class Expiry:
    """The timer and the subscriptions of one connection, according to its ``info``.

    Args:
        connection: The connection.
    """

    __slots__ = ("_connection", "_subscriptions", "_timer")

    def __init__(self, connection: ServerConnection[Any]) -> None:
        self._connection = connection
        self._subscriptions: list[Subscription] = []
        self._timer: asyncio.TimerHandle | None = None
        self.restart()

    def restart(self) -> None:
        """Start anew, with the time and the ids in the connection's ``info``."""
        self._cancel_all()
        connection = self._connection
        own, info = connection.id, connection.info
        ids = info.ids if own is None else dict.fromkeys((own, *info.ids))
        self._subscriptions = [listen_to_id(connection, name) for name in ids]
        if info.expires_at is not None:
            # The timer uses the loop's clock: if the machine's clock is set back, no token lives longer.
            self._start(connection.server.loop.time() + info.expires_at - time.time())

    def cancel(self) -> None:
        """Cancel the timer and the subscriptions, because the connection has ended."""
        self._cancel_all()

    def _cancel_all(self) -> None:
        for subscription in self._subscriptions:
            subscription.cancel()
        self._subscriptions = []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self, deadline: float) -> None:
        self._timer = self._connection.server.loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        with running(AboutConnection(self._connection)):
            self._connection.server.log.info(
                "Closing a connection whose time is over (info.expire_at)"
            )
        self._connection.close(CloseCode.TOKEN_EXPIRED, reason="expired")


class RenewableExpiry(Expiry):
    """The timer and the subscriptions of a connection to a socket with ``refresh``.

    Args:
        connection: The connection.
        refresher: Calls the user's function.
    """

    __slots__ = ("_channels", "_is_due", "_refresher", "_task")

    def __init__(self, connection: ChannelConnection, refresher: Refresher) -> None:
        self._channels = connection
        self._refresher = refresher
        self._task: asyncio.Task[None] | None = None
        self._is_due = False
        super().__init__(connection)

    def take(self, message: Message) -> None:
        """Check a new token of the client with the user's function, and answer the client."""
        if self._task is not None:
            self._answer(message, Error(Reason.REFRESHING.payload()))
            return
        connection = self._channels
        context = connection.context.copy()
        self._task = connection.server.create_task(self._refresh(message), context)

    def cancel(self) -> None:
        """Cancel the timer, the subscriptions and the check of a token, because the connection has ended."""
        super().cancel()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    # The time.

    def _start(self, deadline: float) -> None:
        self._is_due = False
        connection = self._channels
        loop = connection.server.loop
        warning = max(loop.time(), deadline - connection.socket.refresh_before)
        self._timer = loop.call_at(warning, self._warn, deadline)

    def _warn(self, deadline: float) -> None:
        super()._start(deadline)
        connection = self._channels
        left = deadline - connection.server.loop.time()
        connection.push_expiring(max(0, round(left * 1000)))

    def _expire(self) -> None:
        if self._task is None:
            super()._expire()
        else:
            self._is_due = True

    # A new token.

    async def _refresh(self, message: Message) -> None:
        connection = self._channels
        with running(AboutConnection(connection)):
            answer = await self._ask(message)
        if isinstance(answer, Ok):
            connection.context = copy_context()
        self._task = None
        try:
            self._answer(message, answer)
        except EncodeError:
            with running(AboutConnection(connection)):
                connection.server.log.exception(
                    "The refresh of a token was refused with a value that can't be sent"
                )
            self._answer(message, Error(Reason.REFRESH_CRASHED.payload()))
        finally:
            if self._is_due:
                super()._expire()

    async def _ask(self, message: Message) -> Ok | Error:
        connection = self._channels
        info = connection.info.renewed()
        try:
            assigns = await self._call(_read(message.payload).token, info)
            await self._check(assigns, info)
        except InvalidPayload as invalid:
            return Error(Reason.INVALID_PAYLOAD.payload(errors=invalid.errors))
        except Refused as refused:
            return Error(refused.payload)
        except Exception as error:
            add_refusal_note(error)
            connection.server.log.exception("The refresh of a token crashed")
            return Error(Reason.REFRESH_CRASHED.payload())
        if assigns is not None:
            connection.assigns = assigns
        for name in connection.info.ids if not info.ids else ():
            info.add_id(name)
        connection.info = info
        self._is_due = False
        self.restart()
        if info.expires_at is None:
            return Ok()
        return Ok({"expires_in_ms": round((info.expires_at - time.time()) * 1000)})

    async def _call(self, token: str, info: ConnectInfo) -> Any:
        async with asyncio.timeout(self._channels.socket.join_timeout):
            return await self._refresher.call(self, token, info)

    def in_thread(self, callback: Callback, /, *args: Any) -> Awaitable[Any]:
        """Run a plain ``refresh`` in a worker thread."""
        connection = self._channels
        return connection.server.pools.handlers.run(connection, callback, args, keeps_context=True)

    async def _check(self, assigns: Any, info: ConnectInfo) -> None:
        connection = self._channels
        if assigns is not None and await connection.socket.id_of(assigns) != connection.id:
            raise Refused(Reason.TOKEN_OF_ANOTHER.text)
        if info.expires_at is not None and info.expires_at <= time.time():
            raise Refused(Reason.TOKEN_EXPIRED.text)

    def _answer(self, message: Message, answer: Ok | Error) -> None:
        status = OK if isinstance(answer, Ok) else ERROR
        self._channels.reply(None, message.ref, PHOENIX, status, answer.response)
