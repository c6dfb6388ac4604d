"""Records the broadcasts of followed topics: each once, with where it went. Pure.

:class:`~bennu.pubsub.PubSub` has a watch only while a topic is followed. A broadcast is counted in its topic's account
(:mod:`bennu.telemetry.accounts`) without a pause, so what the account has gained is what became of this broadcast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import Raw
from msgspec.structs import replace

from ..errors import EncodeError
from ..protocol.encoding import encode_json
from ..telemetry.accounts import Account
from .reading import json_of_raw
from .records import BroadcastSeen
from .sights import UNSEEN, Hide, Sink

__all__ = ["TopicWatch"]


class TopicWatch:
    """The follows of topics.

    Args:
        sinks: The follows.
        now: Returns the time of the event loop.
    """

    __slots__ = ("_now", "_sinks")

    def __init__(self, sinks: list[Sink], now: Callable[[], float]) -> None:
        self._sinks = sinks
        self._now = now

    def begin(
        self,
        topic: str,
        event: str,
        account: Account,
        node: str | None = None,
        position: str | None = None,
    ) -> Callable[[Any], None] | None:
        """Begin to watch a broadcast.

        Args:
            topic: The topic.
            event: The event.
            account: The account of the topic.
            node: The node that it came from; None for this node.
            position: Its position in a history.

        Returns:
            A function to call with the payload when the broadcast has gone to all members; None if nobody follows the topic.
        """
        sinks: list[Sink] = []
        for sink in self._sinks:
            if sink.wants(topic):
                if sink.has_room:
                    sinks.append(sink)
                else:
                    sink.put(UNSEEN)
        if not sinks:
            return None
        before = account.as_dict()

        def went(payload: Any) -> None:
            after = account.as_dict()
            data = _bytes_of(payload)
            counts = {name: after[name] - before[name] for name in _COUNTS}
            dropped = {
                reason: count - before["dropped"].get(reason, 0)
                for reason, count in after["dropped"].items()
                if count > before["dropped"].get(reason, 0)
            }
            seen = BroadcastSeen(
                at=self._now(),
                topic=topic,
                event=event,
                size=len(data),
                dropped=dropped,
                node=node,
                position=position,
                **counts,
            )
            sight = _BroadcastSight(seen, payload if isinstance(payload, bytes) else Raw(data))
            for sink in sinks:
                sink.put(sight)

        return went


_COUNTS = ("due", "delivered", "own", "handled", "waiting", "behind")


class _BroadcastSight(NamedTuple):
    """A broadcast whose payload is not decoded yet."""

    seen: BroadcastSeen
    payload: Any

    @property
    def weight(self) -> int:
        """Bytes that it keeps, about."""
        return 400 + self.seen.size

    def record(self, hide: Hide) -> BroadcastSeen:
        """Return the record, with a payload without secrets."""
        payload = self.payload
        if not isinstance(payload, bytes):
            payload = hide(json_of_raw(payload))
        return replace(self.seen, payload=payload)


def _bytes_of(payload: Any) -> bytes:
    """Return a payload as bytes: the sender can change its objects later."""
    if isinstance(payload, bytes | Raw):
        return bytes(payload)
    try:
        return encode_json(payload)
    except EncodeError:
        return b"null"
