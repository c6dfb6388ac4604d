"""A channel gets copies of messages, so no change is seen elsewhere; and ids and reserved events can't be forged."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from bennu import Broadcast, Channel, Ok, ReservedEvent, on, on_info, on_out
from bennu.testing.clock import settle

from .support.frames import PHX_CLOSE, PHX_ERROR, PHX_REPLY, error, ok, push
from .support.memory import Over, all_transports, endpoint_of, serve


class Note(Struct):
    """A typed message of server code."""

    lines: list[str]


class Room(Channel[Any]):
    """Each of its channels changes every message that it gets."""

    async def after_join(self) -> None:
        self.subscribe("news")

    @on("say")
    async def say(self) -> None:
        message: dict[str, Any] = {"text": "hi", "seen_by": []}
        await self.broadcast("said", message)
        await self.endpoint.broadcast("news", "news", message)
        message["text"] = "changed"
        message["seen_by"].append("the sender")

    @on_out("said")
    async def said(self, payload: dict[str, Any]) -> None:
        payload["seen_by"].append(self.topic)
        await self.push("said", payload)

    @on_info(Broadcast)
    async def news(self, news: Broadcast) -> None:
        news.payload["seen_by"].append("news")
        await self.push("news", news.payload)

    @on_info(Note)
    async def note(self, note: Note) -> None:
        note.lines.append("read")
        await self.push("note", {"lines": note.lines})


async def test_every_channel_and_listener_gets_a_payload_of_its_own() -> None:
    """``@on_out``, ``@on_info`` and a listener each get their own payload. The sender's object stays unchanged."""
    async with serve(endpoint_of({"room": Room})) as server:
        clients = [await server.connect() for _ in range(3)]
        for client in clients:
            await client.join("room")
        heard: list[Any] = []

        def listen(message: Any) -> None:
            message.payload["seen_by"].append("a listener")
            heard.append(message.payload)

        listening = [server.endpoint.pubsub.subscribe("news", listen) for _ in range(2)]
        clients[0].push("room", "say")
        await settle()

        for client in clients:
            await client.expect(
                push("1", "room", "said", {"text": "hi", "seen_by": ["room"]}),
                push("1", "room", "news", {"text": "hi", "seen_by": ["news"]}),
            )
        assert heard == [{"text": "hi", "seen_by": ["a listener"]}] * 2
        for subscription in listening:
            subscription.cancel()


async def test_a_typed_message_is_copied_too() -> None:
    """A typed message is copied too: the sender's object stays unchanged."""
    async with serve(endpoint_of({"room": Room})) as server:
        clients = [await server.connect() for _ in range(2)]
        for client in clients:
            await client.join("room")
        note = Note(["first"])
        await server.endpoint.pubsub.broadcast("news", note)
        await settle()

        for client in clients:
            await client.expect(push("1", "room", "note", {"lines": ["first", "read"]}))
        assert note.lines == ["first"]


class Free(Channel[Any]):
    """Broadcasts to the topic that its client names, as a careless application does."""

    async def handle_in(self, event: str, payload: Any) -> Ok:
        await self.broadcast(event, payload)
        return Ok()


@all_transports
async def test_no_topic_reaches_an_id(over: Over) -> None:
    """A client that joins a topic with the name of an id gets no messages of that id."""
    async with serve(endpoint_of({"*": Free})) as server:
        ann = await server.connect(params={"name": "ann"}, over=over)
        bob = await server.connect(over=over)
        await bob.join("ann")
        bob.push("ann", "disconnect")
        await server.endpoint.broadcast("ann", "disconnect")
        await server.endpoint.local_broadcast("ann", "disconnect")

        assert await ann.join("room") == ok()


@pytest.mark.parametrize("event", [PHX_REPLY, PHX_CLOSE, PHX_ERROR, "phx_", "phx_mine"])
async def test_a_clients_event_of_the_protocol_reaches_no_handler(event: str) -> None:
    """A client's event that begins with ``phx_`` is answered as unknown, and no handler or listener gets it."""
    async with serve(endpoint_of({"*": Free})) as server:
        client, other = await server.connect(), await server.connect()
        await client.join("room")
        await other.join("room")

        assert await client.call("room", event) == error({"reason": "unknown_event"})
        await other.expect_nothing()


@pytest.mark.parametrize(
    "method",
    ["push", "broadcast", "broadcast_from", "local_broadcast", "local_broadcast_from"],
)
async def test_an_event_of_the_protocol_cannot_be_sent(method: str) -> None:
    """No method of a channel or an endpoint sends an event that begins with ``phx_``; the error says what to write."""
    raised: list[Exception] = []

    class Forger(Channel[Any]):
        @on("forge")
        async def forge(self) -> Ok:
            for event in (PHX_REPLY, 7):
                try:
                    await getattr(self, method)(event, {})
                except (ReservedEvent, TypeError) as error:
                    raised.append(error)
            return Ok()

    async with serve(endpoint_of({"room": Forger})) as server:
        client = await server.connect()
        await client.join("room")
        assert await client.call("room", "forge") == ok()
        if method != "push":
            arguments = ("room",) if "from" not in method else (object(), "room")
            with pytest.raises(ReservedEvent):
                await getattr(server.endpoint, method)(*arguments, PHX_CLOSE, {})
        await client.expect_nothing()

    reserved, no_text = raised
    assert "raise Stop()" in str(reserved)
    assert str(no_text) == "an event is text, got 7"


async def test_an_id_is_text() -> None:
    """An id that is a number is refused: it would match no connection, without any error."""
    async with serve(endpoint_of({})) as server:
        with pytest.raises(TypeError, match=r'write endpoint\.disconnect\("users:7"\)'):
            await server.endpoint.disconnect(7)  # type: ignore[arg-type]
