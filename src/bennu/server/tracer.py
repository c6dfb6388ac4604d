"""The place of tracing in a server: what :mod:`bennu.tracing` implements. A server without tracing has None instead."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..definition import ChannelDefinition
    from ..message import Message
    from .channel_connection import ChannelConnection
    from .channel_server import ChannelServer
    from .request import ConnectRequest

__all__ = ["ServerTracer"]


class ServerTracer(ABC):
    """Makes the spans of one endpoint."""

    __slots__ = ()

    @abstractmethod
    def channel_server(
        self,
        connection: ChannelConnection,
        definition: ChannelDefinition,
        message: Message,
        parameters: dict[str, Any],
    ) -> ChannelServer:
        """Return a traced channel; the arguments are those of :class:`~.channel_server.ChannelServer`."""

    @abstractmethod
    def connecting(self, request: ConnectRequest) -> AbstractContextManager[None]:
        """Return what the call of a user's ``connect`` runs in."""

    @abstractmethod
    def requested(self, headers: Iterable[tuple[bytes, bytes]]) -> AbstractContextManager[None]:
        """Return what a request to the HTTP API runs in: its broadcasts belong to the trace that its headers name.

        Args:
            headers: The headers of the request, names in lower case.
        """

    @abstractmethod
    def refused(self, reason: str, *, is_crash: bool = False) -> None:
        """Note on the current span that a client was refused.

        Args:
            reason: The reason, without values of the client.
            is_crash: Whether it was refused because code of the user has failed. Default: False.
        """

    @abstractmethod
    def crashed(self, error: BaseException) -> None:
        """Note on the current span that code of the user has failed."""

    @abstractmethod
    def ids(self) -> dict[str, str | None]:
        """Return the fields of a line of the log: the ids of the current trace and span; empty if there is no span."""
