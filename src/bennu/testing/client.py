"""A client of an endpoint in the same event loop, without a network: what a test connects with.

    async with connect(endpoint, "/socket", {"token": token}) as client:
        room = await client.join("room:7")
        assert await room.push("new_msg", {"body": "Hi"}) == {"id": 1}

The client speaks the protocol of Phoenix over a connection in memory: the handshake, the frames and the serializers are those of
a real client (:mod:`bennu.testing.wires`).
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any, Final, Literal
from urllib.parse import urlencode

import msgspec

from ..channel import Channel
from ..client.errors import ConnectRefused, JoinRefused, PushRefused
from ..endpoint import Endpoint
from ..socket import SocketBase
from ..telemetry import SocketConnected
from ..transports.routes import match, segments_of
from .channel import TestChannel
from .codec import Version, WireMessage, decode, encode
from .given_assigns import HEADER, give_assigns, take_assigns
from .patterns import ANY, differences, shown
from .running import running
from .waiting import bound_of, comes
from .wires import AnyWire, HandshakeRefused, Over, open_wire

__all__ = ["TestClient", "connect"]

Transport = Literal["websocket", "asgi", "longpoll"]

_OVER: Final[dict[Transport, Over]] = {
    "websocket": "native",
    "asgi": "asgi",
    "longpoll": "longpoll",
}

HEARTBEAT: Final = 30.0
"""Seconds between two heartbeats, as of phoenix.js."""

_numbers: Final = count(1)

_refusals: ContextVar[list[str] | None] = ContextVar("bennu_test_refusals", default=None)
"""The reasons for which the connect that runs now was refused."""


class TestClient:
    """A client on an open connection. :func:`connect` makes it.

    Attributes:
        endpoint: The endpoint.
        version: The version of the protocol.
        heard: The messages that belong to no channel of the client, for example the answers to heartbeats.
    """

    __test__ = False  # for pytest: no class of tests

    def __init__(self, endpoint: Endpoint, wire: AnyWire, version: Version, number: str) -> None:
        self.endpoint = endpoint
        self.version: Version = version
        self.heard: list[WireMessage] = []
        self._wire = wire
        self._number = number
        self._refs = count(1)
        self._channels: dict[str, TestChannel] = {}
        self._left: list[TestChannel] = []
        self._beats = set[str]()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def code(self) -> int | None:
        """The code with which the connection was closed, 1006 without a close frame; None while it is open."""
        return self._wire.code

    @property
    def reason(self) -> str:
        """The reason of the server's close frame."""
        return self._wire.reason

    def channels(self, topic: str | None = None) -> list[Channel[Any, Any]]:
        """Return the live channel objects of this client, of a topic or of all."""
        if not self.endpoint.is_started:
            return []
        return [
            channel
            for channel in self.endpoint.channels(topic)
            if channel.connection.info.headers.get(HEADER) == self._number
        ]

    @property
    def assigns(self) -> Any:
        """The assigns of the connection.

        Raises:
            AssertionError: No channel is joined, so that nothing has them.
        """
        for channel in self.channels():
            return channel.assigns
        raise AssertionError("no channel of this client is joined: join one first")

    # Messages.

    def next_ref(self) -> str:
        """Return a ref that no message of this client has."""
        return str(next(self._refs))

    def send(self, join_ref: Any, ref: Any, topic: Any, event: Any, payload: Any = None) -> None:
        """Send any message: also one that no client would send.

        Args:
            join_ref: The ref of the join.
            ref: The ref of the message.
            topic: The topic.
            event: The event.
            payload: A dict, Struct or dataclass; or bytes. Default: an empty object.

        Raises:
            AssertionError: The connection is closed.
        """
        if self.code is not None:
            raise AssertionError(
                f"the connection is closed ({self.code}), so {event!r} to {topic!r} can't be sent"
            )
        if payload is None:
            payload = {}
        elif not isinstance(payload, bytes):
            payload = msgspec.to_builtins(payload)
        message = WireMessage(join_ref, ref, topic, event, payload)
        self._wire.send(encode(message, self.version))

    def read(self) -> None:
        """Take the messages that have come, and give them to their channels."""
        received = self._wire.received
        while received:
            message = decode(received.popleft(), self.version)
            if message.ref in self._beats:
                self._beats.discard(message.ref)
                continue
            channel = self._channels.get(message.topic)
            if channel is not None and message.join_ref not in (None, channel.join_ref):
                channel = next(
                    (one for one in self._left if one.join_ref == message.join_ref), None
                )
            if channel is None:
                self.heard.append(message)
            else:
                channel.take(message)

    async def join(
        self, topic: str, payload: Any = None, *, within: float | None = None
    ) -> TestChannel:
        """Join a topic. A channel of the topic that is joined already is replaced, as the server does.

        Args:
            topic: The topic.
            payload: The payload of the join. Default: an empty object.
            within: Seconds to wait for the reply. Default: 1 in virtual time, 5 in real time.

        Raises:
            JoinRefused: The reply is an error.
            AssertionError: No reply came.
        """
        channel = self.start_join(topic, payload)
        seconds, words = bound_of(within)

        def is_answered() -> bool:
            self.read()
            return channel.join_ref in channel.replies

        if not await comes(is_answered, seconds):
            raise AssertionError(channel.failure("reply to the join", words))
        reply = channel.replies.pop(channel.join_ref)
        if reply["status"] != "ok":
            channel.stop()
            raise JoinRefused(topic, reply["response"])
        channel.response = reply["response"]
        return channel

    def start_join(self, topic: str, payload: Any = None) -> TestChannel:
        """Send a join, and wait for nothing. The channel gets what comes."""
        if (old := self._channels.get(topic)) is not None:
            self._left.append(old)
        ref = self.next_ref()
        channel = self._channels[topic] = TestChannel(self, topic, ref)
        channel.listen()
        self.send(ref, ref, topic, "phx_join", payload)
        return channel

    def beat(self) -> None:
        """Send a heartbeat now, and one every 30 seconds from now on."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HEARTBEAT, self.beat)
        if self.code is None:
            self._beats.add(ref := self.next_ref())
            self.send(None, ref, "phoenix", "heartbeat")
            self.read()

    async def heartbeat(self, *, within: float | None = None) -> None:
        """Send a heartbeat, and check that it is answered."""
        await self._ask("heartbeat", {}, "the heartbeat", within)

    async def renew(self, token: str, *, within: float | None = None) -> Any:
        """Send the next token, as a page does before its own expires. Return the response, or raise PushRefused."""
        reply = await self._ask("token", {"token": token}, "the new token", within)
        if reply["status"] != "ok":
            raise PushRefused("phoenix", "token", reply["status"], reply["response"])
        return reply["response"]

    async def _ask(self, event: str, payload: Any, what: str, within: float | None) -> Any:
        self.send(None, ref := self.next_ref(), "phoenix", event, payload)
        seconds, words = bound_of(within)

        def answers() -> list[Any]:
            self.read()
            return [message.payload for message in self.heard if message.ref == ref]

        if await comes(lambda: bool(answers()), seconds):
            return answers()[0]
        raise AssertionError(f"{what} was not answered within {words}")

    # The connection.

    async def assert_closed(self, code: Any = ANY, *, within: float | None = None) -> int:
        """Check that the server closes the connection, and return the code.

        Args:
            code: What the code is compared with.
            within: Seconds to wait for it.
        """
        seconds, words = bound_of(within)
        if not await comes(lambda: self.code is not None, seconds):
            raise AssertionError(
                f"the connection is still open after {words}, expected {shown(code)}"
            )
        if differences(code, self.code):
            raise AssertionError(
                f"the connection was closed with {self.code}, expected {shown(code)}"
            )
        assert self.code is not None
        return self.code

    def close(self, code: int = 1000) -> None:
        """Close with a close frame, as a page that is left."""
        if self.code is None:
            self._wire.close(code)

    def vanish(self) -> None:
        """Drop the connection without a word, as a train in a tunnel."""
        if self.code is None:
            self._wire.vanish()

    def stall(self) -> None:
        """Read nothing from now on. What the server sends fills its buffers."""
        self._wire.stop_reading()

    def resume(self) -> None:
        """Read again."""
        self._wire.read_on()

    async def gone(self) -> None:
        """Wait until the server has ended all channels of a connection that was closed."""
        if self._timer is not None:
            self._timer.cancel()
        await comes(lambda: not self.channels(), bound_of(None)[0])
        for channel in (*self._channels.values(), *self._left):
            channel.stop()


@asynccontextmanager
async def connect(
    endpoint: Endpoint,
    path: str,
    params: Mapping[str, Any] | None = None,
    *,
    assigns: Any = ANY,
    headers: Mapping[str, str] | None = None,
    auth_token: str | None = None,
    transport: Transport = "websocket",
    vsn: Version = "2.0.0",
    heartbeats: bool = True,
) -> AsyncGenerator[TestClient]:
    """Connect to a socket. The connection is closed at the end of the block.

    An endpoint that is not started is started here, with its lifespan, and stopped at the end of the last block that needs it.

    Args:
        endpoint: The endpoint.
        path: The path under which the socket is mounted.
        params: Parameters of the query: what ``connect`` gets.
        assigns: The assigns of the connection. With them, the socket's ``connect`` does not run. Default: it runs.
        headers: Headers of the request, for example ``{"cookie": ...}`` or ``{"origin": ...}``.
        auth_token: The token that phoenix.js sends as ``authToken``.
        transport: ``"websocket"`` as under ``bennu run``, ``"asgi"`` as under another server, or ``"longpoll"``.
        vsn: The version of the protocol.
        heartbeats: Whether the client sends a heartbeat every 30 seconds. Without them the server closes it after a while.

    Raises:
        ConnectRefused: The endpoint refused the connection. It has the reason that ``connect`` raised.
        LookupError: No socket is mounted there.

    Example:
        ``async with connect(endpoint, "/socket", assigns=User(1, "Ann")) as ann: ...``
    """
    socket = _socket_of(endpoint, path)
    number = str(next(_numbers))
    async with running(endpoint):
        if assigns is not ANY:
            give_assigns(socket, number, assigns)
        try:
            wire = await _open(
                endpoint,
                socket,
                path,
                number,
                params or {},
                headers or {},
                auth_token,
                transport,
                vsn,
            )
        finally:
            take_assigns(socket, number)
        client = TestClient(endpoint, wire, vsn, number)
        if heartbeats:
            client.beat()
        try:
            yield client
        finally:
            client.close()
            await client.gone()


def _socket_of(endpoint: Endpoint, path: str) -> SocketBase[Any]:
    for mount, socket in endpoint.sockets.items():
        if match(segments_of(mount), segments_of(path)) is not None:
            return socket
    raise LookupError(
        f"no socket is mounted at {path!r}: expected one of {', '.join(endpoint.sockets) or 'none'}"
    )


async def _open(
    endpoint: Endpoint,
    socket: SocketBase[Any],
    path: str,
    number: str,
    params: Mapping[str, Any],
    headers: Mapping[str, str],
    auth_token: str | None,
    transport: Transport,
    vsn: Version,
) -> AnyWire:
    """Connect, or raise why not."""
    sent = [*headers.items(), (HEADER, number)]
    subprotocols: list[str] = []
    if auth_token is not None and transport == "longpoll":
        sent.append(("x-phoenix-authtoken", auth_token))
    elif auth_token is not None:
        text = base64.urlsafe_b64encode(auth_token.encode()).decode().rstrip("=")
        subprotocols = ["phoenix", f"base64url.bearer.phx.{text}"]
    end = "longpoll" if transport == "longpoll" else socket.path
    query = urlencode({**{name: str(value) for name, value in params.items()}, "vsn": vsn})
    reasons: list[str] = []
    token = _refusals.set(reasons)
    detach = endpoint.telemetry.attach(_note, SocketConnected)
    try:
        wire = await open_wire(
            endpoint,
            f"{path}/{end}?{query}",
            over=_OVER[transport],
            headers=sent,
            subprotocols=subprotocols,
        )
    except HandshakeRefused as refused:
        text = refused.body.decode("utf-8", "replace")
        raise ConnectRefused(refused.status, "".join(reasons) or text or None) from None
    finally:
        detach()
        _refusals.reset(token)
    if reasons:
        wire.close()
        raise ConnectRefused(101, reasons[0])
    return wire


def _note(event: Any) -> None:
    reasons = _refusals.get()
    if reasons is not None and event.result == "error":
        reasons.append(event.reason)
