"""The report of a connection that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..telemetry import SocketClosed

if TYPE_CHECKING:
    from .connection import ServerConnection

__all__ = ["report_closed"]


def report_closed(connection: ServerConnection[Any], reason: str | Exception) -> None:
    """Emit that a connection has ended.

    Args:
        connection: The connection.
        reason: The argument of the channels' ``terminate``.
    """
    server, socket = connection.server, connection.socket
    if server.telemetry.handlers[SocketClosed] and socket.log:
        text = reason if isinstance(reason, str) else type(reason).__name__
        duration = server.loop.time() - connection.opened_at
        code = connection.close_code
        server.telemetry.tell(
            SocketClosed(connection.mount, connection.transport, text, code, duration)
        )
