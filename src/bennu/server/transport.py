"""What a connection needs of the transport below it.

A transport also tells the connection: what came, :meth:`~bennu.server.connection.ServerConnection.receive`; that it is
gone, ``lost``; and that its buffer is over a mark of its own or has room again, ``congested`` and
``drained``, in turns. The mark is no bound: what is written is taken.
"""

from __future__ import annotations

from typing import Protocol

from ..message import Opcode
from ..pubsub import Framing, Writer

__all__ = ["Transport"]


class Transport(Protocol):
    """The wire of one connection."""

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
        """Whether it finds out by itself that its client is silent, and for how long it may be."""
        ...

    @property
    def counts_bytes(self) -> bool:
        """Whether it tells how many bytes have come, if those have a rate; else those of messages count."""
        ...

    @property
    def is_left(self) -> bool:
        """Whether the client is known to have gone, also if there is more of it to read."""
        ...

    @property
    def write(self) -> Writer:
        """Takes what ``framing`` made, and never waits."""
        ...

    @property
    def unsent(self) -> int:
        """Bytes that were written, and have not left."""
        ...

    def control(self, opcode: Opcode, data: bytes) -> None:
        """Send a ping or a pong, if that is ours to send."""
        ...

    def close(self, code: int, reason: str = "") -> None:
        """Close it from our side; the connection is told that it is lost later."""
        ...

    def pause_reading(self) -> None:
        """Bring no more messages until told to."""
        ...

    def resume_reading(self) -> None:
        """Go on bringing them, those that were held first."""
        ...
