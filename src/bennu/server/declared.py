"""What server code sends to topics, checked against the ``emits`` of their channels. In development only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..definition import ChannelDefinition
from ..emits import check_emitted, undeclared
from ..message import Broadcast
from ..socket import Socket, SocketBase
from ..topic import Table

__all__ = ["DeclaredEvents"]


class DeclaredEvents:
    """The events that the channels of an endpoint declare.

    A channel checks what it sends itself: :meth:`~bennu.definition.ChannelDefinition.check_emitted`. This checks what server
    code sends: ``endpoint.broadcast``, an outbox, the HTTP API.

    Args:
        sockets: The sockets of the endpoint.
    """

    def __init__(self, sockets: Iterable[SocketBase[Any]]) -> None:
        self._tables: list[Table[ChannelDefinition]] = [
            one.table for one in sockets if isinstance(one, Socket)
        ]

    def check(self, message: Broadcast) -> None:
        """Refuse a broadcast that no channel of its topic declares.

        A topic without a channel takes any event, because only server code can hear it. So does a topic of a channel
        without ``emits``.

        Args:
            message: The broadcast.

        Raises:
            ValueError: All channels of the topic have an ``emits``, and none names the event. Or the payload does not fit
                the type that a channel declares.
        """
        found = [table.resolve(message.topic) for table in self._tables]
        channels = [one[0] for one in found if one is not None]
        sender = f"a broadcast to {message.topic!r}"
        known = {event for one in channels for event in one.channel.emits}
        is_open = any(not one.channel.emits for one in channels)
        if channels and not is_open and message.event not in known:
            names = ", ".join(f"{one.name}.emits" for one in channels)
            raise undeclared(sender, message.event, known, names)
        for one in channels:
            if message.event in one.channel.emits:
                sent = f"{sender}, whose channel is {one.name},"
                check_emitted(sent, one.channel.emits, message.event, message.payload)
