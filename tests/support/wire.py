"""Phoenix clients over real sockets, on the level of frames.

    async with connect(server, "/socket") as client:
        assert await client.join("room:1") == ok()
        await client.push("room:1", "echo", {"a": 1})
        await client.expect(reply("1", "2", "room:1", ok({"a": 1})))

:func:`connect` adds the protocol's messages to the asyncio client of the ``websockets`` library. The client of
:mod:`tests.support.raw` sends bytes that this client can't send.

No function here sleeps: :meth:`Phoenix.expect` waits for the frames themselves. :meth:`Phoenix.expect_silence` waits
for the answer to a heartbeat, which must come after all other frames.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Final
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect as connect_websocket
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State
from websockets.typing import Subprotocol

from .frames import (
    PHX_JOIN,
    PHX_LEAVE,
    Frame,
    decode_v1,
    decode_v2,
    encode_v1,
    encode_v2,
    heartbeat,
    ok,
    pushing,
    reply,
)
from .servers import Server

__all__ = [
    "V1",
    "V2",
    "Phoenix",
    "connect",
    "learn",
]

V1: Final = "1.0.0"
V2: Final = "2.0.0"

NEXT: Final[Any] = object()
"""The next ref of a client."""

PATIENCE: Final = 20.0
"""Seconds after which a test fails, and says what it waits for."""


class Phoenix:
    """A connected client.

    Attributes:
        websocket: The connection.
        vsn: The version of the client. A V1 frame has no ``join_ref``, so expected messages are compared
            without it.
        join_refs: The join_ref of each joined topic.
    """

    def __init__(self, websocket: ClientConnection, vsn: str) -> None:
        self.websocket = websocket
        self.vsn = vsn
        self.join_refs: dict[Any, Any] = {}
        self._refs = count(2)  # the first join has ref 1
        self._heartbeats = count(1)
        v1 = vsn.startswith("1.")
        self._encode = encode_v1 if v1 else encode_v2
        self._decode = decode_v1 if v1 else decode_v2
        self._sends_join_ref = not v1

    async def send(
        self, join_ref: Any, ref: Any, topic: Any, event: Any, payload: Any = None
    ) -> None:
        """Send a message; a payload of bytes is sent as a binary frame."""
        await self.websocket.send(self._encode(pushing(join_ref, ref, topic, event, payload)))

    async def start_join(self, topic: Any, payload: Any = None, *, ref: Any = "1") -> None:
        """Send a join, with this ref and join_ref."""
        self.join_refs[topic] = ref
        await self.push(topic, PHX_JOIN, payload, ref=ref)

    async def push(self, topic: Any, event: Any, payload: Any = None, *, ref: Any = NEXT) -> Any:
        """Send an event to a channel that was joined, by default with the next ref; return the ref."""
        ref = str(next(self._refs)) if ref is NEXT else ref
        await self.send(self.join_refs.get(topic), ref, topic, event, payload)
        return ref

    async def leave(self, topic: Any, *, ref: Any = NEXT) -> None:
        """Send a leave."""
        await self.push(topic, PHX_LEAVE, ref=ref)

    async def heartbeat(self, ref: Any) -> None:
        """Send a heartbeat."""
        await self.send(*heartbeat(ref))

    async def send_raw(self, data: str | bytes) -> None:
        """Send a frame unchanged."""
        await self.websocket.send(data)

    async def receive_raw(self) -> str | bytes:
        """Return the next frame unchanged."""
        async with asyncio.timeout(PATIENCE):
            return await self.websocket.recv()

    async def receive(self) -> Frame:
        """Return the next message."""
        return self._decode(await self.receive_raw())

    async def expect(self, *frames: Frame) -> None:
        """Check that the next messages are exactly these."""
        for expected in frames:
            seen = expected if self._sends_join_ref else expected._replace(join_ref=None)
            received = await self.receive()
            assert received == seen, f"expected {seen}, got {received}"

    async def expect_silence(self) -> None:
        """Check that no other message was sent: the answer to a heartbeat must be the next frame."""
        ref = f"beat-{next(self._heartbeats)}"
        await self.heartbeat(ref)
        await self.expect(reply(None, ref, "phoenix", ok()))

    async def join(self, topic: str, payload: Any = None, *, ref: Any = "1") -> Any:
        """Join, as the stock client does, and return the reply's payload."""
        await self.start_join(topic, payload, ref=ref)
        answer = await self.receive()
        expected = reply(ref if self._sends_join_ref else None, ref, topic, answer.payload)
        assert answer == expected, f"expected {expected}, got {answer}"
        return answer.payload

    async def receive_or_close(self) -> Frame | None:
        """Return the next message, or None once the connection is closed."""
        try:
            return await self.receive()
        except ConnectionClosed:
            return None

    @property
    def is_closed(self) -> bool:
        """Whether the closing handshake has ended."""
        return self.websocket.state is State.CLOSED

    async def closed(self) -> tuple[int | None, str]:
        """Wait until the server has closed the connection; return its code and reason.

        A message before the close fails the test.
        """
        try:
            frame = await self.receive_raw()
        except ConnectionClosed as closed:
            received = closed.rcvd
        else:
            raise AssertionError(f"expected the connection to close, got {frame!r}")
        return (None, "") if received is None else (received.code, received.reason)


@asynccontextmanager
async def connect(
    server: Server,
    path: str = "/socket",
    *,
    vsn: str | None = V2,
    params: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    headers: Mapping[str, str] | None = None,
    subprotocols: Sequence[str] | None = None,
    transport_path: str = "/websocket",
) -> AsyncIterator[Phoenix]:
    """Connect; the connection is closed at the end.

    Args:
        server: The server.
        path: The mount.
        vsn: The version to ask for; None asks for none, which means V1.
        params: More parameters of the query.
        headers: More headers than those of the upgrade.
        subprotocols: The subprotocols to offer.
        transport_path: The part of the path behind the mount.

    Raises:
        websockets.exceptions.InvalidStatus: The server refused.
    """
    pairs = list(params.items() if isinstance(params, Mapping) else params)
    query = urlencode([*pairs, *([] if vsn is None else [("vsn", vsn)])])
    offered = None if subprotocols is None else [Subprotocol(name) for name in subprotocols]
    async with connect_websocket(
        server.url(f"{path}{transport_path}?{query}"),
        additional_headers=headers,
        subprotocols=offered,
        compression=None,
        ping_interval=None,
        max_size=None,
        open_timeout=PATIENCE,
        close_timeout=PATIENCE,
        proxy=None,
    ) as websocket:
        yield Phoenix(websocket, V1 if vsn is None else vsn)


async def learn(server: Server, path: str = "/socket", **options: Any) -> dict[str, Any]:
    """Connect to the application of ``tests/wire``; return what a channel knows of the request."""
    async with connect(server, path, **options) as client:
        answer = await client.join("info:1")
        assert answer["status"] == "ok", answer
        response: dict[str, Any] = answer["response"]
        return response
