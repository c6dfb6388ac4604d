"""Handles idempotent pushes: ``@on("pay", idempotent_by="key")``. :mod:`bennu.history.idempotence` runs each key once.

What is kept, and what is not, follows the HTTP APIs of payment services:

- A reply is kept, also an error that the handler returned or raised as ``Refused``. A ``Stop`` that closes the channel
  counts as its reply.
- A handler that crashed has no reply, so a repeat runs it again.
- A push that never reached the handler is not kept: a payload that does not fit, a missing key, an exceeded rate.
- A key that comes again with another payload is refused, because its client means something else.

The handler's reply is what it returns. So ``self.ref()`` finds no ref in such a handler.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec import Raw

from ..errors import DefinitionError, Refused, Stop
from ..history.idempotence import NotRun, Once
from ..history.idempotent import digest_of, key_of
from ..history.kept_reply import KeptReply, ReplyKind
from ..message import Error, Message, Reply, parts_of
from ..protocol.encoding import encode_json
from ..reasons import Reason
from ..socket import Socket, SocketBase
from ..store.store import Store
from ..user_code.callback import UNFINISHED
from .channel_telemetry import emit_refused

if TYPE_CHECKING:
    from ..definition import Handler
    from .channel_server import ChannelServer
    from .server import Server

__all__ = ["IdempotentPushes", "pushes_of"]

RETRY_AFTER: Final = 1000
"""Milliseconds after which a client sends its push again."""

_REFUSALS: Final = {
    NotRun.RUNNING: Reason.STILL_RUNNING.payload(retry_after_ms=RETRY_AFTER),
    NotRun.REUSED: Reason.KEY_REUSED.payload(),
    NotRun.UNAVAILABLE: Reason.STORE_UNAVAILABLE.payload(retry_after_ms=RETRY_AFTER),
}


class IdempotentPushes:
    """Handles the idempotent pushes of an endpoint.

    Args:
        server: The endpoint's server.
        store: Keeps the replies.
    """

    __slots__ = ("_once", "_owns_store", "_store")

    def __init__(self, server: Server, store: Store) -> None:
        self._store = store
        self._owns_store = server.pubsub.logs is None  # else they start and stop the store
        self._once = Once(store, server.log.warning, _too_large)

    async def start(self) -> None:
        """Start the store."""
        if self._owns_store:
            await self._store.start(_ignore)

    async def stop(self) -> None:
        """End what outlives the handlers, and stop the store. Call it when all channels have ended."""
        try:
            await self._once.stop()
        finally:
            if self._owns_store:
                await self._store.stop()

    def forget(self) -> None:
        """Forget what outlives the handlers, because its event loop was closed, or is the parent process's."""
        self._once.forget()

    async def handle(self, channel: ChannelServer, handler: Handler, payload: Any) -> Any:
        """Run a handler, or find the reply of the first push with the same key. Return what the handler would return.

        Args:
            channel: The channel, which handles the push now.
            handler: The handler.
            payload: The payload, decoded.
        """
        message, connection = channel.message, channel.connection
        assert message is not None  # noqa: S101 - handlers of events run for messages
        assert handler.idempotent is not None  # noqa: S101 - else this is not called
        key = handler.idempotent.key_in(payload)
        if key is None:
            return _refused(channel, message, Reason.INVALID_KEY, field=handler.idempotent.field)
        if connection.id is None:
            return _refused(channel, message, Reason.NO_ID)
        digest = digest_of(bytes(message.payload))
        error: Refused | Stop | None = None

        async def call() -> KeptReply:
            nonlocal error
            value: Any
            try:
                value = await handler.begin(connection, channel.agent, payload)
                if value is not None and type(value) in UNFINISHED:
                    value = await handler.finish(value)
            except Refused as refused:
                error, value = refused, Error(refused.payload)
            except Stop as stop:
                if not stop.closes:
                    raise
                error, value = stop, stop.reply
            return _kept(value, digest)

        # The handler must not reply by a ref: a repeat could not get that reply.
        channel.message = Message(
            message.join_ref, None, message.topic, message.event, message.payload
        )
        name = key_of(channel.topic, message.event, connection.id, key)
        found = await self._once.run(
            name, digest, handler.idempotent.ttl, call, survives=not handler.is_async
        )
        if error is not None:
            raise error  # the channel answers it, as that of any handler
        if isinstance(found, NotRun):
            return _refused_with(channel, message, _REFUSALS[found])
        if found.kind is ReplyKind.NONE:
            return None
        return Reply(
            found.status,
            Raw(found.response) if found.kind is ReplyKind.JSON else found.response,
        )


def pushes_of(
    sockets: Mapping[str, SocketBase[Any]], store: Store, server: Server
) -> IdempotentPushes | None:
    """Return what handles the idempotent pushes of an endpoint; None if no event is idempotent.

    Args:
        sockets: The sockets by their mount paths.
        store: Keeps the replies.
        server: The endpoint's server.

    Raises:
        DefinitionError: The socket of an idempotent event has no ids, or the store is in the memory of one process, and
            there is a bus.
    """
    found = [
        (path, socket, row.target.name)
        for path, socket in sockets.items()
        if isinstance(socket, Socket)
        for row in socket.table.rows
        if any(handler.idempotent is not None for handler in row.target.events.values())
    ]
    for path, socket, name in found:
        if socket.id is None:
            raise DefinitionError(
                f'{name} has a handler with idempotent_by, and the socket at "{path}" has no id',
                expected="an id of the user: else one user could get the reply of another user",
                got="Socket(...) without id",
                write='Socket(id=lambda user: f"users:{user.id}")',
            )
    if not found:
        return None
    if not (store.is_shared or server.pubsub.is_alone):
        raise DefinitionError(
            "Endpoint(store=...)",
            expected="a store that all nodes share, because this endpoint is on a bus and an event is idempotent",
            got=f"{store.name}, which is in the memory of one process: a repeat on another node would run again",
            write='Endpoint(store="redis://localhost:6379"), or set BENNU_STORE',
        )
    return IdempotentPushes(server, store)


def _ignore(*_: object) -> None:
    """Take no notice of new entries: no topic has history."""


def _refused(channel: ChannelServer, message: Message, reason: Reason, **extra: Any) -> Error:
    return _refused_with(channel, message, reason.payload(**extra))


def _refused_with(channel: ChannelServer, message: Message, response: dict[str, Any]) -> Error:
    emit_refused(channel, message, response)
    return Error(response)


def _kept(value: Any, digest: bytes) -> KeptReply:
    """Return the result of a handler as a reply that can be kept.

    Raises:
        EncodeError: The response can't be encoded.
    """
    if value is None:
        return KeptReply(digest, ReplyKind.NONE, "", b"")
    status, response = parts_of(value)
    if isinstance(response, bytes):
        return KeptReply(digest, ReplyKind.BYTES, status, response)
    return KeptReply(digest, ReplyKind.JSON, status, encode_json(response))


def _too_large(reply: KeptReply) -> KeptReply:
    return _kept(Error(Reason.REPLY_NOT_KEPT.payload()), reply.digest)
