"""The options of a client."""

from __future__ import annotations

import inspect
import math
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypedDict

from ..errors import DefinitionError
from ..logs.printable import described
from .frames import ClientSerializer
from .schedule import Backoff
from .stream import Overflow
from .transport import ConnectTarget, OpenTransport
from .urls import SocketURL, query_of

__all__ = [
    "ClientKeywords",
    "ClientOptions",
    "JoinParams",
    "Params",
    "Text",
    "TransportName",
    "Vsn",
    "seconds",
]

Params = Mapping[str, Any] | Callable[[], Mapping[str, Any] | Awaitable[Mapping[str, Any]]]
"""The parameters of the connect; or a function that returns them, plain or async. It is called at each connect."""

JoinParams = Mapping[str, Any] | Callable[[], Any] | Any
"""The payload of a join: a dict, Struct or dataclass; or a plain function that returns one. It is called at each join."""

Text = str | Callable[[], str | Awaitable[str]]
"""A text; or a function that returns one, plain or async."""

TransportName = Literal["websocket", "longpoll"]
Vsn = Literal["1.0.0", "2.0.0"]


class ClientKeywords(TypedDict, total=False):
    """The options of a client by their names, for what passes them on. :class:`~bennu.client.Client` explains them."""

    params: Params | None
    auth_token: Text | None
    vsn: Vsn
    transport: TransportName | OpenTransport
    longpoll_fallback: float | None
    timeout: float
    heartbeat: float
    reconnect: Backoff
    rejoin: Backoff
    headers: Mapping[str, str] | None
    ssl: ssl.SSLContext | None
    max_size: int
    buffer: int
    overflow: Overflow
    http: Any


TIMEOUT: Final = 10.0
"""Seconds for the answer to a connect, a join or a push."""

HEARTBEAT: Final = 30.0
"""Seconds between two heartbeats."""

MAX_SIZE: Final = 16_000_000
"""Bytes of one message of the server."""


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """The options of one client, checked. :class:`~bennu.client.Client` explains them."""

    url: SocketURL
    params: Params
    auth_token: Text | None
    serializer: ClientSerializer
    open_first: OpenTransport
    open_fallback: OpenTransport | None
    fallback_after: float
    timeout: float
    heartbeat: float
    reconnect: Backoff
    rejoin: Backoff
    headers: Mapping[str, str]
    ssl: ssl.SSLContext | None
    max_size: int
    buffer: int
    overflow: Overflow
    http: Any

    async def target(self) -> ConnectTarget:
        """Return where to connect now: the parameters and the token are asked for."""
        params = await _now(self.params)
        token = None if self.auth_token is None else await _now(self.auth_token)
        return ConnectTarget(
            self.url,
            query_of({**params, "vsn": self.serializer.vsn}),
            token,
            self.headers,
            self.timeout,
            self.ssl,
            self.max_size,
            self.http,
        )


async def _now(given: Any) -> Any:
    value = given() if callable(given) else given
    return await value if inspect.isawaitable(value) else value


def seconds(name: str, value: object) -> float:
    """Return a time in seconds.

    Raises:
        DefinitionError: It is no positive number.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    raise DefinitionError(
        f"{name}=",
        expected="seconds: a positive number",
        got=described(value),
        write=f"{name}=10",
    )
