"""The methods that a connection needs of its transport.

A transport calls these methods of the connection (:class:`~bennu.server.connection.ServerConnection`): ``receive`` for
each message, and ``lost`` when the transport is gone. It calls ``congested`` when its buffer is over its high-water
mark, and then ``drained`` when the buffer has room again. The mark is no bound: the transport takes all that is written.
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
        """The framing of messages on this transport."""
        ...

    @property
    def keeps_time(self) -> bool:
        """Whether the transport itself closes when the client is silent for too long."""
        ...

    @property
    def counts_bytes(self) -> bool:
        """Whether the transport calls ``metered`` with the bytes of frames. If not, the bytes of messages count."""
        ...

    @property
    def is_client_gone(self) -> bool:
        """Whether the client is known to be gone, even if the transport holds more messages of the client."""
        ...

    @property
    def write(self) -> Writer:
        """Writes a framed message, and never waits."""
        ...

    @property
    def unsent(self) -> int:
        """Bytes that were written by the connection, and are still in the process."""
        ...

    def control(self, opcode: Opcode, data: bytes) -> None:
        """Send a ping or a pong, if the transport can send control frames."""
        ...

    def close(self, code: int, reason: str = "") -> None:
        """Close from the server's side. The connection has ended already.

        Args:
            code: The code in the close frame.
            reason: The reason in the close frame; at most 123 bytes.
        """
        ...

    def pause_reading(self) -> None:
        """Stop calling ``receive``, until ``resume_reading``."""
        ...

    def resume_reading(self) -> None:
        """Call ``receive`` again, first with the messages that were held."""
        ...
