"""Channels and clients for the tests of presence."""

from __future__ import annotations

from typing import Any, ClassVar

from bennu import Channel, Endpoint, Presence, on
from bennu.testing.clock import advance, settle

from ..support.js_presence import JSPresence
from ..support.memory import Client, Server, endpoint_of

__all__ = ["Member", "Present", "ann_and_bob", "enter", "example", "plain"]


class Present(Channel[Any]):
    """Tracks its user under the name of the connection, and pushes the state.

    A client that joins with ``{"watch": true}`` only watches.
    """

    presence: ClassVar[Presence]

    async def join(self, payload: dict[str, Any]) -> None:
        self.watches = payload.get("watch", False)

    async def after_join(self) -> None:
        if not self.watches:
            await self.presence.track(self, self.assigns, {"n": 1})
        await self.presence.push_state(self)

    @on("track")
    async def track(self, payload: dict[str, Any]) -> str:
        return await self.presence.track(self, payload["key"], payload.get("meta"))

    @on("update")
    async def update(self, payload: dict[str, Any]) -> str:
        return await self.presence.update(self, payload["key"], payload["meta"])

    @on("untrack")
    async def untrack(self, payload: dict[str, Any]) -> dict[str, Any]:
        await self.presence.untrack(self, payload.get("key"))
        return {}

    @on("state")
    async def state_again(self) -> None:
        await self.presence.push_state(self)

    @on("crash")
    async def crash(self) -> None:
        raise ZeroDivisionError("in a handler")


def example(presence: Presence, channel: type[Present] = Present, **options: Any) -> Endpoint:
    """Return an endpoint with rooms that track their members."""
    present = type("Room", (channel,), {"presence": presence})
    return endpoint_of({"room:*": present}, presence=presence, **options)


class Member:
    """A client in a room that follows who is here, as the stock client does.

    Attributes:
        client: The client.
        list: What it believes.
    """

    def __init__(self, client: Client, topic: str) -> None:
        self.client = client
        self.topic = topic
        self.list = JSPresence()

    async def news(self) -> list[tuple[str, Any]]:
        """Wait until the loop is idle; return the events that came, and apply them to the list."""
        await settle()
        events = [
            (frame.event, frame.payload)
            for frame in self.client.read()
            if frame.topic == self.topic and frame.event.startswith("presence_")
        ]
        self.client.read().clear()
        for event, payload in events:
            self.list.receive(event, payload)
        return events

    async def sees(self) -> dict[str, Any]:
        """Apply the events that came; return the list without refs."""
        await self.news()
        return plain(self.list.state)

    async def call(self, event: str, payload: Any = None) -> Any:
        """Send an event; return the response, and apply the events that came before it."""
        await self.news()
        ref = self.client.push(self.topic, event, payload)
        await settle()
        frames = list(self.client.read())
        self.client.read().clear()
        reply: Any = None
        for frame in frames:
            if frame.ref == ref:
                reply = frame.payload
            else:
                self.list.receive(frame.event, frame.payload)
        assert reply is not None, frames
        return reply


async def enter(
    server: Server, name: str, topic: str = "room:1", *, watch: bool = False, **options: Any
) -> Member:
    """Connect a user, and join a room."""
    client = await server.connect(params={"name": name}, **options)
    reply = await client.join(topic, {"watch": watch})
    assert reply["status"] == "ok", reply
    return Member(client, topic)


async def ann_and_bob(server: Server) -> tuple[Member, Member]:
    """Connect Ann and Bob, join a room, and wait until Ann has both in her list."""
    ann = await enter(server, "ann")
    await ann.news()
    bob = await enter(server, "bob")
    await advance(1)
    await ann.news()
    return ann, bob


def plain(state: dict[str, Any]) -> dict[str, Any]:
    """Return the metas of each key without their refs."""
    return {
        key: [
            {name: item for name, item in meta.items() if not name.startswith("phx_ref")}
            for meta in value["metas"]
        ]
        for key, value in state.items()
    }
