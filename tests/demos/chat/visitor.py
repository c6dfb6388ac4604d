"""A client of the chat, over a real socket, frame by frame.

It skips presence messages, because their time is not fixed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from tests.support.frames import Frame, error, ok
from tests.support.servers import Server
from tests.support.wire import Phoenix, broadcast, connect, push, reply

__all__ = ["Visitor", "visit"]

LOBBY = "room:lobby"
ROOMS = "rooms"

KEYS = count(1)


class Visitor:
    """A client of the chat.

    Attributes:
        client: The connection.
        name: The name of the person.
    """

    def __init__(self, client: Phoenix, name: str) -> None:
        self.client = client
        self.name = name
        self._refs = count(1)
        self._join_refs: dict[str, str] = {}

    async def enter(self, topic: str = LOBBY, *, recovery: Any = None) -> Any:
        """Join a topic, and return the server's response; for the list of rooms, return what is pushed after it."""
        answer = await self.try_to_enter(topic, recovery=recovery)
        assert answer["status"] == "ok", answer
        if topic != ROOMS:
            return answer["response"]
        listed = await self.receive()
        assert listed == push(self._join_refs[topic], topic, "rooms", listed.payload)
        return listed.payload

    async def try_to_enter(self, topic: str, *, recovery: Any = None) -> Any:
        """Join a topic, and return the payload of the reply.

        Args:
            topic: The topic.
            recovery: What the client says of its position, as bennu.mjs does; None is a stock client.
        """
        ref = self._join_refs[topic] = f"j{next(self._refs)}"
        payload = {} if recovery is None else {"recovery": recovery}
        await self.client.send(ref, ref, topic, "phx_join", payload)
        answer = await self.receive()
        assert answer == reply(ref, ref, topic, answer.payload)
        return answer.payload

    async def messages(self, topic: str = LOBBY, *, before: int | None = None) -> Any:
        """Load the newest messages of a room, or the newest before an id."""
        asked = ("latest", None) if before is None else ("older", {"before": before})
        answer = await self.call(*asked, topic=topic)
        assert answer["status"] == "ok", answer
        return answer["response"]["messages"]

    async def leave(self, topic: str = LOBBY) -> None:
        """Leave a topic, and wait for the server's close."""
        ref = await self.push("phx_leave", topic=topic)
        join_ref = self._join_refs.pop(topic)
        assert await self.receive() == reply(join_ref, ref, topic, ok())
        assert await self.receive() == Frame(join_ref, join_ref, topic, "phx_close", {})

    async def receive(self) -> Frame:
        """Return the next frame that is no presence message."""
        while True:
            frame = await self.client.receive()
            if not frame.event.startswith("presence_"):
                return frame

    async def push(self, event: str, payload: Any = None, *, topic: str = LOBBY) -> str:
        """Send an event, and return its ref."""
        ref = f"p{next(self._refs)}"
        await self.client.send(self._join_refs[topic], ref, topic, event, payload)
        return ref

    async def call(self, event: str, payload: Any = None, *, topic: str = LOBBY) -> Any:
        """Send an event, and return the payload of its reply, which must be the next frame."""
        ref = await self.push(event, payload, topic=topic)
        answer = await self.receive()
        assert answer[:4] == (self._join_refs[topic], ref, topic, "phx_reply"), answer
        return answer.payload

    async def hears(self, event: str, *, topic: str = LOBBY) -> Any:
        """Return the payload of the next frame, which must be a broadcast of this event."""
        frame = await self.receive()
        assert frame == broadcast(topic, event, frame.payload), f"no {event}: {frame}"
        return frame.payload

    async def hears_nothing(self) -> None:
        """Check that no other frame was sent: the answer to a heartbeat must be the next frame."""
        ref = f"beat-{next(self._refs)}"
        await self.client.send(None, ref, "phoenix", "heartbeat")
        assert await self.receive() == reply(None, ref, "phoenix", ok())

    async def says(self, body: str, *, topic: str = LOBBY, key: str | None = None) -> Any:
        """Send a message, check its broadcast and then its reply, and return the broadcast."""
        message = {"body": body, "key": key or new_key()}
        ref = await self.push("message", message, topic=topic)
        told = await self.hears("message", topic=topic)
        answer = reply(self._join_refs[topic], ref, topic, ok({"id": told["id"]}))
        assert await self.receive() == answer
        return told

    async def talks(self, count: int) -> list[Any]:
        """Send this number of messages at once, check each broadcast and reply, and return the broadcasts."""
        for number in range(count):
            await self.push("message", {"body": str(number), "key": new_key()})
        told = []
        for _ in range(count):
            told.append(await self.hears("message"))
            assert (await self.receive()).payload == ok({"id": told[-1]["id"]})
        assert [message["body"] for message in told] == [str(number) for number in range(count)]
        return told

    async def follows(self, count: int) -> list[Any]:
        """Join a room and load its messages, as the page does, until there are so many; return them."""
        await self.enter(recovery={})
        ref = await self.push("latest")
        loaded: list[Any] = []
        heard: list[Any] = []
        is_loaded = False
        while not is_loaded or len(loaded) < count:
            frame = await self.receive()
            if frame.ref == ref:
                is_loaded = True
                loaded = frame.payload["response"]["messages"]
            else:
                assert (frame.topic, frame.event) == (LOBBY, "message")
                heard.append(frame.payload)
            while is_loaded and heard:
                message = heard.pop(0)
                if not loaded or message["id"] > loaded[-1]["id"]:
                    loaded.append(message)
        return loaded

    async def is_refused(
        self, reason: str, event: str, payload: Any = None, *, topic: str = LOBBY
    ) -> None:
        """Send an event, and check that it is refused."""
        assert await self.call(event, payload, topic=topic) == error(reason)


def new_key() -> str:
    """Return a key that no other message has."""
    return f"key-of-message-{next(KEYS):08}"


@asynccontextmanager
async def visit(server: Server, name: str, *topics: str) -> AsyncIterator[Visitor]:
    """Connect with a name, and join topics; the connection is closed at the end."""
    async with connect(server, params={"name": name}) as client:
        visitor = Visitor(client, name)
        for topic in topics:
            await visitor.enter(topic)
        yield visitor
