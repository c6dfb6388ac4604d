"""What server code sends through an endpoint: broadcasts, transactions with broadcasts, and disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from .channel import Channel
from .endpoint_queries import EndpointQueries
from .history.outbox import Check, outbox_of, transact
from .message import Broadcast, broadcast_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from .store.sql import SQLOutbox

__all__ = ["EndpointSending"]

T = TypeVar("T")


class EndpointSending(EndpointQueries):
    """What an endpoint sends."""

    async def broadcast(self, topic: str, event: str, payload: Any = None) -> None:
        """Send an event to the clients of a topic, on all nodes. It waits while the bus can't take more.

        Args:
            topic: The topic.
            event: The name of the event.
            payload: A JSON object (a dict, Struct, dataclass or model), or ``bytes``.

        Raises:
            EncodeError: The payload can't be encoded.
            ReservedEvent: The event is reserved by the protocol.
            ValueError: In development (``debug``): no channel of the topic declares it in its ``emits``.
            WrongThread: The call comes from another thread or event loop than the endpoint's; there write
                ``endpoint.sync.broadcast(...)``.
            NotStarted: The endpoint is not started in this process, so no client can be reached.
        """
        self._home.expect("endpoint", "broadcast")
        await self.pubsub.send_everywhere(topic, self._message(topic, event, payload))

    async def broadcast_from(
        self, sender: object, topic: str, event: str, payload: Any = None
    ) -> None:
        """Send an event to all clients of a topic except the sender: a channel, or the owner of a listener.

        Raises as :meth:`broadcast`.
        """
        self._home.expect("endpoint", "broadcast_from")
        message = self._message(topic, event, payload)
        await self.pubsub.send_everywhere(topic, message, _sender(sender))

    async def local_broadcast(self, topic: str, event: str, payload: Any = None) -> None:
        """Send an event to the clients of a topic that are connected to this process. Raises as :meth:`broadcast`."""
        self._home.expect("endpoint", "local_broadcast")
        await self._send_here(topic, event, payload)

    async def local_broadcast_from(
        self, sender: object, topic: str, event: str, payload: Any = None
    ) -> None:
        """Send an event to the clients of a topic in this process, except the sender."""
        self._home.expect("endpoint", "local_broadcast_from")
        await self._send_here(topic, event, payload, _sender(sender))

    def outbox(self, session: object) -> SQLOutbox:
        """Return what broadcasts in the transactions of a session of SQLAlchemy: :func:`.history.outbox.outbox_of`."""
        return outbox_of(self.pubsub.logs, self._home, session, self._check)

    async def transaction(self, work: Callable[[Session, SQLOutbox], T]) -> T:
        """Run a function in one transaction of the store's database, with an outbox for its broadcasts.

        What the function raises is raised here, and undoes what it did. It is a plain one, and short: it has 6 s, and other writes
        to a file of SQLite wait for it. There it runs in a thread, and shares the transaction of other writes.

        Args:
            work: The function, which takes a session and its outbox. It returns what is returned.

        Raises:
            DefinitionError: The store is in no SQL database, or no channel has history.
            StoreUnavailable: The database can't be reached, or has not answered in time. The outcome is unknown.
            WrongThread: The call comes from another thread or event loop than the endpoint's; there write
                ``endpoint.sync.transaction(...)``.
            NotStarted: The endpoint is not started in this process.

        Example:
            ``await endpoint.transaction(lambda session, outbox: outbox.broadcast("room:7", "closed"))``
        """
        self._home.expect("endpoint", "transaction")
        return await transact(self.pubsub.logs, self._home, work, self._check)

    async def disconnect(self, id: str) -> None:  # noqa: A002 - Phoenix's name
        """Close all connections that have an id, on all nodes, with the code 1001.

        Ids are not topics. Unlike in Phoenix, a broadcast of ``"disconnect"`` is an ordinary broadcast, and closes
        nothing.

        Stock clients connect again. To keep them out, refuse them in ``connect``.

        Args:
            id: The id that ``Socket(id=...)`` returned, or an id of ``info.add_id``.

        Raises:
            WrongThread: The call comes from another thread or event loop than the endpoint's.
            NotStarted: The endpoint is not started in this process.
        """
        self._home.expect("endpoint", "disconnect")
        if not isinstance(id, str):
            raise TypeError(f'an id is text, got {id!r}: write endpoint.disconnect("users:7")')
        await self.pubsub.disconnect(id)

    @property
    def _check(self) -> Check | None:
        declared = self._server.declared
        return None if declared is None else declared.check

    def _message(self, topic: str, event: str, payload: Any) -> Broadcast:
        message = broadcast_of(topic, event, payload)
        if (check := self._check) is not None:
            check(message)
        return message

    async def _send_here(self, topic: str, event: str, payload: Any, sender: object = None) -> None:
        if self.pubsub.local_broadcast(topic, self._message(topic, event, payload), sender=sender):
            await asyncio.sleep(0)  # a loop of broadcasts lets others have their turn


def _sender(sender: object) -> object:
    """Return a sender as PubSub knows it: for a channel, its server."""
    return sender._server if isinstance(sender, Channel) else sender
