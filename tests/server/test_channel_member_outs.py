"""Positioned channels that intercept entries: which push carries the position, and what follows a handler that raises."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import Struct

from bennu import Channel, History, Presence, on, on_info, on_out
from bennu.store import Appended, Draft, Retention
from bennu.testing.clock import settle
from bennu.testing.shared_store import SharedStore

from ..support.frames import PHX_ERROR, PHX_REPLY, broadcast, crashed, ok, push
from ..support.memory import Client, Server, endpoint_of, serve


class Room(Channel[Any]):
    """A room whose handlers wait until a test lets them go on."""

    history = History(size=100)
    gate = asyncio.Event()
    fails = False

    async def after_join(self) -> None:
        self.subscribe("news")

    @on_out("said")
    async def said(self, payload: dict[str, Any]) -> None:
        await Room.gate.wait()
        if Room.fails:
            raise KeyError("said")
        await asyncio.gather(self.push("said", payload))
        await self.push("more", payload)

    @on("ping")
    async def ping(self) -> None:
        await Room.gate.wait()
        await self.push("pong")

    @on("start")
    async def begin(self) -> None:
        _ = self.start(self.work())

    async def work(self) -> None:
        await self.push("worked")

    @on_info(str)
    async def news(self, text: str) -> None:
        await self.push("news", {"text": text})


@pytest.fixture(autouse=True)
def _closed() -> None:
    Room.gate = asyncio.Event()
    Room.fails = False


async def enter(server: Server, **recovery: Any) -> tuple[Client, str]:
    """Connect a client that asks for recovery. Return it, and the epoch."""
    client = await server.connect()
    reply = await client.join("room:1", {"recovery": recovery})
    return client, str(reply["response"]["recovery"]["epoch"])


async def test_only_the_pushes_of_the_handler_carry_the_position() -> None:
    async with serve(endpoint_of({"room:*": Room})) as server:
        client, epoch = await enter(server)
        client.push("room:1", "ping")  # it runs while the entry waits
        await client.expect_nothing()
        await server.endpoint.broadcast("room:1", "said", {"n": 1})
        await server.endpoint.broadcast("room:1", "other", {"n": 2})
        Room.gate.set()
        await client.expect(
            push("1", "room:1", "pong", {}),
            push("1", "room:1", "said", {"n": 1}, at=f"1:{epoch}"),
            push("1", "room:1", "more", {"n": 1}),
            push("1", "room:1", "other", {"n": 2}, at=f"2:{epoch}"),
        )


async def test_a_task_of_the_channel_pushes_without_a_position() -> None:
    async with serve(endpoint_of({"room:*": Room})) as server:
        client, epoch = await enter(server)
        client.push("room:1", "start")
        await client.expect(push("1", "room:1", "worked", {}))
        await server.endpoint.broadcast("room:1", "said", {"n": 1})
        await client.expect_nothing()
        await server.endpoint.pubsub.broadcast("news", "rain")
        Room.gate.set()
        await client.expect(
            push("1", "room:1", "said", {"n": 1}, at=f"1:{epoch}"),
            push("1", "room:1", "more", {"n": 1}),
            push("1", "room:1", "news", {"text": "rain"}),
        )


async def test_nothing_follows_an_entry_whose_handler_raises_and_the_client_gets_it_again() -> None:
    async with serve(endpoint_of({"room:*": Room})) as server:
        client, epoch = await enter(server)
        Room.fails = True
        await server.endpoint.broadcast("room:1", "said", {"n": 1})
        await server.endpoint.broadcast("room:1", "other", {"n": 2})
        Room.gate.set()
        await client.expect(crashed("1", "room:1"))
        server.logged("crashed in said")
        Room.fails = False
        again, _ = await enter(server, epoch=epoch, offset=0)
        await again.expect(
            push("1", "room:1", "said", {"n": 1}, at=f"1:{epoch}"),
            push("1", "room:1", "more", {"n": 1}),
            push("1", "room:1", "other", {"n": 2}, at=f"2:{epoch}"),
        )


async def test_what_is_not_in_the_log_reaches_a_channel_whose_handler_has_an_entry() -> None:
    async with serve(endpoint_of({"room:*": Room})) as server:
        client, epoch = await enter(server)
        await server.endpoint.broadcast("room:1", "said", {"n": 1})
        await server.endpoint.broadcast("room:1", "other", {"n": 2})
        await server.endpoint.local_broadcast("room:1", "note", {"n": 3})
        await client.expect(broadcast("room:1", "note", {"n": 3}))
        Room.gate.set()
        await client.expect(
            push("1", "room:1", "said", {"n": 1}, at=f"1:{epoch}"),
            push("1", "room:1", "more", {"n": 1}),
            push("1", "room:1", "other", {"n": 2}, at=f"2:{epoch}"),
        )
        await server.endpoint.broadcast("room:1", "other", {"n": 4})
        await server.endpoint.local_broadcast("room:1", "note", {"n": 5})
        await client.expect(
            broadcast("room:1", "other", {"n": 4}, at=f"3:{epoch}"),
            broadcast("room:1", "note", {"n": 5}),
        )


people = Presence()


class Crowd(Channel[Any]):
    """A room with presence and a slow handler."""

    history = History(size=10)

    async def after_join(self) -> None:
        await people.push_state(self)
        await people.track(self, self.assigns)

    @on_out("said")
    async def said(self, payload: dict[str, Any]) -> None:
        await Room.gate.wait()
        await self.push("said", payload)


async def test_a_channel_that_catches_up_gets_the_diffs_of_presences() -> None:
    async with serve(endpoint_of({"room:*": Crowd}, presence=people)) as server:
        ann = await server.connect(params={"name": "ann"})
        await ann.join("room:1", {"recovery": {}})
        while (await ann.receive(within=1)).event != "presence_diff":
            pass
        await server.endpoint.broadcast("room:1", "said", {"n": 1})
        ben = await server.connect(params={"name": "ben"})
        assert await ben.join("room:1") == ok()
        frame = await ann.receive(within=1)
        assert (frame.join_ref, frame.ref, frame.event) == (None, None, "presence_diff")
        assert list(frame.payload["joins"]) == ["ben"]
        Room.gate.set()
        assert (await ann.receive()).event == "said"


class Narrow(Channel[Any]):
    """A channel for which few messages may wait."""

    history = History(size=10)
    max_mailbox = 1
    overflow = "drop_oldest"

    @on("wait")
    async def wait(self) -> None:
        await Room.gate.wait()

    @on_out("said")
    async def said(self, payload: dict[str, Any]) -> None:
        await self.push("said", payload)

    @on_info(int)
    async def number(self, number: int) -> None:
        await self.push("number", {"n": number})

    async def after_join(self) -> None:
        self.subscribe("numbers")


async def test_an_entry_counts_for_no_bound_of_the_mailbox() -> None:
    async with serve(endpoint_of({"room:*": Narrow})) as server:
        client, epoch = await enter(server)
        client.push("room:1", "wait")
        await client.expect_nothing()
        await server.endpoint.broadcast("room:1", "said", {"n": 1})
        for n in (1, 2):
            await server.endpoint.pubsub.broadcast("numbers", n)
        server.logged("has dropped its oldest message", level=30)
        Room.gate.set()
        await client.expect(
            push("1", "room:1", "said", {"n": 1}, at=f"1:{epoch}"),
            push("1", "room:1", "number", {"n": 2}),
        )


class Kicked(Channel[Any]):
    """A room whose handler waits, and whose client is kicked meanwhile."""

    history = History(size=10)

    @on_out("said")
    async def said(self, payload: dict[str, Any]) -> None:
        await Room.gate.wait()
        await self.push("said", payload)


async def test_a_push_for_an_entry_of_a_log_that_is_gone_has_no_position() -> None:
    store = SharedStore()
    async with serve(endpoint_of({"room:*": Kicked}, store=store)) as server:
        client, _ = await enter(server)
        await server.endpoint.broadcast("room:1", "said", {"n": 1})
        await settle()
        await store.reset("room:1")
        await server.endpoint.broadcast("room:1", "said", {"n": 2})
        await settle()
        Room.gate.set()
        await client.expect(push("1", "room:1", "said", {"n": 1}))
        await client.expect(crashed("1", "room:1"), within=3)


class Threaded(Channel[Any]):
    """A room whose handler is a plain function, and whose other handler returns a coroutine."""

    history = History(size=10)

    @on_out("said")
    def said(self, payload: dict[str, Any]) -> None:
        self.sync.push("said", payload)

    @on_out("bytes")
    async def binary(self, payload: dict[str, Any]) -> None:
        await self.push("bytes", b"123")
        await self.push("text", payload)


async def test_the_push_of_a_plain_function_carries_the_position() -> None:
    async with serve(endpoint_of({"room:*": Threaded})) as server:
        client, epoch = await enter(server)
        await server.endpoint.broadcast("room:1", "said", {"n": 1})
        frame = await client.receive(within=1)
        assert frame == push("1", "room:1", "said", {"n": 1}, at=f"1:{epoch}")


async def test_a_push_of_bytes_can_carry_no_position_and_the_next_push_does() -> None:
    async with serve(endpoint_of({"room:*": Threaded})) as server:
        client, epoch = await enter(server)
        await server.endpoint.broadcast("room:1", "bytes", {"n": 1})
        frames = [await client.receive(within=1) for _ in range(2)]
        assert [frame.event for frame in frames] == ["bytes", "text"]
        assert frames[1] == push("1", "room:1", "text", {"n": 1}, at=f"1:{epoch}")


class Number(Struct):
    """A number that may not be 13."""

    n: int

    def __post_init__(self) -> None:
        if self.n == 13:
            raise KeyError(self.n)


class Typed(Channel[Any]):
    """A room whose handler takes one type of payload."""

    history = History(size=10)

    @on_out("said")
    async def said(self, payload: Number) -> None:
        await self.push("said", payload)


async def test_an_entry_that_does_not_fit_is_skipped_and_a_crash_of_its_type_ends_the_channel() -> (
    None
):
    async with serve(endpoint_of({"room:*": Typed})) as server:
        client, epoch = await enter(server)
        await server.endpoint.broadcast("room:1", "said", {"n": "one"})
        await server.endpoint.broadcast("room:1", "other", {"n": 2})
        await client.expect(push("1", "room:1", "other", {"n": 2}, at=f"2:{epoch}"))
        server.logged("expects another payload", level=30)
        await server.endpoint.broadcast("room:1", "said", {"n": 13})
        await server.endpoint.broadcast("room:1", "other", {"n": 4})
        await client.expect(crashed("1", "room:1"))
        server.logged("crashed in said")


class Corrupt(SharedStore):
    """A store that gives back other bytes than it was given."""

    async def append(self, topic: str, drafts: Sequence[Draft], retention: Retention) -> Appended:
        """Append bytes that are no JSON."""
        return await super().append(
            topic, [draft._replace(payload=b"{nonsense}") for draft in drafts], retention
        )


async def test_an_entry_whose_bytes_are_no_json_ends_the_channels_that_handle_it() -> None:
    async with serve(endpoint_of({"room:*": Kicked}, store=Corrupt())) as server:
        Room.gate.set()
        await server.endpoint.broadcast("room:1", "said", {"n": 1})
        epoch = (await enter(server))[1]
        client = await server.connect()
        client.start_join("room:1", {"recovery": {"epoch": epoch, "offset": 0}})
        await settle()
        assert [frame.event for frame in client.read()] == [PHX_REPLY, PHX_ERROR]
        client.read().clear()
        server.logged("crashed in said")
