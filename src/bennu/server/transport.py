"""What a connection needs of the transport below it.

A transport calls these methods of the connection (:class:`~bennu.server.connection.ServerConnection`): ``receive`` for
each message, ``lost`` when the transport is gone, and, in turns, ``congested`` when its buffer is over a mark of its own,
and ``drained`` when the buffer has room again. The mark is no bound: the transport takes whatever is written.
"""

from __future__ import annotations

from typing import Protocol

from ..message import Opcode
from ..pubsub import Framing, Writer

__all__ = ["Transport"]


class Transport(Protocol):
    """Carries one connection: a WebSocket or a session of long polling."""

    @property
    def name(self) -> str:
        """``"websocket"`` or ``"longpoll"``."""
        ...

    @property
    def framing(self) -> Framing:
        """How messages are written to it."""
        ...

    @property
    def keeps_time(self) -> bool:
        """Whether the transport itself closes when the client is silent for too long."""
        ...

    @property
    def counts_bytes(self) -> bool:
        """Whether the transport calls ``metered`` with the bytes of frames; else the bytes of messages count."""
        ...

    @property
    def is_left(self) -> bool:
        """Whether the client is known to have gone, even if the transport holds more of what it sent."""
        ...

    @property
    def write(self) -> Writer:
        """Takes what ``framing`` made, and never waits."""
        ...

    @property
    def unsent(self) -> int:
        """Bytes that were written, and have not left the process."""
        ...

    def control(self, opcode: Opcode, data: bytes) -> None:
        """Send a ping or a pong, if the transport sends such itself."""
        ...

    def close(self, code: int, reason: str = "") -> None:
        """Close from the server's side. The connection knows already that it is lost.

        Args:
            code: Of the close frame.
            reason: Of the close frame; at most 123 bytes.
        """
        ...

    def pause_reading(self) -> None:
        """Bring no more messages until told to."""
        ...

    def resume_reading(self) -> None:
        """Bring messages again, those that were held first."""
        ...
