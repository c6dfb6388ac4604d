"""Events of connections. Protocol document, §9."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..reasons import Limit

__all__ = [
    "LimitExceeded",
    "SocketClosed",
    "SocketConnected",
    "SocketDrain",
]


@dataclass(frozen=True, slots=True)
class SocketConnected:
    """A connect was accepted or refused. The event is not sent for a bad ``vsn``, or if ``connect`` raised.

    Attributes:
        socket: The mount path of the socket.
        transport: ``"websocket"`` or ``"longpoll"``.
        serializer: The negotiated format; None for a raw socket.
        params: The parameters of the connect, with their secrets.
        result: ``"ok"`` or ``"error"``.
        duration: Seconds that connect took.
        reason: The reason of a refusal, without values of the client; empty if accepted.
    """

    socket: str
    transport: str
    serializer: str | None
    params: Mapping[str, Any]
    result: Literal["ok", "error"]
    duration: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SocketClosed:
    """An open connection has ended.

    Attributes:
        socket: The mount path of the socket.
        transport: ``"websocket"`` or ``"longpoll"``.
        reason: What ``terminate`` of the channels gets: ``"closed"`` (by the client, or the network), ``"inactive"``,
            ``"shutdown"``, another text, or the class of an exception.
        code: The code with which the server has closed the connection; None if the server did not.
        duration: Seconds for which the connection was open.
    """

    socket: str
    transport: str
    reason: str
    code: int | None
    duration: float


@dataclass(frozen=True, slots=True)
class LimitExceeded:
    """A client was refused or slowed down by a limit.

    Attributes:
        limit: The limit.
        peer: The client's address, if it is known.
        topic: The topic of the message, if the client has joined it.
        event: The event of the message, if there is a message. A client chooses it.
    """

    limit: Limit
    peer: str | None
    topic: str | None = None
    event: str | None = None


@dataclass(frozen=True, slots=True)
class SocketDrain:
    """A batch of connections will be closed, because the server will stop.

    Attributes:
        socket: The mount path of the socket, or its paths with commas between.
        count: The number of connections of the batch.
        total: The number of connections of all batches.
        index: The number of the batch, from 1.
        rounds: The number of batches.
        interval: Seconds that a full batch takes.
        log: Whether the socket logs it.
    """

    socket: str
    count: int
    total: int
    index: int
    rounds: int
    interval: float
    log: bool
