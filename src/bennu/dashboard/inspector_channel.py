"""The channel of the inspector's page: it follows a topic, a connection or a user, and pushes what was seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from ..backpressure import DropOldest
from ..channel import Channel, on, on_info
from ..errors import DefinitionError, Refused
from ..reasons import Reason
from .node import DashboardNode
from .shown import FollowRequest, ShownBatch

__all__ = ["InspectorChannel"]


class FollowedBatch(Struct):
    """A batch on its way to the page.

    Attributes:
        number: The number of the follow that it is of.
        batch: The batch.
    """

    number: int
    batch: ShownBatch


class InspectorChannel(Channel[DashboardNode, Any]):
    """A page that follows one thing at a time."""

    when_slow = DropOldest(max=4)
    overflow = "drop_oldest"
    max_mailbox = 20

    _close: Callable[[], None] | None = None
    _follows = 0

    @on("follow", rate="60/minute")
    async def follow(self, wanted: FollowRequest) -> dict[str, Any]:
        self._end()
        node = self.assigns
        if node.follows.is_full:
            raise Refused(Reason.TOO_MANY_PAGES.text)
        nodes = node.answering() if wanted.node is None else [wanted.node]
        number = self._follows

        def take(batch: ShownBatch) -> None:
            self.send_self(FollowedBatch(number, batch))

        try:
            self._close = node.follows.open(wanted, nodes, take)
        except DefinitionError:
            raise Refused(Reason.INVALID_PAYLOAD.text) from None
        node.log.info(
            "The dashboard follows %s, for %s", str(wanted), self.connection.info.peer.host
        )
        return {"nodes": sorted(nodes)}

    @on("unfollow")
    async def unfollow(self) -> dict[str, Any]:
        self._end()
        return {}

    @on_info(FollowedBatch)
    async def seen(self, one: FollowedBatch) -> None:
        if (
            one.number == self._follows
        ):  # else it has waited here while the page began to follow something else
            await self.push("seen", one.batch)

    async def terminate(self, reason: str | Exception) -> None:
        del reason
        self._end()

    def _end(self) -> None:
        self._follows += 1
        close, self._close = self._close, None
        if close is not None:
            close()
