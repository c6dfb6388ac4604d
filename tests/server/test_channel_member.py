"""Channels of topics with history: what their clients get, and what they get back after a cut."""

from __future__ import annotations

from typing import Any

from bennu import Channel, History, on, on_out
from bennu.testing.clock import settle

from ..support.frames import broadcast, ok, push
from ..support.memory import Server, Version, both_versions, endpoint_of, serve

TOKEN = "t" * 16
OTHER = "u" * 16


class Room(Channel[Any]):
    """A room with history."""

    history = History(size=100)

    @on("say")
    async def say(self, payload: dict[str, Any]) -> None:
        await self.broadcast("said", payload)

    @on("say_to_others")
    async def say_to_others(self, payload: dict[str, Any]) -> None:
        await self.broadcast_from("said", payload)


def room(channel: type[Channel[Any]] = Room) -> Any:
    """Return an endpoint with a channel."""
    return endpoint_of({"room:*": channel})


async def position_of(server: Server, topic: str = "room:1") -> dict[str, Any]:
    """Return the position of the newest entry, as a first join gets it."""
    client = await server.connect()
    reply = await client.join(topic, {"recovery": {}})
    client.close()
    recovery: dict[str, Any] = reply["response"]["recovery"]
    return recovery


async def test_a_first_join_gets_the_position_of_the_newest_entry() -> None:
    async with serve(room()) as server:
        client = await server.connect()
        reply = await client.join("room:1", {"recovery": {}})
        recovery = reply["response"]["recovery"]
        assert recovery == {
            "recovered": False,
            "reason": "new",
            "offset": 0,
            "epoch": recovery["epoch"],
        }


@both_versions
async def test_live_entries_carry_their_positions(version: Version) -> None:
    async with serve(room()) as server:
        client = await server.connect(version=version)
        epoch = (await client.join("room:1", {"recovery": {}}))["response"]["recovery"]["epoch"]
        for n in (1, 2):
            await server.endpoint.broadcast("room:1", "said", {"n": n})
        await client.expect(
            broadcast("room:1", "said", {"n": 1}, at=f"1:{epoch}"),
            broadcast("room:1", "said", {"n": 2}, at=f"2:{epoch}"),
        )


async def test_a_client_that_does_not_ask_gets_the_frames_of_phoenix() -> None:
    async with serve(room()) as server:
        client = await server.connect()
        assert await client.join("room:1") == ok()
        await server.endpoint.broadcast("room:1", "said", {"n": 1})
        await client.expect(broadcast("room:1", "said", {"n": 1}))


@both_versions
async def test_a_client_that_was_away_gets_what_it_has_missed_and_then_goes_on(
    version: Version,
) -> None:
    async with serve(room()) as server:
        position = await position_of(server)
        for n in range(1, 6):
            await server.endpoint.broadcast("room:1", "said", {"n": n})
        client = await server.connect(version=version)
        epoch = position["epoch"]
        reply = await client.join("room:1", {"recovery": {"epoch": epoch, "offset": 2}})
        assert reply["response"]["recovery"] == {
            "recovered": True,
            "epoch": epoch,
            "offset": 2,
            "count": 3,
        }
        await client.expect(
            *(push("1", "room:1", "said", {"n": n}, at=f"{n}:{epoch}") for n in (3, 4, 5))
        )
        await server.endpoint.broadcast("room:1", "said", {"n": 6})
        await client.expect(broadcast("room:1", "said", {"n": 6}, at=f"6:{epoch}"))


async def test_a_client_does_not_get_its_own_messages_live_or_again() -> None:
    async with serve(room()) as server:
        ann, ben = await server.connect(), await server.connect()
        await ann.join("room:1", {"recovery": {"client": TOKEN}})
        reply = await ben.join("room:1", {"recovery": {"client": OTHER}})
        epoch = reply["response"]["recovery"]["epoch"]
        ann.push("room:1", "say_to_others", {"n": 1})
        ben.push("room:1", "say", {"n": 2})
        await ben.expect(
            broadcast("room:1", "said", {"n": 1}, at=f"1:{epoch}"),
            broadcast("room:1", "said", {"n": 2}, at=f"2:{epoch}"),
        )
        await ann.expect(broadcast("room:1", "said", {"n": 2}, at=f"2:{epoch}"))
        again = await server.connect()
        asked = {"epoch": epoch, "offset": 0, "client": TOKEN}
        reply = await again.join("room:1", {"recovery": asked})
        assert reply["response"]["recovery"]["count"] == 2
        await again.expect(push("1", "room:1", "said", {"n": 2}, at=f"2:{epoch}"))
        await again.expect_nothing()


class Doubling(Room):
    """A room that changes what goes out."""

    @on_out("said")
    async def double(self, payload: dict[str, Any]) -> None:
        if payload["n"] != 2:
            await self.push("said", {"n": 2 * payload["n"]})
            await self.push("note", {"more": True})


async def test_intercepted_entries_keep_their_order_and_positions() -> None:
    async with serve(room(Doubling)) as server:
        client = await server.connect()
        epoch = (await client.join("room:1", {"recovery": {}}))["response"]["recovery"]["epoch"]
        for n in (1, 2, 3):
            await server.endpoint.broadcast("room:1", "said", {"n": n})
            await server.endpoint.broadcast("room:1", "other", {"n": n})
        expected = [
            push("1", "room:1", "said", {"n": 2}, at=f"1:{epoch}"),
            push("1", "room:1", "note", {"more": True}),
            push("1", "room:1", "other", {"n": 1}, at=f"2:{epoch}"),
            push("1", "room:1", "other", {"n": 2}, at=f"4:{epoch}"),
            push("1", "room:1", "said", {"n": 6}, at=f"5:{epoch}"),
            push("1", "room:1", "note", {"more": True}),
            push("1", "room:1", "other", {"n": 3}, at=f"6:{epoch}"),
        ]
        await client.expect(*expected)
        again = await server.connect()
        await again.join("room:1", {"recovery": {"epoch": epoch, "offset": 0}})
        await again.expect(*expected)
        await server.endpoint.broadcast("room:1", "other", {"n": 4})
        for one in (client, again):
            await one.expect(broadcast("room:1", "other", {"n": 4}, at=f"7:{epoch}"))


async def test_a_client_that_is_found_slow_while_an_entry_is_passed_on_gets_the_entry() -> None:
    """The batch is full between the two lanes of the topic, and its write finds that the second client reads slowly."""
    async with serve(room()) as server:
        first, slow = await server.connect(version="1.0.0"), await server.connect()
        await first.join("room:1", {"recovery": {}})
        await slow.join("room:1", {"recovery": {}})
        slow.wire.stop_reading()
        for n in (1, 2, 3):
            await server.endpoint.broadcast("room:1", "said", {"n": n, "text": "x" * 100_000})
        await settle()
        slow.wire.read_on()
        for client in (first, slow):
            await settle()
            assert [frame.payload["n"] for frame in client.read()] == [1, 2, 3]
            client.read().clear()
