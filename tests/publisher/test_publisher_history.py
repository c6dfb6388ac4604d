"""Publishers and topics with history: what is kept, what is promised, and what fails."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from bennu import (
    BlockingPublisher,
    Channel,
    DefinitionError,
    EncodeError,
    Endpoint,
    History,
    NotConfirmed,
    NotStarted,
    Publisher,
    StoreUnavailable,
)
from bennu.bus import Loss, LossReason, MemoryNetwork
from bennu.bus.bus import PUBLISHER
from bennu.store import Announce, MemoryStore
from bennu.testing.clock import advance, settle
from bennu.testing.shared_store import SharedStore

from ..bus.ipc.paths import short_directory
from ..support.frames import broadcast, push
from ..support.hostile_adapter import HostileAdapter
from ..support.memory import Server, endpoint_of, serve


class Room(Channel[Any]):
    """A room with history."""

    history = History(size=100, ephemeral=["typing"])


class Hall(Channel[Any]):
    """A channel whose topics choose."""

    name: str
    history = History.by_topic(lambda topic: None if topic == "hall:lobby" else History(size=10))


class Lobby(Channel[Any]):
    """A channel without history."""


CHANNELS = {"room:*": Room, "hall:{name}": Hall, "lobby": Lobby}
HISTORIES = {"room:*": Room.history, "hall:{name}": Hall.history, "lobby": Lobby.history}


class Setup(NamedTuple):
    """A node, and a publisher that is not started."""

    server: Server
    publisher: Publisher
    adapter: HostileAdapter
    store: SharedStore

    async def kept(self, topic: str = "room:1") -> list[Any]:
        """Return the numbers in the log of a topic."""
        page = await self.server.endpoint.history(topic)
        return [entry.payload["n"] for entry in page]


@asynccontextmanager
async def setup(*, announces: bool = False, **options: Any) -> AsyncGenerator[Setup]:
    network, store = MemoryNetwork(), SharedStore(announces=announces)
    endpoint = endpoint_of(CHANNELS, pubsub=network.adapter("web"), store=store)
    adapter = HostileAdapter(network.adapter(f"{PUBLISHER}cron"))
    publisher = Publisher(adapter, store=store, histories=HISTORIES, **options)
    async with serve(endpoint, lossy=True) as server:
        yield Setup(server, publisher, adapter, store)
        for wire in server.wires:
            if wire.code is None:
                wire.close()


async def test_a_client_that_was_away_gets_what_a_publisher_has_sent() -> None:
    """Clients that are there get entries, too. The result is the number of processes, as without a history."""
    async with setup() as given, given.publisher as publisher:
        ann = await given.server.connect()
        reply = await ann.join("room:1", {"recovery": {}}, within=30)
        epoch = reply["response"]["recovery"]["epoch"]
        assert await publisher.broadcast("room:1", "said", {"n": 1}) == 1
        await ann.expect(broadcast("room:1", "said", {"n": 1}, at=f"1:{epoch}"), within=1)
        ann.close()
        await publisher.broadcast("room:1", "said", {"n": 2})
        await publisher.broadcast("room:1", "said", {"n": 3}, confirm=False)
        await publisher.confirm()
        again = await given.server.connect()
        position = {"recovery": {"epoch": epoch, "offset": 1}}
        reply = await again.join("room:1", position, within=30)
        assert reply["response"]["recovery"]["count"] == 2
        await again.expect(
            *(push("1", "room:1", "said", {"n": n}, at=f"{n}:{epoch}") for n in (2, 3)), within=1
        )


async def test_a_topic_without_history_and_an_ephemeral_event_go_over_the_bus_alone() -> None:
    async with setup() as given, given.publisher as publisher:
        ann = await given.server.connect()
        for topic in ("room:1", "hall:lobby", "lobby"):
            await ann.join(topic, within=30)
        for topic, event in (("room:1", "typing"), ("hall:lobby", "news"), ("lobby", "news")):
            assert await publisher.broadcast(topic, event, {"n": 1}) == 1
            await ann.expect(broadcast(topic, event, {"n": 1}), within=1)
        assert await publisher.broadcast("room:1", "typing", b"\x00") == 1
        await ann.expect(broadcast("room:1", "typing", b"\x00"), within=1)
        await publisher.broadcast("hall:west", "news", {"n": 2})
        assert given.store.calls["append"] == 1
        assert await given.kept("hall:west") == [2]
        assert not given.server.records


async def test_a_store_that_announces_needs_no_bus() -> None:
    """The bus may even hang."""
    async with setup(announces=True) as given, given.publisher as publisher:
        ann = await given.server.connect()
        await ann.join("room:1", {"recovery": {}}, within=30)
        given.adapter.hangs |= {"publish", "confirm"}
        assert await publisher.broadcast("room:1", "said", {"n": 1}) is None
        assert (await ann.receive(within=1)).payload == {"n": 1}
        assert not given.adapter.calls["publish"]
        given.adapter.release()


async def test_what_the_store_does_not_take_reaches_nobody() -> None:
    async with setup() as given, given.publisher as publisher:
        ann = await given.server.connect()
        await ann.join("room:1", {"recovery": {}}, within=30)
        given.store.fails |= {"append", "heads"}
        call = asyncio.ensure_future(publisher.broadcast("room:1", "said", {"n": 1}))
        await advance(6)
        with pytest.raises(StoreUnavailable, match="within 5 s: shared:// does not append"):
            await call
        await ann.expect_nothing()
        given.server.logged("shared:// is down", "Broadcasts to topics with history fail")
        given.store.fails.clear()
        await publisher.broadcast("room:1", "said", {"n": 2})
        assert await given.kept() == [2]
        await advance(2)
        assert any("is back" in record.getMessage() for record in given.server.records)
        given.server.records.clear()


async def test_bytes_have_no_place_in_a_log() -> None:
    async with setup() as given, given.publisher as publisher:
        with pytest.raises(EncodeError, match="carries JSON objects"):
            await publisher.broadcast("room:1", "said", b"\x00")
        assert await given.kept() == []


async def test_broadcasts_at_the_same_time_share_appends_and_keep_their_order() -> None:
    async with setup() as given, given.publisher as publisher:
        ann = await given.server.connect()
        await ann.join("room:1", {"recovery": {}}, within=30)
        calls = [publisher.broadcast("room:1", "said", {"n": n}) for n in range(80)]
        assert await asyncio.gather(*calls) == [1] * 80
        assert [(await ann.receive(within=1)).payload["n"] for _ in range(80)] == [*range(80)]
        assert given.store.calls["append"] < 10


async def test_an_entry_that_is_too_large_for_the_bus_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with setup() as given:
        publish = given.adapter.publish
        sizes = []

        async def small(topic: str, data: bytes, node: str | None = None) -> int | None:
            sizes.append(len(data))
            if len(data) > 200:
                raise EncodeError("too large for this bus")
            return await publish(topic, data, node)

        monkeypatch.setattr(given.adapter, "publish", small)
        ann = await given.server.connect()
        await ann.join("room:1", {"recovery": {}}, within=30)
        async with given.publisher as publisher:
            assert await publisher.broadcast("room:1", "said", {"text": "x" * 500}) == 1
        assert (await ann.receive(within=1)).payload == {"text": "x" * 500}
        assert len(sizes) == 2


# The bus fails


async def test_a_bus_that_hangs_does_not_fail_an_entry() -> None:
    """The entry is in the log, so that the node finds it by its check. A repeat would be a second entry."""
    async with setup() as given, given.publisher as publisher:
        ann = await given.server.connect()
        await ann.join("room:1", {"recovery": {}}, within=30)
        given.adapter.hangs.add("publish")
        call = asyncio.ensure_future(publisher.broadcast("room:1", "said", {"n": 1}))
        await advance(13)
        assert await call is None
        given.server.logged(
            "has not taken the announcement of 1 broadcast(s) to 'room:1'", level=30
        )
        assert (await ann.receive(within=1)).payload == {"n": 1}
        given.adapter.release()


@pytest.mark.parametrize("how", ["hangs", "drops"])
async def test_an_announcement_that_is_not_confirmed_is_logged(how: str) -> None:
    async with setup() as given, given.publisher as publisher:
        await publisher.broadcast("room:1", "said", {"n": 1})
        if how == "hangs":
            given.adapter.hangs.add("confirm")
        else:
            given.adapter.loses = True
            given.store.hangs.add("append")
        call = asyncio.ensure_future(publisher.broadcast("room:1", "said", {"n": 2}))
        await settle()
        if how == "drops":
            given.adapter.lost(Loss("web", "troom:1", 1, LossReason.DROPPED))
            given.store.go_on()
        await advance(11)
        assert await call is None
        given.server.logged("has not confirmed a broadcast to 'room:1'", "12 seconds", level=30)
        assert await given.kept() == [1, 2]
        given.adapter.release()
        if how == "drops":
            with pytest.raises(NotConfirmed, match="without those to topics with history"):
                await publisher.confirm()


async def test_a_bus_that_raises_does_not_fail_an_entry() -> None:
    async with setup() as given, given.publisher as publisher:
        given.adapter.raises["publish"] = OSError("no route")
        assert await publisher.broadcast("room:1", "said", {"n": 1}) is None
        given.server.logged("no route", level=30)
        del given.adapter.raises["publish"]


# Calls that are cancelled, stops and starts


async def test_a_call_that_is_cancelled_does_not_take_its_entry_back() -> None:
    async with setup() as given:
        async with given.publisher as publisher:
            given.store.hangs.add("append")
            call = asyncio.ensure_future(publisher.broadcast("room:1", "said", {"n": 1}))
            await settle()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            given.store.go_on()
        assert await given.kept() == [1]
        assert given.adapter.calls["publish"] == 1


async def test_a_stop_waits_for_appends_and_announcements() -> None:
    """A broadcast after that is refused."""
    async with setup() as given:
        publisher = given.publisher
        await publisher.start()
        given.store.hangs.add("append")
        call = asyncio.ensure_future(publisher.broadcast("room:1", "said", {"n": 1}))
        await settle()
        stop = asyncio.ensure_future(publisher.stop())
        await settle()
        given.adapter.hangs.add("publish")
        given.store.go_on()
        await settle()
        assert not stop.done()
        with pytest.raises(StoreUnavailable, match="has stopped"):
            await asyncio.wait_for(publisher.broadcast("room:1", "said", {"n": 2}), 30)
        given.adapter.release()
        await stop
        assert await call == 0
        assert await given.kept() == [1]


async def test_a_stop_gives_up_an_announcement_that_hangs() -> None:
    async with setup(timeout=2) as given:
        publisher = given.publisher
        await publisher.start()
        given.adapter.hangs.add("publish")
        call = asyncio.ensure_future(publisher.broadcast("room:1", "said", {"n": 1}))
        await settle()
        stop = asyncio.ensure_future(publisher.stop())
        await settle()
        stop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stop
        assert await call is None
        assert not publisher.is_started
        given.adapter.release()


async def test_a_store_that_can_not_start_stops_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    """The publisher can be started again."""
    async with setup() as given:
        error = DefinitionError("the store", expected="a disk", got="none", write="a disk")

        async def start(_announce: object) -> None:
            raise error

        monkeypatch.setattr(given.store, "start", start)
        with pytest.raises(DefinitionError, match="a disk"):
            await given.publisher.start()
        assert not given.publisher.is_started
        monkeypatch.undo()
        async with given.publisher as publisher:
            await publisher.broadcast("room:1", "said", {"n": 1})
        assert await given.kept() == [1]


@pytest.mark.long
@pytest.mark.clock("real")
def test_another_event_loop_starts_the_store_anew() -> None:
    """The first event loop was closed without a stop: a given store is stopped before it is started again."""
    steps = []

    class Counting(SharedStore):
        """A store that notes its starts and stops."""

        async def start(self, announce: Announce) -> None:
            """Note it."""
            steps.append("start")

        async def stop(self) -> None:
            """Note it."""
            steps.append("stop")

    async def publish() -> None:
        async with publisher:
            await publisher.broadcast("room:1", "said", {"n": 1})

    with short_directory() as directory:
        publisher = Publisher(
            f"ipc://{directory}", store=Counting(), histories={"room:*": History()}
        )
        loop = asyncio.new_event_loop()
        loop.run_until_complete(publisher.start())
        loop.close()
        asyncio.run(publish())
    assert steps == ["start", "stop", "start", "stop"]


async def test_a_child_can_not_use_a_store_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    publisher = Publisher("ipc:///run/chat", store=SharedStore(), histories={"room:*": History()})
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    with pytest.raises(NotStarted, match="of its parent process"):
        await publisher.start()


# Options


def refusal(**options: Any) -> str:
    """Return the error of options that can't be used."""
    with pytest.raises(DefinitionError) as raised:
        Publisher("ipc:///run/chat", **options)
    with pytest.raises(DefinitionError) as also:
        BlockingPublisher("ipc:///run/chat", **options)
    assert str(also.value) == str(raised.value)
    return str(raised.value)


def test_the_options_need_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENNU_STORE", raising=False)
    assert "without histories" in refusal(store=SharedStore())
    assert "BENNU_STORE" in refusal(histories={"room:*": Room.history})
    monkeypatch.setenv("BENNU_STORE", "foo://x")
    assert "foo://x" in refusal(histories={"room:*": Room.history})
    assert Publisher("ipc:///run/chat").address == "ipc:///run/chat"


@pytest.mark.parametrize("store", ["memory://", MemoryStore()])
def test_a_store_in_memory_is_refused(store: Any) -> None:
    text = refusal(store=store, histories={"room:*": Room.history})
    assert "the store of the processes that serve clients" in text
    assert "in the memory of one process" in text
    assert "Endpoint(store=...) with the same address" in text


@pytest.mark.parametrize(
    ("histories", "text"),
    [
        ({}, "the history of each topic pattern"),
        ({"room:*": Room}, "RoomChannel.history"),
        ([Room.history], "the history of each topic pattern"),
        ({7: Room.history}, "the history of each topic pattern"),
        ({"room:*:x": Room.history}, "is no topic pattern"),
        ({"room:*": Room.history, "room:{id}": Room.history}, "can never match"),
    ],
)
def test_wrong_histories_are_refused(histories: Any, text: str) -> None:
    assert text in refusal(store=SharedStore(), histories=histories)


# The publisher of an endpoint


def test_an_endpoint_has_the_options_of_its_publisher() -> None:
    endpoint = endpoint_of({"lobby": Lobby}, pubsub="ipc:///run/chat")
    assert Publisher.of(endpoint).address == "ipc:///run/chat"
    assert BlockingPublisher.of(endpoint, timeout=3).address == "ipc:///run/chat"
    with pytest.raises(DefinitionError, match="timeout"):
        Publisher.of(endpoint, timeout=0)


def test_an_endpoint_without_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENNU_PUBSUB", raising=False)
    wrong: Any = Endpoint
    with pytest.raises(DefinitionError, match="expected: an Endpoint"):
        Publisher.of(wrong)
    with pytest.raises(DefinitionError, match="an endpoint without a bus"):
        Publisher.of(endpoint_of({"lobby": Lobby}))
    with pytest.raises(DefinitionError, match="its adapter MemoryAdapter"):
        BlockingPublisher.of(endpoint_of({"lobby": Lobby}, pubsub=MemoryNetwork().adapter("web")))
