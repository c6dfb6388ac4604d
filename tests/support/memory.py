"""A real Phoenix client and a real endpoint in one event loop, without a socket between them.

    async with serve(endpoint) as server:
        ann = await server.connect()
        assert await ann.join("room:1") == ok()
        ann.push("room:1", "ping")
        await ann.expect(reply("1", "2", "room:1", ok()))

It runs under virtual time (:mod:`bennu.testing.clock`). A client waits until every task is blocked. Then either a
frame has arrived, or no frame will come, and the test fails with a message. Time passes only if a test asks for it,
``within=10``.

:func:`serve` checks at its end that no task, subscription or connection is left, and that each log line was asked for
with ``server.logged(...)``.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Final, Literal
from urllib.parse import urlencode

import pytest
from websockets.extensions import ClientExtensionFactory

from bennu import Channel, Endpoint, Presence, Socket
from bennu.bus import BusAdapter
from bennu.store import Store
from bennu.testing.clock import running_loop, settle
from bennu.testing.wires import AnyWire, HandshakeRefused, NativeWire, Over, Wire, open_wire

from .frames import (
    PHX_JOIN,
    PHX_LEAVE,
    PHX_REPLY,
    Frame,
    decode_v1,
    decode_v2,
    encode_v1,
    encode_v2,
    error,
    heartbeat,
    ok,
    pushing,
)
from .inside import topics_of
from .servers import is_of_the_test_runner

__all__ = [
    "Client",
    "Frame",
    "HandshakeRefused",
    "Over",
    "Server",
    "Version",
    "Wire",
    "all_transports",
    "both_transports",
    "both_versions",
    "endpoint_of",
    "error",
    "ok",
    "serve",
]

UNMATCHED: Final = error("unmatched topic")

NEXT: Final[Any] = object()
"""The next ref of a client."""
OWN: Final[Any] = object()
"""The join_ref with which a client has joined the topic."""

Version = Literal["1.0.0", "2.0.0"]


async def _name(params: dict[str, str]) -> str | None:
    return params.get("name")


def endpoint_of(
    channels: Mapping[str, type[Channel[Any, Any]]],
    *,
    lifespan: Any = None,
    debug: bool = False,
    native: bool = True,
    secret_key: str | list[str] | None = None,
    presence: Presence | Sequence[Presence] = (),
    pubsub: str | BusAdapter | None = None,
    messages: Sequence[type] = (),
    move_clients_after: float | None = None,
    store: str | Store | None = None,
    **options: Any,
) -> Endpoint:
    """Return an endpoint with one socket at ``/socket``.

    The assigns and the id of a client are its parameter ``name``, unless ``connect`` or ``id`` is given.
    """
    options = {"connect": _name, "id": lambda name: name, "longpoll": True, **options}
    socket: Socket[Any] = Socket(channels=channels, **options)
    return Endpoint(
        sockets={"/socket": socket},
        lifespan=lifespan,
        debug=debug,
        native=native,
        secret_key=secret_key,
        presence=presence,
        pubsub=pubsub,
        messages=messages,
        move_clients_after=move_clients_after,
        store=store,
    )


both_transports: Final = pytest.mark.parametrize("over", ["native", "asgi"])
"""Runs a test over WebSockets of Bennu's own transport, and of an ASGI server."""
all_transports: Final = pytest.mark.parametrize("over", ["native", "asgi", "longpoll"])
"""Runs a test over WebSockets of both kinds, and over long polling."""
both_versions: Final = pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
"""Runs a test with both versions of the protocol."""


class Client:
    """A client on an open connection.

    Attributes:
        wire: The connection.
        join_refs: The join_ref of each joined topic.
    """

    def __init__(self, wire: AnyWire, version: Version) -> None:
        self.wire = wire
        self.join_refs: dict[Any, Any] = {}
        self._refs = count(1)
        self._is_v1 = version == "1.0.0"
        self._frames: deque[Frame] = deque()

    # To the server. By default a message has the next ref, and the join_ref of the last join of its topic.

    def send(self, join_ref: Any, ref: Any, topic: Any, event: Any, payload: Any = None) -> None:
        """Send any message."""
        frame = pushing(join_ref, ref, topic, event, payload)
        self.wire.send(encode_v1(frame) if self._is_v1 else encode_v2(frame))

    def start_join(
        self, topic: Any, payload: Any = None, *, ref: Any = NEXT, join_ref: Any = OWN
    ) -> str:
        """Send a join; return its ref."""
        ref = self._ref(ref)
        self.join_refs[topic] = ref if join_ref is OWN else join_ref
        return self.push(topic, PHX_JOIN, payload, ref=ref)

    def push(
        self,
        topic: Any,
        event: Any,
        payload: Any = None,
        *,
        ref: Any = NEXT,
        join_ref: Any = OWN,
    ) -> str:
        """Send an event to a channel that was joined; return its ref."""
        sent: str = self._ref(ref)
        own = self.join_refs.get(topic)
        self.send(own if join_ref is OWN else join_ref, sent, topic, event, payload)
        return sent

    def leave(self, topic: Any, *, ref: Any = NEXT, join_ref: Any = OWN) -> str:
        """Send a leave; return its ref."""
        return self.push(topic, PHX_LEAVE, ref=ref, join_ref=join_ref)

    def heartbeat(self, ref: Any = NEXT) -> str:
        """Send a heartbeat; return its ref."""
        sent: str = self._ref(ref)
        self.send(*heartbeat(sent))
        return sent

    def _ref(self, ref: Any) -> Any:
        return str(next(self._refs)) if ref is NEXT else ref

    async def join(self, topic: Any, payload: Any = None, *, within: float | None = None) -> Any:
        """Join, and return the payload of the reply, which must be the next frame."""
        ref = self.start_join(topic, payload)
        return await self._reply(self._seen(ref), ref, topic, within)

    async def call(
        self, topic: Any, event: Any, payload: Any = None, *, within: float | None = None
    ) -> Any:
        """Send an event, and return the payload of the reply, which must be the next frame.

        The reply has the join_ref, but none if the topic is unmatched.
        """
        ref = self.push(topic, event, payload)
        join_ref = self._seen(self.join_refs.get(topic))
        return await self._reply(join_ref, ref, topic, within)

    def _seen(self, join_ref: Any) -> Any:
        """Return a join_ref as a reply has it: V1 has none."""
        return None if self._is_v1 else join_ref

    async def _reply(self, join_ref: Any, ref: Any, topic: Any, within: float | None) -> Any:
        frame = await self.receive(within=within)
        if frame.payload == UNMATCHED:
            join_ref = None
        assert frame[:4] == (join_ref, ref, topic, PHX_REPLY), f"no reply to {ref!r}: {frame}"
        return frame.payload

    # From the server.

    def read(self) -> deque[Frame]:
        """Return the frames that have arrived and were not read."""
        decode = decode_v1 if self._is_v1 else decode_v2
        while self.wire.received:
            self._frames.append(decode(self.wire.received.popleft()))
        return self._frames

    async def receive(self, *, within: float | None = None) -> Frame:
        """Return the next frame.

        Args:
            within: Virtual seconds that can pass; None lets no time pass.
        """
        await self._until(lambda: bool(self.read()), "a frame", within)
        return self._frames.popleft()

    async def expect(self, *frames: Frame, within: float | None = None) -> None:
        """Check that exactly these frames arrive, in this order, and no other frame has arrived.

        In V1 they are expected without their ``join_ref``.
        """
        wanted = [frame._replace(join_ref=self._seen(frame.join_ref)) for frame in frames]
        got: list[Frame] = []
        while len(got) < len(wanted):
            await self._until(lambda: bool(self.read()), f"{wanted[len(got)]} after {got}", within)
            got.append(self._frames.popleft())
        await settle()
        got += self.read()
        self._frames.clear()
        assert got == wanted, "\n".join(("got", *map(str, got), "instead of", *map(str, wanted)))

    async def expect_nothing(self) -> None:
        """Check that no frame has arrived, and none will arrive unless time passes."""
        await self.expect()

    async def closed(self, *, within: float | None = None) -> int | None:
        """Wait until the server closes, and return its code. Unread frames stay."""
        await self._until(lambda: self.wire.code is not None, "the close", within)
        return self.wire.code

    async def _until(self, condition: Any, what: str, within: float | None) -> None:
        loop = running_loop()
        deadline = loop.time() + (within or 0.0)
        while True:
            await settle()
            if condition():
                return
            if loop.time() >= deadline:
                break
            await loop.clock.jump(deadline)
        code = "" if self.wire.code is None else f"; the connection is closed, {self.wire.code}"
        raise AssertionError(f"the server did not send {what}: everything is blocked{code}")

    # The connection.

    def close(self, code: int = 1000) -> None:
        """Close with a close frame."""
        self.wire.close(code)

    def vanish(self) -> None:
        """Drop the connection without a close frame."""
        self.wire.vanish()


class Server:
    """An endpoint that was started.

    Attributes:
        endpoint: The endpoint.
        wires: All connections.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.wires: list[AnyWire] = []
        self.records: list[logging.LogRecord] = []

    async def connect(
        self,
        path: str = "/socket/websocket",
        *,
        params: Mapping[str, str] | None = None,
        version: Version = "2.0.0",
        over: Over = "native",
        headers: Sequence[tuple[str, str]] = (),
        subprotocols: Sequence[str] = (),
        extensions: Sequence[ClientExtensionFactory] = (),
    ) -> Client:
        """Connect a client.

        Raises:
            HandshakeRefused: The answer's status was not 101.
        """
        query = urlencode({**(params or {}), "vsn": version})
        wire = await self.open(
            f"{path}?{query}",
            over=over,
            headers=headers,
            subprotocols=subprotocols,
            extensions=extensions,
        )
        return Client(wire, version)

    async def open(
        self,
        url: str,
        *,
        over: Over = "native",
        headers: Sequence[tuple[str, str]] = (),
        subprotocols: Sequence[str] = (),
        extensions: Sequence[ClientExtensionFactory] = (),
    ) -> AnyWire:
        """Open a connection without a Phoenix client.

        Raises:
            HandshakeRefused: The answer's status was not 101.
        """
        wire = await open_wire(
            self.endpoint,
            url,
            over=over,
            headers=headers,
            subprotocols=subprotocols,
            extensions=extensions,
        )
        self.wires.append(wire)
        return wire

    def logged(self, *texts: str, level: int = logging.ERROR) -> logging.LogRecord:
        """Check that exactly one log line was written that no earlier call has returned, and return it.

        Args:
            texts: Texts in the line.
            level: The level of the line.
        """
        lines = [record.getMessage() for record in self.records]
        assert len(lines) == 1, f"expected one line with {texts}, got {lines}"
        for text in texts:
            assert text in lines[0], f"{text!r} is not in {lines[0]!r}"
        record = self.records.pop()
        assert record.levelno == level, f"{record.levelname}: {lines[0]}"
        return record


class _Recorder(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__(logging.WARNING)
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        if not record.getMessage().startswith("NODE "):  # telemetry reports what happens to nodes
            self._records.append(record)


def is_count(line: str) -> bool:
    """Return whether a line says how many lines were left out."""
    return line.startswith("Not shown: ")


@asynccontextmanager
async def serve(
    endpoint: Endpoint, *, start: bool = True, lossy: bool = False
) -> AsyncIterator[Server]:
    """Start an endpoint, stop it at the end, and check that nothing is left.

    With ``lossy`` the lines about messages that were lost on the bus are expected.
    """
    running_loop()
    before = asyncio.all_tasks()
    server = Server(endpoint)
    recorder = _Recorder(server.records)
    logger = logging.getLogger("bennu")
    logger.addHandler(recorder)
    try:
        if start:
            await endpoint.start()
        yield server
        await endpoint.stop()
        await settle()
    finally:
        logger.removeHandler(recorder)
    left = {task for task in asyncio.all_tasks() - before if not is_of_the_test_runner(task)}
    assert not left, f"tasks were left behind: {left}"
    assert not endpoint.connections, "connections were left behind"
    assert not topics_of(endpoint.pubsub), (
        f"subscriptions were left behind: {topics_of(endpoint.pubsub)}"
    )
    for wire in server.wires:
        assert wire.code is not None, "a client was left connected"
        if isinstance(wire, NativeWire):
            assert not wire.transport.late_writes, "bytes were written after the close"
    lines = [
        line for record in server.records if (line := record.getMessage()) and not is_count(line)
    ]
    if lossy:
        lines = [line for line in lines if not line.startswith("Lost on the bus")]
    assert not lines, f"logged, and not expected: {lines}"
