"""The channel of the page: figures once a second, a search for connections, and disconnects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from ..backpressure import DropOldest
from ..channel import Channel, on, on_info
from ..errors import Refused
from ..reasons import Reason
from .finding import FoundConnections
from .node import MAX_PAGES, DashboardNode
from .ticks import DashboardTick

__all__ = ["DashboardChannel"]


class Search(Struct, forbid_unknown_fields=True):
    """A search.

    Attributes:
        text: A part of an id, an address or a topic.
    """

    text: str


class DisconnectOne(Struct, forbid_unknown_fields=True):
    """Which connection to close.

    Attributes:
        node: The name of its node.
        connection: Its id on that node.
    """

    node: str
    connection: str


class DisconnectUser(Struct, forbid_unknown_fields=True):
    """Which connections to close.

    Attributes:
        user: Their id.
    """

    user: str


class Disconnected(Struct):
    """What was closed.

    Attributes:
        closed: How many connections were closed; None if that is unknown.
    """

    closed: int | None


class DashboardChannel(Channel[DashboardNode, Any]):
    """An open page."""

    when_slow = DropOldest(max=2)
    overflow = "drop_oldest"
    max_mailbox = 2

    _close: Callable[[], None] | None = None

    async def join(self) -> dict[str, Any]:
        if self.assigns.pages >= MAX_PAGES:
            raise Refused(Reason.TOO_MANY_PAGES.text)
        return {"node": self.endpoint.node}

    async def after_join(self) -> None:
        self._close = self.assigns.open(self.send_self)

    @on_info(DashboardTick)
    async def tick(self, tick: DashboardTick) -> None:
        await self.push("tick", tick)

    @on("find", rate="60/minute")
    async def find(self, search: Search) -> FoundConnections:
        return await self.assigns.find(search.text)

    @on("disconnect", rate="60/minute")
    async def disconnect(self, one: DisconnectOne) -> Disconnected:
        self.assigns.log.warning(
            "The dashboard disconnects the connection %s of the node %s, for %s",
            one.connection,
            one.node,
            self.connection.info.peer.host,
        )
        return Disconnected(await self.assigns.cut(one.node, one.connection))

    @on("disconnect_user", rate="60/minute")
    async def disconnect_user(self, one: DisconnectUser) -> Disconnected:
        self.assigns.log.warning(
            "The dashboard disconnects all connections with the id %s, for %s",
            one.user,
            self.connection.info.peer.host,
        )
        await self.endpoint.disconnect(one.user)
        return Disconnected(None)

    async def terminate(self, reason: str | Exception) -> None:
        del reason
        if self._close is not None:
            self._close()
