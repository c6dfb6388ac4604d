"""A transport of the client that tells of each frame, both ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..client import ClientTransport, ConnectTarget
from ..client.frames import VERSIONS, Data, Received
from ..client.transport import OpenTransport
from ..message import BINARY, TEXT, Message
from ..protocol.json_v1 import JSONV1
from ..protocol.json_v2 import JSONV2
from ..protocol.serializer import Serializer

__all__ = ["FrameTap", "read_frame", "tapped"]

_SERVER_SIDE: Final[dict[str, Serializer]] = {"2.0.0": JSONV2, "1.0.0": JSONV1}

Tell = Callable[[bool, Data], None]
"""Gets whether the frame was sent, and the frame."""


class FrameTap:
    """Passes everything on to another transport, and tells of each frame.

    Args:
        transport: The other transport.
        tell: Is called for each frame.
    """

    def __init__(self, transport: ClientTransport, tell: Tell) -> None:
        self.beats = transport.beats
        self._transport = transport
        self._tell = tell

    def send(self, data: Data) -> None:
        """Send a message."""
        self._tell(True, data)
        self._transport.send(data)

    async def receive(self) -> Data:
        """Return the next message."""
        data = await self._transport.receive()
        self._tell(False, data)
        return data

    def drop(self, code: int, reason: str) -> None:
        """Begin to close."""
        self._transport.drop(code, reason)

    async def close(self, code: int, reason: str) -> None:
        """Send what waits, and close."""
        await self._transport.close(code, reason)


def tapped(opener: OpenTransport, tell: Tell) -> OpenTransport:
    """Return an opener whose transports tell of each frame."""

    async def open_tapped(target: ConnectTarget) -> ClientTransport:
        return FrameTap(await opener(target), tell)

    return open_tapped


def read_frame(data: Data, vsn: str, *, is_sent: bool) -> Message | Received:
    """Return the message of a frame of either side.

    Raises:
        DecodeError: The frame is no message.
    """
    if not is_sent:
        return VERSIONS[vsn].decode(data)
    opcode = BINARY if isinstance(data, bytes) else TEXT
    return _SERVER_SIDE[vsn].decode(opcode, data if isinstance(data, bytes) else data.encode())
