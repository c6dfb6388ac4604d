"""The request to connect: what it is for, what it says, and the HTTP answer if it is denied. Protocol document, §1.2 to §1.11."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

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
    "explain_request",
    "origin_fits",
    "read_request",
]

FORBIDDEN: Final = 403

AUTH_TOKEN_HEADER: Final = b"x-phoenix-authtoken"
"""Where a client that polls sends what a WebSocket client puts among the subprotocols."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is for.

    Attributes:
        socket: The socket that the path leads to.
        mount: The path on which the socket is mounted, for logs.
        variables: The path's variables.
        origin_check: Decides which pages may connect.
        longpoll: Options of long polling if the path is the one for polling; None if it is the WebSocket's.
    """

    socket: SocketBase[Any]
    mount: str
    variables: Mapping[str, str]
    origin_check: OriginCheck
    longpoll: LongPoll | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """The HTTP answer to a client that may not connect.

    Attributes:
        status: The HTTP status.
        body: The body, plain text.
        retry_after: Seconds after which the client may try again; None if that is not said.
        refusal: What the client is told instead if the socket's refusals are readable; None if they never are.
    """

    status: int
    body: bytes = b""
    retry_after: int | None = None
    refusal: Mapping[str, Any] | None = field(default=None, compare=False)


class ConnectRequest(Struct, frozen=True):
    """What a request to connect says.

    Attributes:
        params: The parameters of the query and the path.
        info: What ``connect`` can ask about the request.
        subprotocol: The subprotocol that was agreed on.
    """

    params: dict[str, Any]
    info: ConnectInfo
    subprotocol: str | None


async def read_request(
    server: Server, target: Target, scope: Mapping[str, Any], transport: str
) -> ConnectRequest | Denied:
    """Read a request in the order of the protocol: query, origin, auth token, subprotocol.

    Args:
        server: The endpoint's.
        target: The socket that the path leads to.
        scope: The ASGI scope of the request.
        transport: The transport's name.
    """
    headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))  # the first of several
    query: bytes = scope.get("query_string", b"")
    try:
        params = decode_query(query)
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
    is_polling = transport == "longpoll"  # polling has no subprotocols
    if is_polling and socket.auth_token:
        sent = headers.get(AUTH_TOKEN_HEADER)
        token = None if sent is None else sent.decode("latin-1")
    elif socket.auth_token:
        try:
            token, protocols = take_auth_token(protocols)
        except DecodeError as error:
            server.log.warning("Refusing a connection to %s: %s", target.mount, error)
            return Denied(500)
    subprotocol = None
    if socket.subprotocols is not None and not is_polling:
        fits, subprotocol = select_subprotocol(protocols, socket.subprotocols)
        if not fits:
            server.log.error(
                "Refusing a connection to %s: it offers the subprotocols %s, the socket speaks %s",
                target.mount,
                _without_bearer(protocols),
                socket.subprotocols,
            )
            return Denied(FORBIDDEN)
    kept = None if token is None else _without_token(scope["headers"], protocols)
    info = ConnectInfo(
        scope, transport=transport, state=server.state, auth_token=token, headers=kept
    )
    if socket.sessions is not None:
        info.scope_session = scope.get("session")
    return ConnectRequest(params, info, subprotocol)


async def origin_fits(
    log: Log, target: Target, scope: Mapping[str, Any], headers: dict[bytes, bytes]
) -> bool:
    """Return whether a page of the request's origin may connect; log it if not."""
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
    """Return the headers without the auth token: it is a secret, and stands in ``info.auth_token``."""
    name = b"sec-websocket-protocol"
    kept = [pair for pair in headers if pair[0].lower() not in (name, AUTH_TOKEN_HEADER)]
    return kept if protocols is None else [*kept, (name, protocols.encode("latin-1"))]


_USUAL = {b"connection": b"Upgrade", b"upgrade": b"websocket", b"sec-websocket-version": b"13"}
_NEEDED = {b"host", b"sec-websocket-key"}


def explain_request(scope: Mapping[str, Any]) -> str | None:
    """Return what keeps a request from becoming a WebSocket, in one sentence; None if nothing does."""
    headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
    is_http_1_1 = scope.get("http_version", "1.1") == "1.1" and scope.get("method", "GET") == "GET"
    if is_http_1_1 and _USUAL.items() <= headers.items() and headers.keys() >= _NEEDED:
        return None

    def header(name: bytes) -> str:
        return headers.get(name, b"").decode("latin-1")

    return explain_upgrade(
        method=scope.get("method", "GET"),
        http_version=scope.get("http_version", "1.1"),
        host=header(b"host"),
        connection=header(b"connection"),
        upgrade=header(b"upgrade"),
        key=header(b"sec-websocket-key"),
        version=header(b"sec-websocket-version"),
    )
