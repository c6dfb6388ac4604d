"""Warns when much waits for one channel or raw handler: ``warn_waiting`` of its class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..limits.waiting import WarnWaiting
from ..logs.context import running
from ..telemetry import MessagesWaiting
from .running import About

if TYPE_CHECKING:
    from .channel_server import ChannelServer
    from .raw_server import RawServer

__all__ = ["WaitingWatch"]


class WaitingWatch:
    """Compares what waits in one mailbox with the numbers of the class.

    Args:
        server: The channel or raw handler.
        limit: The numbers.
    """

    __slots__ = ("_has_warned", "_limit", "_server", "_size")

    def __init__(self, server: ChannelServer | RawServer, limit: WarnWaiting) -> None:
        self._server = server
        self._limit = limit
        self._size = 0
        self._has_warned = False

    def put(self, size: int, count: int) -> None:
        """Take the news that an item was put into the mailbox.

        Args:
            size: The bytes of the item.
            count: The items that wait now.
        """
        self._size += size
        if not self._has_warned and self._limit.is_exceeded(count, self._size):
            self._has_warned = True
            self._warn(count)

    def taken(self, size: int, count: int) -> None:
        """Take the news that an item was taken out of the mailbox.

        Args:
            size: The bytes of the item.
            count: The items that wait now.
        """
        self._size -= size
        if self._has_warned and self._limit.is_over(count, self._size):
            self._has_warned = False

    def cleared(self) -> None:
        """Take the news that all items were dropped."""
        self._size = 0
        self._has_warned = False

    def _warn(self, count: int) -> None:
        server = self._server
        connection = server.connection
        with running(About(server, event="")):
            connection.server.log.warning(
                "%d items wait for %s, with %d bytes of its client: its handlers are slower than what comes"
                " (warn_waiting)",
                count,
                server.label,
                self._size,
            )
        telemetry = connection.server.telemetry
        if telemetry.handlers[MessagesWaiting] and connection.socket.log:
            name = server.definition.name
            telemetry.tell(MessagesWaiting(server.topic, name, count, self._size))
