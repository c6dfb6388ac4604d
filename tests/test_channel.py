"""Channels as users write them: what a channel sends, receives and keeps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from msgspec import Struct

from bennu import Broadcast, Channel, Stop, on, on_info, on_out
from bennu.testing.clock import advance, settle

from .support.frames import broadcast, closed, crashed, error, ok, push
from .support.memory import Client, Over, Version, all_transports, both_versions, endpoint_of, serve
from .support.payloads import Point

CRASH = {"reason": "channel_crash"}


# Messages that a channel sends.


class Speaking(Channel[Any]):
    """Each event makes the channel call one of its methods that send."""

    @on("say")
    async def say(self, payload: dict[str, str]) -> None:
        method = getattr(self, payload["how"])
        await method("said", {"a": 1})

    @on("say_nothing")
    async def say_nothing(self, payload: dict[str, str]) -> None:
        await getattr(self, payload["how"])("said")

    @on("say_binary")
    async def say_binary(self, payload: dict[str, str]) -> None:
        await getattr(self, payload["how"])("said", b"\x07")


async def three(server: Any, over: Over, version: Version) -> tuple[Client, Client, Client]:
    """Connect two clients of one topic, and one client of another topic."""
    one, two, three = [await server.connect(over=over, version=version) for _ in range(3)]
    await one.join("room:1")
    await two.join("room:1")
    await three.join("room:2")
    return one, two, three


@all_transports
@both_versions
@pytest.mark.conformance("CS001", "CS002", "CS003", "CS004", "CS007", "CS028", "CS029")
@pytest.mark.parametrize("how", ["broadcast", "local_broadcast", "broadcast_from", "push"])
async def test_who_hears_what_a_channel_says(how: str, over: Over, version: Version) -> None:
    """A push goes to its client, a broadcast to the whole topic, and broadcast_from to all others in the topic."""
    async with serve(endpoint_of({"room:*": Speaking})) as server:
        client, other, outsider = await three(server, over, version)
        for event, payload in (("say", {"a": 1}), ("say_nothing", {})):
            client.push("room:1", event, {"how": how})
            pushed = push("1", "room:1", "said", payload)
            heard = broadcast("room:1", "said", payload)
            own = [pushed] if how == "push" else [] if how == "broadcast_from" else [heard]
            await client.expect(*own)
            await other.expect(*([] if how == "push" else [heard]))
        await outsider.expect_nothing()


async def test_local_broadcast_from() -> None:
    """``local_broadcast_from`` goes to all other clients on this node."""
    async with serve(endpoint_of({"room:*": Speaking})) as server:
        client, other, outsider = await three(server, "native", "2.0.0")
        client.push("room:1", "say", {"how": "local_broadcast_from"})
        await other.expect(broadcast("room:1", "said", {"a": 1}))
        await client.expect_nothing()
        await outsider.expect_nothing()


async def test_binary_broadcasts_and_clients_that_cannot_take_them() -> None:
    """A binary broadcast is not sent to a V1 client, which is logged. All other clients get it."""
    async with serve(endpoint_of({"room:*": Speaking})) as server:
        new, old = await server.connect(), await server.connect(version="1.0.0")
        await new.join("room:1")
        await old.join("room:1")
        new.push("room:1", "say_binary", {"how": "broadcast"})
        await new.expect(broadcast("room:1", "said", b"\x07"))
        await old.expect_nothing()
        server.logged("'said' on 'room:1'", "1 client(s) that speak V1 JSON", level=30)


async def test_a_binary_push_to_a_client_that_cannot_take_it_crashes_the_channel() -> None:
    """A binary push to a V1 client crashes the channel, as in Phoenix: the channel knows its client."""
    async with serve(endpoint_of({"room:*": Speaking})) as server:
        old = await server.connect(version="1.0.0")
        await old.join("room:1")
        old.push("room:1", "say_binary", {"how": "push"})
        await old.expect(crashed("1", "room:1"))
        server.logged("crashed in say_binary")


# Intercepted broadcasts.


@pytest.mark.conformance("WS005", "WS053", "CS031")
async def test_an_intercepted_broadcast_is_what_the_channel_makes_of_it() -> None:
    """A channel can change or drop an intercepted broadcast, or end. Other events of the topic are not intercepted."""

    class Room(Channel[Any]):
        reasons: tuple[Any, ...] = ()

        @on_out("news")
        async def news(self, payload: dict[str, Any]) -> None:
            if payload.get("stop"):
                raise Stop("shutdown")
            if self.assigns not in payload.get("not_for", []):
                await self.push("news", {**payload, "over": self.connection.transport})

        async def terminate(self, reason: Any) -> None:
            Room.reasons = (*Room.reasons, reason)

    async with serve(endpoint_of({"room": Room})) as server:
        ann, bob = [await server.connect(params={"name": name}) for name in ("ann", "bob")]
        await ann.join("room")
        await bob.join("room")
        await server.endpoint.broadcast("room", "news", {"n": 1, "not_for": ["bob"]})
        await server.endpoint.broadcast("room", "other", {})
        await bob.expect(broadcast("room", "other", {}))
        frames = {tuple(await ann.receive())[3] for _ in range(2)}
        assert frames == {"news", "other"}
        await server.endpoint.broadcast("room", "news", {"n": 2})
        pushed = push("1", "room", "news", {"n": 2, "over": "websocket"})
        await ann.expect(pushed)
        await bob.expect(pushed)
        await server.endpoint.broadcast("room", "news", {"stop": True})
        await ann.expect(closed("1", "room"))
        await bob.expect(closed("1", "room"))
        assert Room.reasons == ("shutdown", "shutdown")


async def test_an_intercepted_broadcast_keeps_its_payload_as_it_was_sent() -> None:
    """On the sending node, the payload of an intercepted broadcast is not encoded before the channel gets it."""
    seen: list[Any] = []

    class Room(Channel[Any]):
        @on("news_from")
        async def news_from(self) -> None:
            await self.broadcast_from("news", Point(3, 4))

        @on_out("news")
        async def news(self, payload: Point) -> None:
            seen.append((self.assigns, payload))

    async with serve(endpoint_of({"room": Room})) as server:
        ann, bob = [await server.connect(params={"name": name}) for name in ("ann", "bob")]
        await ann.join("room")
        await bob.join("room")
        ann.push("room", "news_from")
        await settle()
        assert seen == [("bob", Point(3, 4))]
        await ann.expect_nothing()


# Messages of the server.


class Tick(Struct, frozen=True):
    n: int


class Late(Tick, frozen=True):
    pass


class Listening(Channel[Any]):
    """Handles ticks, broadcasts, and any other message."""

    async def after_join(self) -> None:
        self.subscribe("prices")

    @on_info(Tick)
    async def tick(self, tick: Tick) -> None:
        if tick.n < 0:
            raise Stop("shutdown")
        await self.push("tick", {"n": tick.n})
        await self.broadcast_from("ticked", {})

    @on_info(Broadcast)
    async def price(self, broadcast: Broadcast) -> None:
        await self.push("price", {"of": broadcast.topic, **broadcast.payload})

    @on_info(object)
    async def rest(self, message: object) -> None:
        await self.push("rest", {"is": repr(message)})

    @on("start")
    async def begin(self) -> None:
        self.send_self(Tick(1))
        self.send_after(2, Late(2))
        self.send_every(3, 7.5)

    @on("stop")
    async def end(self) -> None:
        self.send_self(Tick(-1))


@pytest.mark.conformance("CS032", "CS033", "CS034", "CS043")
async def test_messages_of_the_server() -> None:
    """Each message goes to the handler of its nearest type: a subclass to the handler of its base class."""
    async with serve(endpoint_of({"room": Listening})) as server:
        client, other = await server.connect(), await server.connect()
        await client.join("room")
        await other.join("room")
        client.push("room", "start")
        await client.expect(push("1", "room", "tick", {"n": 1}))
        await other.expect(broadcast("room", "ticked", {}))
        await advance(2)
        await client.expect(push("1", "room", "tick", {"n": 2}))
        await server.endpoint.broadcast("prices", "changed", {"cents": 5})
        await server.endpoint.pubsub.broadcast("prices", ("a", "tuple"))
        await client.expect(
            push("1", "room", "price", {"of": "prices", "cents": 5}),
            push("1", "room", "rest", {"is": "('a', 'tuple')"}),
        )
        await advance(1)
        await client.expect(push("1", "room", "rest", {"is": "7.5"}))
        client.push("room", "stop")
        await client.expect(closed("1", "room"))
        await advance(9)
        await client.expect_nothing()
        other.read().clear()


# State of a channel.


@dataclass(frozen=True)
class User:
    name: str
    admin: bool = False


async def test_assigns_are_one_object_until_a_channel_rebinds_them() -> None:
    """If a channel rebinds its assigns, neither other channels of the connection nor the next join see the change."""

    class Room(Channel[User]):
        count = 0

        @on("promote")
        async def promote(self) -> bool:
            self.assigns = replace(self.assigns, admin=True)
            self.count += 1
            return self.assigns.admin

        @on("state")
        async def state_of_it(self) -> Any:
            return [self.assigns.name, self.assigns.admin, self.count]

    async def connect(params: dict[str, str]) -> User:
        return User(params["name"])

    endpoint = endpoint_of({"room:*": Room}, connect=connect, id=lambda user: user.name)
    async with serve(endpoint) as server:
        client = await server.connect(params={"name": "ann"})
        await client.join("room:1")
        await client.join("room:2")
        assert await client.call("room:1", "promote") == ok(True)
        assert await client.call("room:1", "state") == ok(["ann", True, 1])
        assert await client.call("room:2", "state") == ok(["ann", False, 0])
        client.start_join("room:1")
        await settle()
        client.read().clear()
        assert await client.call("room:1", "state") == ok(["ann", False, 0])


async def test_topic_parameters_are_typed_attributes() -> None:
    """A topic matches only in its canonical form. Else the next pattern is tried, and at last none matches."""

    class Numbered(Channel[Any]):
        room_id: int

        async def join(self) -> Any:
            return ["number", self.room_id]

    class Named(Channel[Any]):
        name: str
        rest: str

        async def join(self) -> Any:
            return ["name", self.name, self.rest]

    channels = {"room:{room_id}": Numbered, "room:{name}:{rest:path}": Named}
    async with serve(endpoint_of(channels)) as server:
        client = await server.connect()
        assert await client.join("room:7") == ok(["number", 7])
        assert await client.join("room:-7") == ok(["number", -7])
        assert await client.join("room:a:b:c") == ok(["name", "a", "b:c"])
        for topic in ("room:007", "room:+7", "room:", "room:x"):
            assert await client.join(topic) == error("unmatched topic")
            server.logged(repr(topic), level=30)
