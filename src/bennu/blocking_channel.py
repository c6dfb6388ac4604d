"""A channel for plain ``def`` handlers, which run in a worker thread: ``self.sync``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .agent import BlockingAgent
from .history.page import HistoryPage
from .history.reader import DEFAULT_LIMIT, AnyPosition

if TYPE_CHECKING:
    from .channel import Channel, ReplyRef

__all__ = ["BlockingChannel"]


class BlockingChannel(BlockingAgent):
    """The methods of a channel, for code in a worker thread.

    Each call waits until the event loop has done it. A call on an event loop raises ``WrongThread``.
    """

    __slots__ = ()

    _agent: Channel[Any, Any]

    def push(self, event: str, payload: Any = None) -> None:
        """Do what ``await self.push(...)`` does."""
        self._await("push", self._agent.push, event, payload)

    def broadcast(self, event: str, payload: Any = None) -> None:
        """Do what ``await self.broadcast(...)`` does."""
        self._await("broadcast", self._agent.broadcast, event, payload)

    def broadcast_from(self, event: str, payload: Any = None) -> None:
        """Do what ``await self.broadcast_from(...)`` does."""
        self._await("broadcast_from", self._agent.broadcast_from, event, payload)

    def local_broadcast(self, event: str, payload: Any = None) -> None:
        """Do what ``await self.local_broadcast(...)`` does."""
        self._await("local_broadcast", self._agent.local_broadcast, event, payload)

    def local_broadcast_from(self, event: str, payload: Any = None) -> None:
        """Do what ``await self.local_broadcast_from(...)`` does."""
        self._await("local_broadcast_from", self._agent.local_broadcast_from, event, payload)

    def history(
        self, *, since: AnyPosition = None, before: AnyPosition = None, limit: int = DEFAULT_LIMIT
    ) -> HistoryPage:
        """Do what ``await self.history(...)`` does."""
        return self._await(
            "history", partial(self._agent.history, since=since, before=before, limit=limit)
        )

    def reply(self, ref: ReplyRef, value: Any = None) -> None:
        """Do what ``await ref.reply(...)`` does."""
        self._await("reply", ref.reply, value)
