"""The logs of topics with history, as PubSub sees them. :class:`bennu.history.logs.Logs` implements it, in a room above."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..message import Broadcast
from ..store.store import Store
from .envelope import Envelope

__all__ = ["TopicLogs"]


class TopicLogs(Protocol):
    """Keeps the logs of topics.

    Attributes:
        drafted: Called with the id of each draft of a broadcast; None without tracing, which sets it.
    """

    drafted: Callable[[str], object] | None

    @property
    def store(self) -> Store:
        """The store."""
        ...

    async def start(self) -> None:
        """Start the store."""
        ...

    async def stop(self) -> None:
        """Stop the store."""
        ...

    def forget(self) -> None:
        """Forget all topics: the event loop was closed, or is the parent process's."""
        ...

    def history_of(self, topic: str, event: str | None = None) -> Any:
        """Return the history of a topic; None for a topic without history, and for an ephemeral event."""
        ...

    def keep(self, topic: str) -> Any:
        """Follow a topic: it has a subscriber. Return None for a topic without history."""
        ...

    def let_go(self, topic: str) -> None:
        """Undo one :meth:`keep`."""
        ...

    def receive(self, topic: str, envelope: Envelope) -> None:
        """Take a new entry that another node has announced.

        Raises:
            DecodeError: The bytes are no entry.
        """
        ...

    def receive_plain(self, topic: str, event: str, node: str) -> None:
        """Take note of a broadcast to a topic with history that another node has sent without an entry."""
        ...

    async def publish(
        self, history: Any, message: Broadcast, sender: object = None
    ) -> tuple[str, int]:
        """Append a broadcast to the log of its topic, and send it to all nodes. Return its epoch and offset."""
        ...
