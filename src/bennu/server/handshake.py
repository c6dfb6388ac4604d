"""The handshake, the same for every transport: decides which clients can connect. Protocol document, §1.2 to §1.11.

The order of the steps is Phoenix's. The user's ``connect`` runs before the headers of the upgrade are checked. So a
plain GET of the path is answered with 403 if ``connect`` refuses it, and with 400 if not.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, cast

from msgspec import Struct, field
from typing_extensions import TypeVar

from ..connect_info import ConnectInfo
from ..errors import CallbackError, Refused
from ..limits.connections import ConnectionLimits, network_of
from ..logs.context import running
from ..logs.printable import described
from ..logs.why import why_refused
from ..protocol import Serializer, negotiate
from ..protocol.encoding import encode_object
from ..protocol.vsn import DEFAULT_VSN, closest
from ..raw import RawSocket
from ..reasons import Limit, Reason
from ..socket import SocketBase
from ..telemetry import SocketConnected
from ..user_code.functions import add_refusal_note
from .channel_connection import ChannelConnection
from .channel_telemetry import note_crash
from .raw_connection import RawConnection
from .refused_connection import MAX_REFUSED, RefusedConnection
from .request import FORBIDDEN, ConnectRequest, Denied
from .running import Connecting

if TYPE_CHECKING:
    from .connection import ServerConnection
    from .server import Server
    from .transport import Transport

__all__ = ["DRAINING", "Accepted", "shake_hands"]

K = TypeVar("K", bound=SocketBase[Any], default=Any)


class Accepted(Struct, Generic[K], frozen=True, eq=False):
    """The result of the handshake with a client that can connect.

    Attributes:
        socket: The socket that the client connects to.
        mount: The path on which the socket is mounted.
        serializer: The serializer of the client's version; None on a raw socket.
        info: The request.
        assigns: The value that ``connect`` returned.
        id: The id that the socket's ``id`` returned for the assigns.
        subprotocol: The subprotocol that was agreed on.
        refusal: The reason, for a client that can connect only to read why it was refused; else None.
        context: The context variables for the client's channels, as they were at the end of ``connect``. Middleware
            and ``connect`` can set them.
    """

    socket: K
    mount: str
    serializer: Serializer | None
    info: ConnectInfo
    assigns: Any
    id: str | None
    subprotocol: str | None
    refusal: Mapping[str, Any] | None = None
    context: Context = field(default_factory=copy_context)

    @property
    def max_frame_size(self) -> int:
        """The most bytes of one message of the client."""
        size = self.socket.max_frame_size
        return size if self.refusal is None else min(size, MAX_REFUSED)

    def open(self, server: Server, transport: Transport) -> ServerConnection:
        """Open the connection, of the kind that fits the socket.

        Args:
            server: The endpoint's server.
            transport: The transport of the connection. It can be written to.
        """
        kind: Any
        if self.refusal is not None:
            kind = RefusedConnection
        elif isinstance(self.socket, RawSocket):
            kind = RawConnection
        else:
            kind = ChannelConnection
        connection: ServerConnection = kind(server, self, transport)
        return connection


DRAINING = Denied(503, Reason.DRAINING.text.encode(), retry_after=1)
"""The answer to new clients while the server drains. The client tries again, and then reaches another process."""


async def shake_hands(server: Server, request: ConnectRequest) -> Accepted | Denied:
    """Take the steps of the handshake: limits, request, version, and the user's ``connect``.

    Args:
        server: The endpoint's server.
        request: The request, which is read here.

    Returns:
        Accepted: The client can connect.
        Denied: The HTTP answer to a client that can't.
    """
    outcome = await _judge(server, request)
    if server.tallies is not None and isinstance(outcome, Denied):
        server.tallies.refused(request.target.mount, outcome.status)
    if isinstance(outcome, Denied) and outcome.refusal:
        return await _make_readable(server, request, outcome)
    return outcome


async def _judge(server: Server, request: ConnectRequest) -> Accepted | Denied:
    """Return the outcome of the handshake, before a refusal is made readable."""
    target = request.target
    server.lines.follow()
    if server.is_draining:
        server.log.info("REFUSED CONNECTION TO %s: draining", target.mount)
        return DRAINING
    if request.scope.get("method", "GET") != "GET":
        return Denied(400)
    if server.connection_limits is None:
        return await _decide(server, request)
    return await _decide_within(server.connection_limits, server, request)


async def _make_readable(
    server: Server, request: ConnectRequest, denied: Denied
) -> Accepted | Denied:
    """Accept a refused client that can read the reason, unless its version is unknown or too many are connected."""
    socket = request.target.socket
    readable = socket.refusals
    if readable is None or len(server.refused) >= readable.max_held:
        return denied
    unread = await request.read(server)  # anew, without the ids and the time that `connect` has set
    if unread is not None:
        return unread
    serializer = closest(request.params.get("vsn", DEFAULT_VSN), socket.serializers)
    if serializer is None:
        return denied
    mount, subprotocol = request.target.mount, request.subprotocol
    return Accepted(
        socket, mount, serializer, request.info, None, None, subprotocol, denied.refusal
    )


async def _decide_within(
    limits: ConnectionLimits, server: Server, request: ConnectRequest
) -> Accepted | Denied:
    """Decide on a request if the client exceeds no limit of connections.

    The client is counted while the handshake runs, and again when its connection opens. Under ``bennu run`` no turn of
    the event loop lies between the two.
    """
    peer = ConnectInfo(request.scope, transport=request.transport).peer.host
    network = network_of(peer)
    now = server.loop.time()
    refusal = limits.enter(network, now)
    if refusal is not None:
        server.telemetry.limit_exceeded(refusal.limit, peer)
        status, reason = _REFUSALS[refusal.limit]
        told = reason.payload(retry_after_ms=refusal.retry_after * 1000)
        return Denied(status, reason.text.encode(), refusal.retry_after, told)
    try:
        return await _decide(server, request)
    finally:
        limits.leave(network)


_REFUSALS = {
    Limit.CONNECTIONS: (503, Reason.TOO_MANY_CONNECTIONS),
    Limit.CONNECTIONS_PER_IP: (429, Reason.TOO_MANY_CONNECTIONS),
    Limit.CONNECTS_PER_IP: (429, Reason.RATE_LIMITED),
}


async def _decide(server: Server, request: ConnectRequest) -> Accepted | Denied:
    """Read a request, choose the serializer, and ask the user's ``connect``."""
    denied = await request.read(server)
    if denied is not None:
        return denied
    serializer: Serializer | None = None
    target = request.target
    serializers = target.socket.serializers
    if serializers:
        vsn = request.params.get("vsn", DEFAULT_VSN)
        serializer = negotiate(vsn, serializers)
        if serializer is None:
            server.log.warning(
                "Refusing a connection to %s: the client asks for vsn=%r, the server has %s",
                target.mount,
                vsn,
                ", ".join("{}.{}.x".format(*one.requirement) for one in serializers),
            )
            return Denied(FORBIDDEN, refusal=Reason.UNSUPPORTED_VSN.payload())
    outcome = await _connect(server, request, serializer)
    return DRAINING if server.is_draining else outcome  # the drain can have begun during connect


async def _connect(
    server: Server, request: ConnectRequest, serializer: Serializer | None
) -> Accepted | Denied:
    """Call the user's ``connect``, and report the outcome."""
    socket, info, started = request.target.socket, request.info, time.perf_counter()
    tracer = server.tracer if socket.log else None
    connecting = Connecting(info, tracer)
    with running(connecting), nullcontext() if tracer is None else tracer.connecting(request):
        answer = await _ask(server, request, connecting)
        if isinstance(answer, _Refusal) and tracer is not None:
            tracer.refused(answer.reason)
    outcome: Accepted | Denied
    reason = ""
    if isinstance(answer, Denied):
        return answer
    if isinstance(answer, _Refusal):
        outcome, reason = answer.denied, answer.reason
    else:  # here, and not above: the context of the connection is about no connect
        mount, name = request.target.mount, connecting.socket_id
        outcome = Accepted(socket, mount, serializer, info, answer.value, name, request.subprotocol)
    duration = time.perf_counter() - started
    if server.tallies is not None:
        server.tallies.observe("bennu_connect_seconds", duration, request.target.mount)
    if socket.log and (server.lines.is_asked or server.telemetry.handlers[SocketConnected]):
        with running(connecting):
            _tell(server, request, serializer, outcome, reason, duration)
    return outcome


class _Assigns(NamedTuple):
    """The assigns of a client that ``connect`` has accepted."""

    value: Any


class _Refusal(NamedTuple):
    """The answer to a client that ``connect`` has refused, and the reason for the log."""

    denied: Denied
    reason: str


async def _ask(
    server: Server, request: ConnectRequest, connecting: Connecting
) -> _Assigns | _Refusal | Denied:
    """Call the functions of the user that decide on a client; return Denied if one of them crashed."""
    target, params, info = request.target, request.params, request.info
    socket = target.socket
    try:
        if socket.sessions is not None:
            info.session = await socket.sessions.load(params, info)
        assigns = await socket.connector.call(server.connects, params, info)
        connecting.socket_id = None if socket.id is None else await socket.id_of(assigns)
        if info.is_bound:
            _check_time(info)
    except Refused as refused:
        try:
            return _Refusal(await _refuse(socket, refused), why_refused(refused))
        except Exception:
            server.log.exception("The refusal of a connection to %s crashed", target.mount)
            return Denied(500, b"Internal Server Error")
    except Exception as error:
        add_refusal_note(error)
        note_crash(server, error)
        server.log.exception("connect of %s crashed", target.mount)
        return Denied(500, b"Internal Server Error")
    return _Assigns(assigns)


def _tell(
    server: Server,
    request: ConnectRequest,
    serializer: Serializer | None,
    outcome: Accepted | Denied,
    reason: str,
    duration: float,
) -> None:
    """Log the outcome of a connect, and emit it to telemetry."""
    mount, transport, params = request.target.mount, request.transport, request.params
    name = None if serializer is None else serializer.name
    is_accepted = isinstance(outcome, Accepted)
    if is_accepted:
        server.lines.connected(mount, transport, name, params, duration)
    else:
        server.lines.connect_refused(mount, params, reason)
    if server.telemetry.handlers[SocketConnected]:
        result: Literal["ok", "error"] = "ok" if is_accepted else "error"
        server.telemetry.tell(
            SocketConnected(mount, transport, name, params, result, duration, reason)
        )


async def _refuse(socket: SocketBase[Any], refused: Refused) -> Denied:
    """Return the answer to a client that ``connect`` refused.

    Raises:
        CallbackError: The error_handler returned no status and body.
        EncodeError: The reason can't be encoded.
        Exception: The error_handler raised it.
    """
    if socket.error_handler is None:
        payload = refused.payload
        if socket.refusals is not None:
            encode_object(payload)  # raises here, and not later on an open connection
        return Denied(FORBIDDEN, refusal=payload)
    answer: Any = await socket.error_handler.call_on_loop(refused)
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
    """Refuse a client whose ``info.expire_at`` is in the past.

    Raises:
        Refused: The time is over.
    """
    if info.expires_at is not None and info.expires_at <= time.time():
        raise Refused(Reason.TOKEN_EXPIRED.text)
