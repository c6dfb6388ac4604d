"""A client that may connect: what the handshake found, and what a connection is made of."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Context, copy_context
from typing import Any, Final, Generic

from msgspec import Struct, field
from typing_extensions import TypeVar

from ..connect_info import ConnectInfo
from ..protocol import Serializer
from ..socket import SocketBase

__all__ = ["Accepted"]


MAX_REFUSED: Final = 16_384
"""Bytes of a message of a client that may only read why it was refused: its payload is not looked at."""

K = TypeVar("K", bound=SocketBase[Any], default=Any)


class Accepted(Struct, Generic[K], frozen=True, eq=False):
    """A client that may connect.

    Attributes:
        socket: What it connects to.
        serializer: What it speaks, if the socket is one for channels.
        info: Its request.
        assigns: What ``connect`` returned.
        id: What the socket's ``id`` made of that.
        subprotocol: What the handshake agreed on.
        refusal: What the client is told, if it may connect only to read why it may not.
        context: The context variables that its channels see: those that were set when ``connect`` had run,
            by ``connect`` or by middleware.
    """

    socket: K
    serializer: Serializer | None
    info: ConnectInfo
    assigns: Any
    id: str | None
    subprotocol: str | None
    refusal: Mapping[str, Any] | None = None
    context: Context = field(default_factory=copy_context)

    @property
    def max_frame_size(self) -> int:
        """Bytes of one message of it."""
        size = self.socket.max_frame_size
        return size if self.refusal is None else min(size, MAX_REFUSED)
