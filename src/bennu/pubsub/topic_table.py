"""The topics that have subscribers in this process. The bus and the logs are told when a topic gets its first, or loses its last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DecodeError
from ..message import Disconnect, SocketId
from ..telemetry.accounts import Account
from .envelope import TOPICS, Envelope, EnvelopeKind
from .subscribers import Subscribers

if TYPE_CHECKING:
    from ..metrics.tallies import TopicTally
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
            subscribers = self._topics[topic] = Subscribers(account, self._tally_of(topic))
            if subscribers.tally is not None:
                account.late = subscribers.tally.delivered
            if isinstance(topic, str):
                self._hear(topic)
                self._follow(topic, subscribers)
        return subscribers

    def _tally_of(self, topic: str | SocketId) -> TopicTally | None:
        tallies = self._pubsub.tallies
        return None if tallies is None or not isinstance(topic, str) else tallies.topic(topic)

    def receive(self, topic: str | None, envelope: Envelope, node: str | None = None) -> None:
        """Send an encoded message to the subscribers of a topic; see :meth:`PubSub.receive`."""
        pubsub = self._pubsub
        kind, name, content = envelope
        if (topic is None) is not (kind is EnvelopeKind.DISCONNECT):
            raise DecodeError(f"a message of the kind {kind.name} has no place here")
        if topic is None:
            pubsub.send(SocketId(name), Disconnect())
            return
        subscribers, logs = self.get(topic), pubsub.logs
        if kind is EnvelopeKind.ENTRY:
            if logs is not None:
                logs.receive(topic, envelope)
        elif subscribers is None:
            return
        elif kind is not EnvelopeKind.TYPED:
            if subscribers.has_history and node is not None and logs is not None:
                logs.receive_plain(topic, name, node)
            subscribers.receive(pubsub, topic, envelope, node)
        elif subscribers.listeners:
            subscribers.send(pubsub, pubsub.types.unpack(name, content), None, None)

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
