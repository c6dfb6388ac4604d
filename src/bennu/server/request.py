"""The request to connect: its target, its parts, and the HTTP answer if it is denied. Protocol document, §1.2 to §1.11."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ..connect_info import AUTHORITY, ConnectInfo
from ..errors import DecodeError
from ..protocol.origin import Origin, Requested
from ..protocol.query import MAX_QUERY, decode_query
from ..protocol.upgrade import BEARER, explain_upgrade, select_subprotocol, take_auth_token
from ..telemetry import FILTERED

if TYPE_CHECKING:
    from ..logs.log import Log
    from ..longpoll import LongPoll
    from ..origin_check import OriginCheck
    from ..socket import SocketBase
    from .server import Server

__all__ = [
    "FORBIDDEN",
    "ConnectRequest",
    "Denied",
    "Target",
    "origin_fits",
]

FORBIDDEN: Final = 403

AUTH_TOKEN_HEADER: Final = b"x-phoenix-authtoken"
"""The header with the auth token of a client that polls. A WebSocket client puts the token among the subprotocols."""


@dataclass(frozen=True, slots=True)
class Target:
    """The socket that a request leads to.

    Attributes:
        socket: The socket that the path leads to.
        mount: The path on which the socket is mounted, for logs.
        variables: The path's variables.
        origin_check: Decides which pages can connect.
        longpoll: Options of long polling if the path is for polling; None if the path is for WebSockets.
    """

    socket: SocketBase[Any]
    mount: str
    variables: Mapping[str, str]
    origin_check: OriginCheck
    longpoll: LongPoll | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """The HTTP answer to a client that is refused.

    Attributes:
        status: The HTTP status.
        body: The body, plain text.
        retry_after: Seconds for the header Retry-After; None is no such header.
        refusal: The reason for the client if the socket's refusals are readable; None if the answer is always HTTP.
    """

    status: int
    body: bytes = b""
    retry_after: int | None = None
    refusal: Mapping[str, Any] | None = field(default=None, compare=False)


class ConnectRequest:
    """A request to connect.

    Args:
        target: The socket that the path leads to.
        scope: The ASGI scope of the request, of HTTP or of a WebSocket.
        transport: ``"websocket"`` or ``"longpoll"``.

    Attributes:
        headers: The headers by their names, in lower case. Of several headers with one name, it has the first.
        params: The parameters of the query and the path, once the request is read.
        info: The request, as ``connect`` gets it, once the request is read.
        subprotocol: The subprotocol that was agreed on, once the request is read.
    """

    __slots__ = ("headers", "info", "params", "scope", "subprotocol", "target", "transport")

    info: ConnectInfo
    params: dict[str, Any]
    subprotocol: str | None

    def __init__(self, target: Target, scope: Mapping[str, Any], transport: str) -> None:
        self.target = target
        self.scope = scope
        self.transport = transport
        self.headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))

    async def read(self, server: Server) -> Denied | None:
        """Read the request in the order of the protocol: query, origin, auth token, subprotocol.

        Args:
            server: The endpoint's server.

        Returns:
            The answer if the request is denied; else None.
        """
        target, scope, headers = self.target, self.scope, self.headers
        query: bytes = scope.get("query_string", b"")
        try:
            params = self.params = decode_query(query)
        except DecodeError as error:
            server.log.warning("Refusing a connection to %s: %s", target.mount, error)
            return Denied(414 if len(query) > MAX_QUERY else 400)
        params.update(target.variables)
        if b"origin" in headers and not await origin_fits(server.log, target, scope, headers):
            return Denied(FORBIDDEN)
        socket = target.socket
        offered = headers.get(b"sec-websocket-protocol")
        protocols = None if offered is None else offered.decode("latin-1")
        token = None
        is_polling = self.transport == "longpoll"  # polling has no subprotocols
        if is_polling and socket.auth_token:
            sent = headers.get(AUTH_TOKEN_HEADER)
            token = None if sent is None else sent.decode("latin-1")
        elif socket.auth_token:
            try:
                token, protocols = take_auth_token(protocols)
            except DecodeError as error:
                server.log.warning("Refusing a connection to %s: %s", target.mount, error)
                return Denied(500)
        self.subprotocol = None
        if socket.subprotocols is not None and not is_polling:
            fits, self.subprotocol = select_subprotocol(protocols, socket.subprotocols)
            if not fits:
                server.log.error(
                    "Refusing a connection to %s: the client offers the subprotocols %s, the socket has %s",
                    target.mount,
                    _without_bearer(protocols),
                    socket.subprotocols,
                )
                return Denied(FORBIDDEN)
        kept = None if token is None else _without_token(scope["headers"], protocols)
        self.info = ConnectInfo(
            scope, transport=self.transport, state=server.state, auth_token=token, headers=kept
        )
        if socket.sessions is not None:
            self.info.scope_session = scope.get("session")
        return None

    @property
    def key(self) -> bytes:
        """The Sec-WebSocket-Key."""
        return self.headers.get(b"sec-websocket-key", b"")

    def explain_upgrade(self) -> str | None:
        """Return in one sentence why the request is no upgrade to a WebSocket; None if it is."""
        scope, headers = self.scope, self.headers
        method: str = scope.get("method", "GET")
        http_version: str = scope.get("http_version", "1.1")
        is_usual = _USUAL.items() <= headers.items() and headers.keys() >= _NEEDED
        if is_usual and http_version == "1.1" and method == "GET":
            return None

        def header(name: bytes) -> str:
            return headers.get(name, b"").decode("latin-1")

        return explain_upgrade(
            method=method,
            http_version=http_version,
            host=header(b"host"),
            connection=header(b"connection"),
            upgrade=header(b"upgrade"),
            key=header(b"sec-websocket-key"),
            version=header(b"sec-websocket-version"),
        )


_USUAL: Final = {
    b"connection": b"Upgrade",
    b"upgrade": b"websocket",
    b"sec-websocket-version": b"13",
}
"""Headers of most requests to upgrade. If a request has these values, they need not be parsed."""
_NEEDED: Final = {b"host", b"sec-websocket-key"}


async def origin_fits(
    log: Log, target: Target, scope: Mapping[str, Any], headers: dict[bytes, bytes]
) -> bool:
    """Return whether pages of the request's origin can connect. Log a refusal."""
    header = headers.get(b"origin")
    if header is None:
        return True
    host = scope.get(AUTHORITY) or headers.get(b"host", b"").decode("latin-1")
    origin = Origin.parse(header.decode("latin-1"))
    requested = Requested.parse(scope.get("scheme", "ws"), host)
    if await target.origin_check.fits(origin, requested):
        return True
    log.error(
        "Refusing a connection to %s from a page of the origin %r (the request's host is %r)."
        ' If that page is yours, write check_origin=["%s"] in the Endpoint or the Socket',
        target.mount,
        origin.text,
        host,
        origin.text,
    )
    return False


def _without_bearer(protocols: str | None) -> str | None:
    """Return the subprotocols that a client offers, for the log, with the auth token hidden."""
    if protocols is None:
        return None
    names = [FILTERED if name.strip().startswith(BEARER) else name for name in protocols.split(",")]
    return ",".join(names)


def _without_token(
    headers: list[tuple[bytes, bytes]], protocols: str | None
) -> list[tuple[bytes, bytes]]:
    """Return the headers without the auth token, which is a secret. It is in ``info.auth_token``."""
    name = b"sec-websocket-protocol"
    kept = [pair for pair in headers if pair[0].lower() not in (name, AUTH_TOKEN_HEADER)]
    return kept if protocols is None else [*kept, (name, protocols.encode("latin-1"))]
