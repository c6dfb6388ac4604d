"""An endpoint for code in other threads: ``endpoint.sync``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from .history.page import HistoryPage
from .history.position import Position
from .history.reader import DEFAULT_LIMIT, AnyPosition
from .loop.blocking import blocking
from .loop.home import Home
from .server.assigns_size import AssignsReport

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from .endpoint import Endpoint
    from .store.sql import SQLOutbox

__all__ = ["BlockingEndpoint"]

T = TypeVar("T")


class BlockingEndpoint:
    """The awaitable methods of an endpoint, for code in other threads.

    Each method waits until the event loop has done it.

    Args:
        endpoint: The endpoint.
        home: The endpoint's.

    Raises:
        WrongThread: By each method, if it is called on an event loop.
        NotStarted: By each method, if the endpoint is not started in this process.

    Example:
        ``endpoint.sync.broadcast("room:7", "new_msg", {"body": "hello"})``
    """

    def __init__(self, endpoint: Endpoint, home: Home) -> None:
        self._endpoint = endpoint
        self._home = home

    def _await(self, name: str, function: Callable[..., Awaitable[T]], *args: object) -> T:
        return blocking(self._home.loop_for_thread("endpoint", name), name, function, *args)

    def broadcast(self, topic: str, event: str, payload: Any = None) -> None:
        """Do what ``await endpoint.broadcast(...)`` does."""
        self._await("broadcast", self._endpoint.broadcast, topic, event, payload)

    def broadcast_from(self, sender: object, topic: str, event: str, payload: Any = None) -> None:
        """Do what ``await endpoint.broadcast_from(...)`` does."""
        function = self._endpoint.broadcast_from
        self._await("broadcast_from", function, sender, topic, event, payload)

    def local_broadcast(self, topic: str, event: str, payload: Any = None) -> None:
        """Do what ``await endpoint.local_broadcast(...)`` does."""
        self._await("local_broadcast", self._endpoint.local_broadcast, topic, event, payload)

    def local_broadcast_from(
        self, sender: object, topic: str, event: str, payload: Any = None
    ) -> None:
        """Do what ``await endpoint.local_broadcast_from(...)`` does."""
        function = self._endpoint.local_broadcast_from
        self._await("local_broadcast_from", function, sender, topic, event, payload)

    def transaction(self, work: Callable[[Session, SQLOutbox], T]) -> T:
        """Do what ``await endpoint.transaction(...)`` does."""

        async def transact() -> T:
            return await self._endpoint.transaction(work)

        return self._await("transaction", transact)

    def disconnect(self, id: str) -> None:  # noqa: A002 - Phoenix's name
        """Do what ``await endpoint.disconnect(...)`` does."""
        self._await("disconnect", self._endpoint.disconnect, id)

    def history(
        self,
        topic: str,
        *,
        since: AnyPosition = None,
        before: AnyPosition = None,
        limit: int = DEFAULT_LIMIT,
    ) -> HistoryPage:
        """Do what ``await endpoint.history(...)`` does."""
        function = partial(self._endpoint.history, since=since, before=before, limit=limit)
        return self._await("history", function, topic)

    def position(self, topic: str) -> Position:
        """Do what ``await endpoint.position(...)`` does."""
        return self._await("position", self._endpoint.position, topic)

    def measure_assigns(
        self, topic: str | None = None, *, largest: int = 10, seconds: float = 1.0, depth: int = 6
    ) -> AssignsReport:
        """Do what ``await endpoint.measure_assigns(...)`` does."""
        function = partial(
            self._endpoint.measure_assigns, largest=largest, seconds=seconds, depth=depth
        )
        return self._await("measure_assigns", function, topic)

    def drain(self, *, delay: float = 0.0, timeout: float | None = None) -> None:
        """Do what ``await endpoint.drain(...)`` does."""

        async def drain() -> None:
            await self._endpoint.drain(delay=delay, timeout=timeout)

        self._await("drain", drain)
