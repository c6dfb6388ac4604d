"""A lease that the client can renew: it is told in time, and may bring a new token.

    server -> client   [null, null, "phoenix", "token_expiring", {"expires_in_ms": 30000}]
    client -> server   [null, "7", "phoenix", "token", {"token": "..."}]
    server -> client   [null, "7", "phoenix", "phx_reply", {"status": "ok", "response": {...}}]

Stock clients ignore what comes on a topic that they have no channel for, unless the page listens with
``socket.onMessage``. The user's ``refresh`` is asked about one token at a time, while the connection goes
on. Whoever's time comes meanwhile is not closed before the answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from contextvars import Context, copy_context
from typing import Any, Protocol

from msgspec import Struct

from ..connect_info import ConnectInfo
from ..connector import Refresher
from ..errors import EncodeError, Refused
from ..message import ERROR, OK, PHOENIX, Error, Message, Ok
from ..reasons import Reason
from ..socket import Socket
from ..user_code.callback import Callback
from ..user_code.functions import teach_refusal
from ..user_code.payload import InvalidPayload, decoder_for
from .expiry import Lease, Leased

__all__ = ["RenewableLease"]


class _NewToken(Struct):
    token: str


_read = decoder_for(_NewToken, subject="a new token", where=None)


class Renewable(Leased, Protocol):
    """A connection, as far as this module is concerned."""

    socket: Socket[Any]
    assigns: Any
    context: Context
    is_lost: bool

    def push_expiring(self, milliseconds: int) -> None:
        """Tell the client that its time is nearly over."""
        ...

    def reply(self, join_ref: Any, ref: Any, topic: Any, status: str, response: Any) -> None:
        """Write a reply."""
        ...


class RenewableLease(Lease):
    """The time and the ids of a connection whose socket has a ``refresh``."""

    __slots__ = ("_connection", "_is_due", "_refresher", "_task")

    def __init__(self, connection: Renewable, refresher: Refresher) -> None:
        self._connection = connection
        self._refresher = refresher
        self._task: asyncio.Task[None] | None = None
        self._is_due = False
        super().__init__(connection)

    def take(self, message: Message) -> None:
        """Look at a new token, and answer."""
        if self._task is not None:
            self._answer(message, Error(Reason.REFRESHING.payload()))
            return
        connection = self._connection
        context = connection.context.copy()
        self._task = connection.server.create_task(self._refresh(message), context)

    def cancel(self) -> None:
        """Let go of everything."""
        super().cancel()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    # Its time.

    def _start(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        self._is_due = False
        warning = max(loop.time(), deadline - self._connection.socket.refresh_before)
        self._timer = loop.call_at(warning, self._warn, loop, deadline)

    def _warn(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        super()._start(loop, deadline)
        self._connection.push_expiring(max(0, round((deadline - loop.time()) * 1000)))

    def _expire(self) -> None:
        if self._task is None:
            super()._expire()
        else:
            self._is_due = True

    # A new token.

    async def _refresh(self, message: Message) -> None:
        answer = await self._ask(message)
        self._task = None
        try:
            self._answer(message, answer)
        except EncodeError:
            self._connection.server.log.exception(
                "The refresh of a token was refused with what can't be sent"
            )
            self._answer(message, Error(Reason.REFRESH_CRASHED.payload()))
        finally:
            if self._is_due:
                super()._expire()

    async def _ask(self, message: Message) -> Ok | Error:
        connection = self._connection
        info = connection.info.renewed()
        try:
            assigns = await self._call(_read(message.payload).token, info)
            await self._check(assigns, info)
        except InvalidPayload as invalid:
            return Error(Reason.INVALID_PAYLOAD.payload(errors=invalid.errors))
        except Refused as refused:
            return Error(refused.payload)
        except Exception as error:
            teach_refusal(error)
            connection.server.log.exception("The refresh of a token crashed")
            return Error(Reason.REFRESH_CRASHED.payload())
        connection.context = copy_context()
        if assigns is not None:
            connection.assigns = assigns
        for name in connection.info.ids if not info.ids else ():
            info.add_id(name)
        connection.info = info
        self._is_due = False
        self.renew()
        if info.expires_at is None:
            return Ok()
        return Ok({"expires_in_ms": round((info.expires_at - time.time()) * 1000)})

    async def _call(self, token: str, info: ConnectInfo) -> Any:
        connection, refresher = self._connection, self._refresher
        async with asyncio.timeout(connection.socket.join_timeout):
            return await refresher.ask(self, token, info)

    def in_thread(self, callback: Callback, /, *args: Any) -> Awaitable[Any]:
        """Run a plain ``refresh`` in a worker thread."""
        connection = self._connection
        return connection.server.pools.handlers.run(connection, callback, args, shows=True)

    async def _check(self, assigns: Any, info: ConnectInfo) -> None:
        connection = self._connection
        if assigns is not None and await connection.socket.id_of(assigns) != connection.id:
            raise Refused(Reason.TOKEN_OF_ANOTHER.text)
        if info.expires_at is not None and info.expires_at <= time.time():
            raise Refused(Reason.TOKEN_EXPIRED.text)

    def _answer(self, message: Message, answer: Ok | Error) -> None:
        status = OK if isinstance(answer, Ok) else ERROR
        self._connection.reply(None, message.ref, PHOENIX, status, answer.response)
