"""A listener's subscription of a topic."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..message import SocketId

if TYPE_CHECKING:
    from .pubsub import PubSub

__all__ = ["Subscription"]


class Subscription:
    """A listener's subscription of one topic. ``cancel()`` ends it.

    Attributes:
        topic: The topic, or the id of connections.
        deliver: Called with each message.
        owner: The sender whose ``broadcast_from`` skips this listener; None if there is none.
        shares: Whether ``deliver`` gets the same object as other listeners, and not a copy.
    """

    __slots__ = ("_pubsub", "deliver", "owner", "shares", "topic")

    def __init__(
        self,
        pubsub: PubSub,
        topic: str | SocketId,
        deliver: Callable[[Any], object],
        owner: object,
        shares: bool,
    ) -> None:
        self._pubsub = pubsub
        self.topic = topic
        self.deliver = deliver
        self.owner = owner
        self.shares = shares

    def cancel(self) -> None:
        """Stop listening. A second call has no effect."""
        self._pubsub.unsubscribe(self)
