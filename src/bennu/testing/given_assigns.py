"""Assigns that a test gives to a connection, in the place of what the socket's ``connect`` returns."""

from __future__ import annotations

from typing import Any, Final

from ..connect_info import ConnectInfo
from ..connector import Connector
from ..socket import SocketBase
from ..user_code.callback import Workers

__all__ = ["HEADER", "give_assigns", "take_assigns"]

HEADER: Final = "x-bennu-test-client"
"""The header with the number of a test client."""


class _GivenAssigns(Connector[Any]):
    """Returns the assigns that were given for a client. For other clients it calls the ``connect`` of the socket."""

    __slots__ = ("given", "inner")

    def __init__(self, inner: Connector[Any]) -> None:
        self.inner = inner
        self.given: dict[str, Any] = {}
        self.callback = inner.callback

    async def call(self, workers: Workers, params: dict[str, Any], info: ConnectInfo) -> Any:
        """Return the assigns of a client."""
        number = info.headers.get(HEADER, "")
        if number in self.given:
            return self.given[number]
        return await self.inner.call(workers, params, info)


def give_assigns(socket: SocketBase[Any], number: str, assigns: Any) -> None:
    """Let a client have these assigns when it connects.

    Args:
        socket: The socket that it connects to.
        number: The number of the client.
        assigns: The assigns.
    """
    connector = socket.connector
    if not isinstance(connector, _GivenAssigns):
        socket.connector = connector = _GivenAssigns(connector)
    connector.given[number] = assigns


def take_assigns(socket: SocketBase[Any], number: str) -> None:
    """Forget the assigns of a client. After the last one, the socket is as it was."""
    connector = socket.connector
    if isinstance(connector, _GivenAssigns):
        connector.given.pop(number, None)
        if not connector.given:
            socket.connector = connector.inner
