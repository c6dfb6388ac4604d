"""A connection, as what runs on it sees it: what joins it to the client, and what it is told."""

from __future__ import annotations

from contextvars import Context
from typing import Any, Protocol

from ..connect_info import ConnectInfo
from ..message import Encoded, Message
from ..protocol import Serializer
from ..pubsub import Framing, Outbox
from ..socket import Socket, SocketBase
from .backpressure import Backpressure
from .server import Server

__all__ = ["Host", "Line"]


class Host(Protocol):
    """The connection of whatever is run for a client."""

    @property
    def id(self) -> str | None:
        """The name of the connection."""
        ...

    @property
    def transport(self) -> str:
        """The transport's name."""
        ...

    @property
    def info(self) -> ConnectInfo:
        """The request that opened it."""
        ...

    @property
    def server(self) -> Server:
        """What the endpoint's connections share."""
        ...

    @property
    def socket(self) -> SocketBase[Any]:
        """What the client connected to."""
        ...

    @property
    def assigns(self) -> Any:
        """What ``connect`` returned."""
        ...

    @property
    def context(self) -> Context:
        """The context variables that what is run sees."""
        ...

    @property
    def is_lost(self) -> bool:
        """Whether there is nobody to write to any more."""
        ...

    def load(self, size: int) -> None:
        """Count bytes that wait to be handled."""
        ...

    def unload(self, size: int) -> None:
        """Count them no more."""
        ...

    def pause_reading(self) -> None:
        """Stop reading: who takes its messages can't keep up."""
        ...

    def resume_reading(self) -> None:
        """Go on reading: who takes them has caught up by half."""
        ...


class Line(Host, Outbox, Protocol):
    """The way from a channel to its client."""

    @property
    def socket(self) -> Socket[Any]:
        """What the client connected to."""
        ...

    @property
    def serializer(self) -> Serializer:
        """What the client speaks."""
        ...

    @property
    def framing(self) -> Framing:
        """How messages are written to it."""
        ...

    @property
    def backpressure(self) -> Backpressure | None:
        """What stands between it and a client that reads too slowly."""
        ...

    def send(self, encoded: Encoded) -> None:
        """Write a message to this client alone, after all that was broadcast to it before."""
        ...

    def reply(self, join_ref: Any, ref: Any, topic: Any, status: str, response: Any) -> None:
        """Write a reply."""
        ...

    def joined(self, channel: Any, message: Message, response: Any) -> None:
        """Enter a channel whose join succeeded, and answer.

        Raises:
            EncodeError: The response can't be written; then nothing has happened.
        """
        ...

    def not_joined(self, message: Message, response: Any) -> None:
        """Answer a join that was refused or crashed."""
        ...

    def closed(self, channel: Any, leave: Message | None) -> None:
        """Tell the client that a channel has closed, answer its leave, and free the topic."""
        ...

    def crashed(self, channel: Any) -> None:
        """Tell the client that a channel was lost, so that it rejoins, and free the topic."""
        ...

    def over(self) -> None:
        """Count a channel no more: nothing of it runs any longer."""
        ...

    def release(self, channel: Any) -> None:
        """Go on reading, if it was this channel that held the line."""
        ...
