"""A client that may connect: what the handshake found, and what a connection is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..connect_info import ConnectInfo
from ..serializers import Serializer
from ..socket import Socket

__all__ = ["Accepted"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A client that may connect.

    Attributes:
        socket: What it connects to.
        serializer: What it speaks.
        info: Its request.
        assigns: What ``connect`` returned.
        id: What the socket's ``id`` made of that.
        subprotocol: What the handshake agreed on.
    """

    socket: Socket[Any]
    serializer: Serializer
    info: ConnectInfo
    assigns: Any
    id: str | None
    subprotocol: str | None
