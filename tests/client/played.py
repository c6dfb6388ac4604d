"""A server that a test plays frame by frame, in memory: for what a client does, and when.

server = PlayedServer()
async with server.client() as client:
    room = client.channel("room:7")
    join = room.join()
    await server.accept("room:7", {"title": "Lobby"})
    assert await join == {"title": "Lobby"}
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from bennu.client import (
    Backoff,
    ChannelState,
    Client,
    Closed,
    ConnectTarget,
    RemoteChannel,
    TransportClosed,
)
from bennu.testing.clock import settle

__all__ = ["EXACT", "PlayedServer", "PlayedTransport", "Sent", "is_in"]

EXACT: dict[str, Any] = {
    "reconnect": Backoff((0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1, 2, 5), jitter=0),
    "rejoin": Backoff((1, 2, 5, 10), jitter=0),
}
"""The schedules without jitter, so that a test knows the times."""


class Sent(NamedTuple):
    """A message that the client sent."""

    join_ref: Any
    ref: Any
    topic: str
    event: str
    payload: Any


class PlayedTransport:
    """The client's end of one connection."""

    def __init__(self, *, beats: bool = True, vsn: str = "2.0.0") -> None:
        self.beats = beats
        self._is_v1 = vsn == "1.0.0"
        self.sent: list[Sent] = []
        self.binary: list[bytes] = []
        self.closed: Closed | None = None
        self._messages: deque[str | bytes] = deque()
        self._arrived = asyncio.Event()

    # The client's side.

    def send(self, data: str | bytes) -> None:
        """Take a message."""
        if isinstance(data, bytes):
            self.binary.append(data)
        elif self._is_v1:
            self.sent.append(Sent(**json.loads(data)))
        else:
            self.sent.append(Sent(*json.loads(data)))

    async def receive(self) -> str | bytes:
        """Return what the test plays."""
        while not self._messages:
            if self.closed is not None:
                raise TransportClosed(self.closed)
            await self._arrived.wait()
            self._arrived.clear()
        return self._messages.popleft()

    def drop(self, code: int, reason: str) -> None:
        """End."""
        self.end(code, reason)

    async def close(self, code: int, reason: str) -> None:
        """End."""
        self.end(code, reason)

    # The test's side.

    def play(self, *message: Any) -> None:
        """Send a message: its five parts; or bytes."""
        alone = message[0]
        given: Any = Sent(*message)._asdict() if self._is_v1 else message
        self._messages.append(alone if isinstance(alone, bytes) else json.dumps(given))
        self._arrived.set()

    def play_text(self, text: str) -> None:
        """Send a text."""
        self._messages.append(text)
        self._arrived.set()

    def end(self, code: int = 1006, reason: str = "") -> None:
        """End the connection."""
        if self.closed is None:
            self.closed = Closed(code, reason)
            self._arrived.set()


def is_in(room: RemoteChannel, state: ChannelState) -> bool:
    """Return whether a channel is in a state. (A type checker takes a state for one that stays.)"""
    return room.state is state


class PlayedServer:
    """Accepts connections, or refuses them.

    Attributes:
        transports: All connections, in order.
        targets: Where the client has connected, each time.
        failures: What the next connects raise; None accepts one. After the last one all are accepted.
    """

    def __init__(self, *, beats: bool = True, vsn: str = "2.0.0") -> None:
        self._vsn = vsn
        self.transports: list[PlayedTransport] = []
        self.targets: list[ConnectTarget] = []
        self.failures: deque[Exception | None] = deque()
        self.times: list[float] = []
        self._beats = beats
        self._replied: set[tuple[int, Any]] = set()

    async def open(self, target: ConnectTarget) -> PlayedTransport:
        """Accept a connection."""
        self.targets.append(target)
        self.times.append(asyncio.get_running_loop().time())
        failure = self.failures.popleft() if self.failures else None
        if failure is not None:
            raise failure
        transport = PlayedTransport(beats=self._beats, vsn=self._vsn)
        self.transports.append(transport)
        return transport

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[Client]:
        """Return a client that is connected."""
        async with Client(
            "ws://played/socket", **{"transport": self.open, **EXACT, **options}
        ) as client:
            yield client

    @property
    def now(self) -> PlayedTransport:
        """The present connection."""
        return self.transports[-1]

    @property
    def sent(self) -> list[Sent]:
        """What the client sent on the present connection, without heartbeats."""
        return [one for one in self.now.sent if one.topic != "phoenix"]

    def last(self, event: str) -> Sent:
        """Return the last message with an event on the present connection."""
        return [one for one in self.now.sent if one.event == event][-1]

    def reply(self, sent: Any, response: Any = None, status: str = "ok") -> None:
        """Reply to a message."""
        payload = {"status": status, "response": {} if response is None else response}
        self.now.play(sent.join_ref, sent.ref, sent.topic, "phx_reply", payload)

    async def accept(self, response: Any = None, status: str = "ok") -> Sent:
        """Reply to the last join, and wait until the client has taken it."""
        await settle()
        join = self.last("phx_join")
        self.reply(join, response, status)
        await settle()
        return join
