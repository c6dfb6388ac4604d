"""Clients of the nodes, over WebSockets and by polling."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from websockets.asyncio.client import ClientConnection

from bennu.testing.polling import Browser
from tests.support.frames import PHX_CLOSE, Frame

from ..presence.rooms import plain
from ..support.js_presence import JSPresence
from ..support.wire import V1, V2, Phoenix, connect
from .nodes import Node, RoundRobin

__all__ = ["V1", "V2", "Follower", "Member", "PollEnded", "enter", "poll"]


class PollEnded(Exception):
    """A session of polling has ended.

    Attributes:
        status: The status of the answer.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class PolledSocket:
    """A session of polling, with the methods of a WebSocket that :class:`Phoenix` uses.

    Args:
        browser: Sends the requests.
        token: The token of the session.
    """

    def __init__(self, browser: Browser, token: str) -> None:
        self.browser = browser
        self.token = token
        self._received: deque[str] = deque()

    async def send(self, data: str | bytes) -> None:
        """Post a message; it is handled, or waits for its handler, when this returns."""
        body = await self.browser.post(self.token, data)
        if body["status"] != 200:
            raise PollEnded(body["status"])

    async def recv(self) -> str:
        """Poll until there is a message."""
        while not self._received:
            body = (await self.browser.get(self.token)).body
            if body["status"] not in (200, 204):
                raise PollEnded(body["status"])
            self._received.extend(body.get("messages", ()))
        return self._received.popleft()


class Member:
    """A client in a topic.

    Attributes:
        client: The client.
        topic: The topic.
        response: The response to its join.
    """

    def __init__(self, client: Phoenix, topic: str) -> None:
        self.client = client
        self.topic = topic
        self.response: Any = None
        self._waiting: deque[Frame] = deque()

    @property
    def node(self) -> str:
        """The name of the node, in a room."""
        name: str = self.response["node"]
        return name

    async def join(self, payload: Any = None) -> None:
        """Join the topic."""
        answer = await self.client.join(self.topic, payload)
        assert answer["status"] == "ok", answer
        self.response = answer["response"]

    async def cast(self, event: str, payload: Any = None) -> None:
        """Send an event without waiting for a reply."""
        await self.client.push(self.topic, event, payload)

    async def call(self, event: str, payload: Any = None) -> Any:
        """Send an event; return the response. Other messages before it wait for :meth:`next`."""
        ref = await self.client.push(self.topic, event, payload)
        while True:
            frame = await self.client.receive()
            if frame.ref == ref:
                assert frame.payload["status"] == "ok", frame
                return frame.payload["response"]
            self._waiting.append(frame)

    async def next(self) -> Frame:
        """Return the next message."""
        return self._waiting.popleft() if self._waiting else await self.client.receive()

    async def hears(self, *expected: tuple[str, Any]) -> None:
        """Check that the next messages of the topic are exactly these: events and payloads, without refs."""
        for event, payload in expected:
            frame = await self.next()
            assert frame[2:] == (self.topic, event, payload), (
                f"expected {event}, {payload}: {frame}"
            )
            assert frame.ref is None

    async def hears_nothing(self) -> None:
        """Check that no other message was sent up to now by this node."""
        assert not self._waiting
        await self.client.expect_silence()

    async def leave(self) -> None:
        """Leave the topic, and wait for the end of the channel."""
        await self.client.leave(self.topic)
        while (await self.next()).event != PHX_CLOSE:
            pass


class Follower(Member):
    """A client that follows who is here, as phoenix.js does."""

    def __init__(self, client: Phoenix, topic: str) -> None:
        super().__init__(client, topic)
        self.presence = JSPresence()

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Follow events until the list of this client meets a condition."""
        while not condition(self.devices):
            frame = await self.next()
            self.presence.receive(frame.event, frame.payload)

    @property
    def devices(self) -> dict[str, list[str]]:
        """The users, each with its devices in order."""
        return {
            key: sorted(meta["device"] for meta in metas)
            for key, metas in plain(self.presence.state).items()
        }

    async def sees(self, **devices: list[str]) -> None:
        """Wait until the list has exactly these users and devices. The list of the server must be the same."""
        await self.until(lambda state: state == devices)
        listed = await self.call("list")
        assert {
            key: sorted(meta["device"] for meta in metas) for key, metas in plain(listed).items()
        } == devices

    @property
    def left(self) -> list[str]:
        """The users that have left so far, once for each time."""
        return [key for key, _ in self.presence.leaves]


@asynccontextmanager
async def enter(
    node: Node,
    topic: str,
    name: str = "somebody",
    *,
    vsn: str = V2,
    expires: float | None = None,
    payload: Any = None,
) -> AsyncIterator[Member]:
    """Connect over a WebSocket, and join a topic."""
    params = {"name": name} if expires is None else {"name": name, "expires": str(expires)}
    async with connect(node.server, vsn=vsn, params=params) as client:
        member = Member(client, topic)
        await member.join(payload)
        yield member


@asynccontextmanager
async def follow(
    node: Node, topic: str, name: str = "somebody", device: str | None = None
) -> AsyncIterator[Follower]:
    """Connect over a WebSocket, and join a topic with presences. Without a device, the client is not listed."""
    async with connect(node.server, params={"name": name}) as client:
        follower = Follower(client, topic)
        await follower.join({} if device is None else {"device": device})
        yield follower


def browser_of(nodes: RoundRobin, name: str, vsn: str = V2) -> Browser:
    """Return a browser that polls."""
    return Browser(nodes, vsn=vsn, params={"name": name})


async def poll(
    nodes: RoundRobin, topic: str, name: str = "somebody", *, vsn: str = V2, payload: Any = None
) -> Member:
    """Begin a session of polling, and join a topic."""
    browser = browser_of(nodes, name, vsn)
    websocket = PolledSocket(browser, await browser.begin())
    member = Member(Phoenix(cast("ClientConnection", websocket), vsn), topic)
    await member.join(payload)
    return member
