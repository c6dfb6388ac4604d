"""Tells the other nodes of new entries over the bus, for an endpoint and for a publisher."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ..errors import EncodeError
from ..pubsub.envelope import TOPICS
from ..store.entry import Draft
from .announcement import pack_announcement

__all__ = ["Publish", "announce"]

Publish = Callable[[str, bytes], Awaitable[int | None]]
"""Publishes bytes under a topic of the bus, and returns how many nodes hear it; None if the bus does not know."""


async def announce(
    publish: Publish,
    topic: str,
    epoch: str,
    places: Sequence[tuple[int, int]],
    drafts: Sequence[Draft],
) -> int | None:
    """Tell the nodes that hear a topic of new entries, in their order.

    Args:
        publish: Publishes bytes on the bus.
        topic: The topic.
        epoch: The epoch of its log.
        places: The offset of each entry, and of the entry before it.
        drafts: The rest of each entry.

    Returns:
        How many nodes hear of the last entry; None if the bus does not know.
    """
    count: int | None = None
    for draft, place in zip(drafts, places, strict=True):
        try:
            count = await publish(TOPICS + topic, pack_announcement(epoch, place, draft))
        except EncodeError:  # it is too large for the bus: the other nodes read it
            count = await publish(TOPICS + topic, pack_announcement(epoch, place, None))
    return count
