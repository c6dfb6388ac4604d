"""The handshake, the same for every transport: who may connect. Protocol document, §1.2 to §1.11.

The order of the steps is Phoenix's: the user's ``connect`` runs before the upgrade itself is looked at,
so a plain GET of the path is answered 403 if connect refuses it, and 400 if it does not.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from msgspec import Struct

from ..connect_info import AUTHORITY, ConnectInfo
from ..errors import CallbackError, DecodeError, Refused
from ..limits.connections import Gate, network_of
from ..logs.log import Log
from ..logs.printable import described
from ..logs.why import why_refused
from ..longpoll import LongPoll
from ..origin_check import OriginCheck
from ..protocol import Serializer, negotiate
from ..protocol.encoding import encode_object
from ..protocol.origin import Origin, Requested
from ..protocol.query import MAX_QUERY, decode_query
from ..protocol.upgrade import BEARER, explain_upgrade, select_subprotocol, take_auth_token
from ..protocol.vsn import DEFAULT_VSN, closest
from ..reasons import Limit, Reason
from ..socket import SocketBase
from ..telemetry import FILTERED, SocketConnected
from ..user_code.functions import teach_refusal
from .accepted import Accepted
from .server import Server

__all__ = ["DRAINING", "Denied", "Target", "explain_request", "origin_fits", "shake_hands"]

FORBIDDEN = 403

AUTH_TOKEN_HEADER = b"x-phoenix-authtoken"
"""Where a client that polls has what others put among the subprotocols."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is for.

    Attributes:
        socket: The socket.
        mount: The path that it is mounted on, for logs.
        variables: Of the path.
        origin_check: The policy that holds here.
        longpoll: Set if the path is the one for polling, not the WebSocket's.
    """

    socket: SocketBase[Any]
    mount: str
    variables: Mapping[str, str]
    origin_check: OriginCheck
    longpoll: LongPoll | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """A client that may not, and the HTTP answer that it gets.

    Attributes:
        status: Of HTTP.
        body: What a reader may learn of it.
        retry_after: Seconds after which the client may try again.
        refusal: What the client is told where the socket's refusals are readable, if it may be.
    """

    status: int
    body: bytes = b""
    retry_after: int | None = None
    refusal: Mapping[str, Any] | None = field(default=None, compare=False)


DRAINING = Denied(503, Reason.DRAINING.text.encode(), retry_after=1)
"""Whoever comes while the server lets its clients go. Tried again, it finds another, or the next one."""


async def shake_hands(
    server: Server, target: Target, scope: Mapping[str, Any], transport: str
) -> Accepted | Denied:
    """Decide on a request to connect.

    Args:
        server: The endpoint's.
        target: The socket that the path leads to.
        scope: The ASGI scope of the request, of HTTP or of a WebSocket.
        transport: The transport's name.
    """
    server.lines.follow()
    if server.is_draining:
        server.log.info("REFUSED CONNECTION TO %s: draining", target.mount)
        return DRAINING
    if scope.get("method", "GET") != "GET":
        return Denied(400)
    if server.gate is None:
        outcome = await _shake_hands(server, target, scope, transport)
    else:
        outcome = await _pass_gate(server, server.gate, target, scope, transport)
    if isinstance(outcome, Denied) and outcome.refusal and target.socket.refusals is not None:
        return await _make_readable(server, target, scope, transport, outcome)
    return outcome


async def _make_readable(
    server: Server, target: Target, scope: Mapping[str, Any], transport: str, denied: Denied
) -> Accepted | Denied:
    """Let a refused client in to read why, if it can read, and not too many do."""
    readable = target.socket.refusals
    if readable is None or len(server.refused) >= readable.max_held:
        return denied
    request = await _read_request(server, target, scope, transport)
    if isinstance(request, Denied):
        return request
    serializer = closest(request.params.get("vsn", DEFAULT_VSN), target.socket.serializers)
    if serializer is None:
        return denied
    subprotocol, refusal = request.subprotocol, denied.refusal
    return Accepted(target.socket, serializer, request.info, None, None, subprotocol, refusal)


async def _pass_gate(
    server: Server, gate: Gate, target: Target, scope: Mapping[str, Any], transport: str
) -> Accepted | Denied:
    # It has a place while it is looked at, and from the moment on when its connection opens. Under our
    # own server no turn of the event loop lies between the two.
    peer = ConnectInfo(scope, transport=transport).peer.host
    network = network_of(peer)
    now = server.loop.time()
    refusal = gate.enter(network, now)
    if refusal is not None:
        server.excesses.note(refusal.limit, peer)
        status, reason = _REFUSALS[refusal.limit]
        told = reason.payload(retry_after_ms=refusal.retry_after * 1000)
        return Denied(status, reason.text.encode(), refusal.retry_after, told)
    try:
        return await _shake_hands(server, target, scope, transport)
    finally:
        gate.leave(network)


_REFUSALS = {
    Limit.CONNECTIONS: (503, Reason.TOO_MANY_CONNECTIONS),
    Limit.CONNECTIONS_PER_IP: (429, Reason.TOO_MANY_CONNECTIONS),
    Limit.CONNECTS_PER_IP: (429, Reason.RATE_LIMITED),
}


class _Request(Struct, frozen=True):
    """What a request to connect says."""

    params: dict[str, Any]
    info: ConnectInfo
    subprotocol: str | None


async def _read_request(
    server: Server, target: Target, scope: Mapping[str, Any], transport: str
) -> _Request | Denied:
    headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))  # of several, the first
    query: bytes = scope.get("query_string", b"")
    try:
        params = decode_query(query)
    except DecodeError as error:
        server.log.warning("Refusing a connection to %s: %s", target.mount, error)
        return Denied(414 if len(query) > MAX_QUERY else 400)
    params.update(target.variables)
    if not await origin_fits(server.log, target, scope, headers):
        return Denied(FORBIDDEN)
    socket = target.socket
    offered = headers.get(b"sec-websocket-protocol")
    protocols = None if offered is None else offered.decode("latin-1")
    token = None
    is_polling = transport == "longpoll"  # then there are no subprotocols
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
    return _Request(params, info, subprotocol)


async def _shake_hands(
    server: Server, target: Target, scope: Mapping[str, Any], transport: str
) -> Accepted | Denied:
    request = await _read_request(server, target, scope, transport)
    if isinstance(request, Denied):
        return request
    serializer: Serializer | None = None
    if target.socket.serializers:
        serializer = _negotiate(server, target, request.params)
        if serializer is None:
            return Denied(FORBIDDEN, refusal=Reason.UNSUPPORTED_VSN.payload())
    outcome = await _connect(
        server, target, request.params, request.info, serializer, request.subprotocol
    )
    return DRAINING if server.is_draining else outcome  # for connect may have taken its time


async def origin_fits(
    log: Log, target: Target, scope: Mapping[str, Any], headers: dict[bytes, bytes]
) -> bool:
    """Return whether a page of the request's origin may connect; log if not."""
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
    """Return the subprotocols that a client offers, for the log: one of them may be an auth token."""
    if protocols is None:
        return None
    names = [FILTERED if name.strip().startswith(BEARER) else name for name in protocols.split(",")]
    return ",".join(names)


def _without_token(
    headers: list[tuple[bytes, bytes]], protocols: str | None
) -> list[tuple[bytes, bytes]]:
    """Return the headers with the auth token taken out: it is a secret, and has its own place."""
    name = b"sec-websocket-protocol"
    kept = [pair for pair in headers if pair[0].lower() not in (name, AUTH_TOKEN_HEADER)]
    return kept if protocols is None else [*kept, (name, protocols.encode("latin-1"))]


def _negotiate(server: Server, target: Target, params: dict[str, Any]) -> Serializer | None:
    vsn = params.get("vsn", DEFAULT_VSN)
    serializer = negotiate(vsn, target.socket.serializers)
    if serializer is None:
        server.log.warning(
            "Refusing a connection to %s: the client asks for vsn=%r, and the server speaks %s",
            target.mount,
            vsn,
            ", ".join("{}.{}.x".format(*one.requirement) for one in target.socket.serializers),
        )
    return serializer


async def _connect(
    server: Server,
    target: Target,
    params: dict[str, Any],
    info: ConnectInfo,
    serializer: Serializer | None,
    subprotocol: str | None,
) -> Accepted | Denied:
    socket = target.socket
    started = time.perf_counter()
    outcome: Accepted | Denied
    reason = ""
    try:
        if socket.sessions is not None:
            info.session = await socket.sessions.load(params, info)
        assigns = await socket.connector.ask(server.connects, params, info)
        name = await socket.id_of(assigns)
        _check_time(info)
    except Refused as refused:
        reason = why_refused(refused)
        try:
            outcome = await _refuse(socket, refused)
        except Exception:
            server.log.exception("The refusal of a connection to %s crashed", target.mount)
            return Denied(500, b"Internal Server Error")
    except Exception as error:
        teach_refusal(error)
        server.log.exception("connect of %s crashed", target.mount)
        return Denied(500, b"Internal Server Error")
    else:
        outcome = Accepted(socket, serializer, info, assigns, name, subprotocol)
    if socket.log and server.telemetry.handlers[SocketConnected]:
        server.telemetry.emit(
            SocketConnected(
                target.mount,
                info.transport,
                None if serializer is None else serializer.name,
                params,
                "ok" if isinstance(outcome, Accepted) else "error",
                time.perf_counter() - started,
                reason,
            )
        )
    return outcome


async def _refuse(socket: SocketBase[Any], refused: Refused) -> Denied:
    """Return the answer to a client that ``connect`` refused.

    Raises:
        CallbackError: The error_handler returned no status and body.
        EncodeError: The client is to be told what can't be written.
        Exception: Whatever the error_handler raised.
    """
    if socket.error_handler is None:
        payload = refused.payload
        if socket.refusals is not None:
            encode_object(payload)  # raises here, and not in the midst of a connection
        return Denied(FORBIDDEN, refusal=payload)
    answer: Any = await socket.error_handler.here(refused)
    if isinstance(answer, tuple | list) and len(cast("Sequence[Any]", answer)) == 2:
        status, body = cast("Sequence[Any]", answer)
        is_status = isinstance(status, int) and not isinstance(status, bool) and 200 <= status < 600
        if is_status and isinstance(body, bytes | bytearray):
            return Denied(int(status), bytes(body))
    raise CallbackError(
        f"Socket(error_handler=...): {socket.error_handler.name} returned {described(cast('object', answer))}: expected an HTTP"
        ' status from 200 to 599 and a body, (403, b"Forbidden")'
    )


def _check_time(info: ConnectInfo) -> None:
    """Refuse a client whose time is over before it begins.

    Raises:
        Refused: It is.
    """
    if info.expires_at is not None and info.expires_at <= time.time():
        raise Refused(Reason.TOKEN_EXPIRED.text)


_USUAL = {b"connection": b"Upgrade", b"upgrade": b"websocket", b"sec-websocket-version": b"13"}
_NEEDED = {b"host", b"sec-websocket-key"}


def explain_request(scope: Mapping[str, Any]) -> str | None:
    """Return what keeps a request from becoming a WebSocket, or None."""
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
