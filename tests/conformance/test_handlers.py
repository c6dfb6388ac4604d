"""What handlers do for their client and for the topic, one behaviour of Phoenix's after another."""

from __future__ import annotations

from typing import Any

import pytest

from bennu import Broadcast, Channel, Error, Ok, Reply, Stop, on, on_info, on_out
from tests.support.memory import Over, Version, endpoint_of, error, ok, serve

both_transports = pytest.mark.parametrize("over", ["native", "asgi"])
both_versions = pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])

STATUSES: dict[str, tuple[Any, Any]] = {
    "ok": (Ok(), ok()),
    "error": (Error(), error({})),
    "custom": (Reply("custom"), {"status": "custom", "response": {}}),
}
RESPONSES: dict[str, tuple[Any, Any]] = {
    "value": ({"a": 1}, ok({"a": 1})),
    "ok with": (Ok({"a": 1}), ok({"a": 1})),
    "error with": (Error({"a": 1}), error({"a": 1})),
    "custom with": (Reply("custom", {"a": 1}), {"status": "custom", "response": {"a": 1}}),
}
REPLIES = STATUSES | RESPONSES

LISTS = {"items": [{"a": 1, "b": [{"c": None}, {}]}, {}, {"d": "é"}]}


class Tick:
    """A message of the server's."""


class Room(Channel[Any]):
    """Each event does one thing."""

    @on("push")
    async def pushes(self, payload: Any) -> None:
        await self.push("pushed", payload)

    @on("reply")
    async def reply(self, kind: str) -> Any:
        return REPLIES[kind][0]

    @on("echo")
    async def echo(self, payload: dict[str, Any]) -> dict[str, Any]:
        return payload

    @on("shout")
    async def shout(self, payload: Any) -> None:
        await self.broadcast("shouted", payload)

    @on("tell")
    async def tell(self, payload: Any) -> None:
        await self.broadcast_from("told", payload)

    @on("tick")
    async def tick(self) -> None:
        self.send_self(Tick())

    @on_info(Tick)
    async def ticked(self, tick: Tick) -> None:
        await self.push("ticked", {"who": "you"})
        await self.broadcast_from("ticked", {"who": "another"})


@both_transports
@both_versions
@pytest.mark.conformance("CS007", "CS017")
async def test_a_handler_that_returns_nothing_sends_no_reply(over: Over, version: Version) -> None:
    """What it pushed is all that its client gets, and nobody else gets that."""
    join_ref = "1" if version == "2.0.0" else None
    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect(over=over, version=version)
        other = await server.connect(over=over, version=version)
        await client.join("room")
        await other.join("room")
        client.push("room", "push", {"a": 1})
        await client.expect((join_ref, None, "room", "pushed", {"a": 1}))
        await other.expect_nothing()


@both_versions
@pytest.mark.conformance("CS018", "CS020")
@pytest.mark.parametrize("kind", STATUSES)
async def test_a_status_alone_is_a_reply(version: Version, kind: str) -> None:
    """Its response is ``{}``; nothing else is sent."""
    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect(version=version)
        await client.join("room")
        assert await client.call("room", "reply", kind) == STATUSES[kind][1]
        await client.expect_nothing()


@both_versions
@pytest.mark.conformance("CS019", "CS020")
@pytest.mark.parametrize("kind", RESPONSES)
async def test_a_response_is_a_reply(version: Version, kind: str) -> None:
    """A value alone is an ok; nothing else is sent."""
    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect(version=version)
        await client.join("room")
        assert await client.call("room", "reply", kind) == RESPONSES[kind][1]
        await client.expect_nothing()


@both_versions
@pytest.mark.conformance("CS021")
async def test_lists_of_maps_pass_through_untouched(version: Version) -> None:
    """In, and out by a reply, a push and a broadcast."""
    join_ref = "1" if version == "2.0.0" else None
    async with serve(endpoint_of({"room": Room})) as server:
        client = await server.connect(version=version)
        await client.join("room")
        assert await client.call("room", "echo", LISTS) == ok(LISTS)
        client.push("room", "push", LISTS)
        client.push("room", "shout", LISTS)
        await client.expect(
            (join_ref, None, "room", "pushed", LISTS), (None, None, "room", "shouted", LISTS)
        )


@both_transports
@pytest.mark.conformance("CS003", "CS004", "CS029")
async def test_a_broadcast_reaches_everybody_its_sender_too(over: Over) -> None:
    """Clients of the topic directly, as no channel intercepts it; server code as a Broadcast."""
    async with serve(endpoint_of({"room": Room})) as server:
        client, other = await server.connect(over=over), await server.connect(over=over)
        await client.join("room")
        await other.join("room")
        heard: list[Any] = []
        subscription = server.endpoint.pubsub.subscribe("room", heard.append)
        client.push("room", "shout", {"a": 1})
        for one in (client, other):
            await one.expect((None, None, "room", "shouted", {"a": 1}))
        assert heard == [Broadcast("room", "shouted", {"a": 1})]
        subscription.cancel()


@both_transports
@pytest.mark.conformance("CS028")
async def test_a_broadcast_from_a_handler_reaches_all_others(over: Over) -> None:
    """Clients and server code, but not the client whose event it was."""
    async with serve(endpoint_of({"room": Room})) as server:
        client, other = await server.connect(over=over), await server.connect(over=over)
        await client.join("room")
        await other.join("room")
        heard: list[Any] = []
        subscription = server.endpoint.pubsub.subscribe("room", heard.append)
        client.push("room", "tell", {"a": 1})
        await other.expect((None, None, "room", "told", {"a": 1}))
        await client.expect_nothing()
        assert heard == [Broadcast("room", "told", {"a": 1})]
        subscription.cancel()


@both_transports
@pytest.mark.conformance("CS033", "CS034")
async def test_a_message_of_the_server_may_push_and_broadcast(over: Over) -> None:
    """A handler of ``@on_info`` can do what one of an event can, but reply."""
    async with serve(endpoint_of({"room": Room})) as server:
        client, other = await server.connect(over=over), await server.connect(over=over)
        await client.join("room")
        await other.join("room")
        heard: list[Any] = []
        subscription = server.endpoint.pubsub.subscribe("room", heard.append)
        client.push("room", "tick")
        await client.expect(("1", None, "room", "ticked", {"who": "you"}))
        await other.expect((None, None, "room", "ticked", {"who": "another"}))
        assert heard == [Broadcast("room", "ticked", {"who": "another"})]
        subscription.cancel()


class Stopping(Channel[Any]):
    """A channel that ends at a word of the server's."""

    reasons: tuple[Any, ...] = ()

    @on("tick")
    async def tick(self) -> None:
        self.send_self(Tick())

    @on_info(Tick)
    async def stop_by_info(self, tick: Tick) -> None:
        raise Stop("shutdown")

    @on_out("end")
    async def stop_by_broadcast(self, payload: Any) -> None:
        raise Stop("shutdown")

    async def terminate(self, reason: Any) -> None:
        type(self).reasons = (*type(self).reasons, reason)


@pytest.mark.conformance("CS031")
async def test_a_handler_of_a_broadcast_may_stop_the_channel() -> None:
    """terminate is told, and the client that it closed; it sees nothing of the broadcast."""
    room: type[Stopping] = type("Room", (Stopping,), {})
    async with serve(endpoint_of({"room": room})) as server:
        client = await server.connect()
        await client.join("room")
        await server.endpoint.broadcast("room", "end", {})
        await client.expect(("1", "1", "room", "phx_close", {}))
        assert room.reasons == ("shutdown",)
        assert server.endpoint.pubsub.subscribers("room") == 0


@pytest.mark.conformance("CS032")
async def test_a_handler_of_a_message_of_the_server_may_stop_the_channel() -> None:
    """terminate is told, and the client that it closed."""
    room: type[Stopping] = type("Room", (Stopping,), {})
    async with serve(endpoint_of({"room": room})) as server:
        client = await server.connect()
        await client.join("room")
        client.push("room", "tick")
        await client.expect(("1", "1", "room", "phx_close", {}))
        assert room.reasons == ("shutdown",)
        assert server.endpoint.pubsub.subscribers("room") == 0
