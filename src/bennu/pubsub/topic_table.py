"""The topics that have subscribers in this process. The bus and the logs are told when a topic gets its first, or loses its last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..message import SocketId
from ..telemetry.accounts import Account
from .envelope import TOPICS
from .subscribers import Subscribers

if TYPE_CHECKING:
    from .pubsub import PubSub

__all__ = ["TopicTable"]


class TopicTable:
    """The subscribers of each topic.

    Args:
        pubsub: The PubSub, which knows the bus and the logs.

    Attributes:
        get: Returns the subscribers of a topic; None if it has none.
    """

    __slots__ = ("_pubsub", "_topics", "get")

    def __init__(self, pubsub: PubSub) -> None:
        self._pubsub = pubsub
        self._topics: dict[str | SocketId, Subscribers] = {}
        self.get = self._topics.get  # the first step of each broadcast

    def __getitem__(self, topic: str | SocketId) -> Subscribers:
        return self._topics[topic]

    def add(self, topic: str | SocketId) -> Subscribers:
        """Return the subscribers of a topic, which may be new."""
        subscribers = self._topics.get(topic)
        if subscribers is None:
            # An id of connections is no topic: nobody asks for its account.
            accounts = self._pubsub.telemetry.accounts
            account = accounts.of(topic) if isinstance(topic, str) else Account()
            subscribers = self._topics[topic] = Subscribers(account)
            if isinstance(topic, str):
                self._hear(topic)
                self._follow(topic, subscribers)
        return subscribers

    def forget_if_empty(self, topic: str | SocketId, subscribers: Subscribers) -> None:
        """Forget a topic that has lost its last subscriber."""
        if not subscribers.is_empty:
            return
        del self._topics[topic]
        if isinstance(topic, str):
            cluster, logs = self._pubsub.cluster, self._pubsub.logs
            if cluster is not None:
                cluster.interest.let_go(TOPICS + topic)
            if logs is not None:
                logs.let_go(topic)

    def hear_all(self) -> None:
        """Tell the bus of all topics: it has just started."""
        for topic in self._topics:  # listeners that were not cancelled before the last stop
            if isinstance(topic, str):
                self._hear(topic)

    def follow_all(self) -> None:
        """Tell the logs of all topics: they have just started."""
        for topic, subscribers in self._topics.items():
            if isinstance(topic, str):
                self._follow(topic, subscribers)

    def clear(self) -> None:
        """Forget all topics."""
        self._topics.clear()

    def _hear(self, topic: str) -> None:
        if self._pubsub.cluster is not None:
            self._pubsub.cluster.interest.keep(TOPICS + topic)

    def _follow(self, topic: str, subscribers: Subscribers) -> None:
        if self._pubsub.logs is not None:
            subscribers.has_history = self._pubsub.logs.keep(topic) is not None
