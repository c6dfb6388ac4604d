"""Stores in JetStream: epochs of a server that restarts, of a stream that is made again, and announcements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import nats
import pytest

from bennu.bus.broker.settings import BrokerSettings
from bennu.errors import DefinitionError, StoreUnavailable
from bennu.store import UNKNOWN, Draft, LogEntry, Page, Store
from bennu.store.nats import JetStreamStore, store_for
from bennu.store.store import Appended
from bennu.testing.contract_node import until
from bennu.testing.contract_store import KEEP, PLENTY, ContractStore, drafts, offsets
from tests.support.brokers.nats import NatsServer, jetstream, nats_server

pytestmark = pytest.mark.clock("real")

SETTINGS = BrokerSettings(beat=0.1, deaf=0.5, first_delay=0.01, last_delay=0.1)


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    directory = tmp_path_factory.mktemp("nats")
    with nats_server(directory, jetstream(directory)) as running:
        yield running


@asynccontextmanager
async def started(address: str, count: int = 1) -> AsyncGenerator[list[ContractStore]]:
    """Start stores. At the end stop them."""
    async with AsyncExitStack() as stack:
        nodes = [ContractStore(JetStreamStore(address, settings=SETTINGS)) for _ in range(count)]
        for node in nodes:
            stack.push_async_callback(node.store.stop)
            await node.start()
        yield nodes


async def append(store: Store, topic: str, some: list[Draft]) -> Appended:
    """Append, again and again while the store is down."""
    while True:
        try:
            return await store.append(topic, some, KEEP)
        except StoreUnavailable:
            await asyncio.sleep(0.01)


async def read(store: Store, topic: str, after: int = 0) -> Page:
    """Read, again and again while the store is down."""
    while True:
        try:
            return await store.read(topic, after, 100_000, PLENTY, KEEP)
        except StoreUnavailable:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("is_trusted", [False, True])
async def test_a_restart_begins_a_new_epoch_unless_the_data_is_trusted(
    server: NatsServer, is_trusted: bool
) -> None:
    address = f"{server.address}?on_restart={'trust' if is_trusted else 'epoch'}"
    async with started(address, 2) as (one, two):
        before = await append(one.store, "t", drafts(5))
        await asyncio.to_thread(server.restart)
        page = await read(two.store, "t")
        assert (page.epoch == before.epoch) == is_trusted
        assert len(page.entries) == (5 if is_trusted else 0)
        after = await append(one.store, "t", drafts(1))
        assert after.epoch == page.epoch
        page = await read(two.store, "t")
        assert page.newest == after.places[0][0]
        assert page.entries[0].prev == 0


async def test_a_stream_that_is_made_again_begins_new_epochs(server: NatsServer) -> None:
    async with started(f"{server.address}?on_restart=trust", 2) as (one, two):
        before = await append(one.store, "t", drafts(5))
        client = await nats.connect(server.address)  # pyright: ignore[reportUnknownMemberType]
        await client.jetstream().delete_stream("bennu-logs")
        await client.close()
        with pytest.raises(StoreUnavailable, match="refused"):
            await one.store.append("t", drafts(1), KEEP)
        async with started(server.address):
            assert (await read(two.store, "t")).epoch != before.epoch


async def test_a_rejected_publish_is_never_announced(server: NatsServer) -> None:
    async with started(server.address) as (node,):
        await node.store.subscribe(["t"])
        written = drafts(2)
        first = await append(node.store, "t", written)
        await node.store.reset("t")  # the node appends with a marker that is old now
        assert (await append(node.store, "t", written)).epoch != first.epoch
        await append(node.store, "t", written)
        last = await append(node.store, "t", drafts(1))
        await until(
            lambda: any(one and one.offset == last.places[0][0] for one in node.announced("t"))
        )
        assert len(node.announced("t")) == 5


@pytest.mark.long
async def test_readers_see_one_chain_while_two_stores_append_to_several_topics(
    server: NatsServer,
) -> None:
    topics = [f"t{number}" for number in range(4)]
    async with started(server.address, 3) as (one, two, three):
        await three.store.subscribe(topics)

        async def write(store: Store, topic: str) -> None:
            for number in range(100):
                await append(store, topic, drafts(number % 4 + 1))

        await asyncio.gather(*(write(node.store, topic) for node in (one, two) for topic in topics))
        for topic in topics:
            page = await read(three.store, topic)
            assert len(page.entries) == 500
            last = 0
            for entry in page.entries:
                assert entry.prev == last < entry.offset
                last = entry.offset
            await until(lambda: len(three.announced(topic)) == 500)  # noqa: B023 - called at once
            heard = [one for one in three.announced(topic) if isinstance(one, LogEntry)]
            assert offsets(heard) == offsets(page.entries)
            assert all(
                entry.prev in (UNKNOWN, known.prev)
                for entry, known in zip(heard, page.entries, strict=True)
            )
            assert [entry.prev for entry in heard[1:]] == offsets(page.entries[:-1])


async def test_a_position_is_proved_only_by_its_own_entry(server: NatsServer) -> None:
    async with started(f"{server.address}?size=5") as (node,):
        first = await append(node.store, "t", drafts(4))
        await append(node.store, "other", drafts(3))
        assert (await read(node.store, "t")).entries[0].prev == 0
        await append(node.store, "t", drafts(3))
        assert (await read(node.store, "t")).entries[0].prev == UNKNOWN
        gone, kept = first.places[1][0], first.places[2][0]
        assert (await read(node.store, "t", gone)).entries[0].prev == UNKNOWN
        page = await read(node.store, "t", kept)
        assert page.entries[0].prev == kept
        assert len(page.entries) == 4


async def test_a_server_without_jetstream_is_named(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with nats_server(tmp_path_factory.mktemp("nats")) as server:
        async with started(server.address) as (node,):
            with pytest.raises(StoreUnavailable, match="no JetStream"):
                await node.store.append("t", drafts(1), KEEP)


async def test_a_stream_of_another_program_is_refused(server: NatsServer) -> None:
    client = await nats.connect(server.address)  # pyright: ignore[reportUnknownMemberType]
    await client.jetstream().add_stream(name="bennu-logs", subjects=["bennu.s.>"])  # pyright: ignore[reportUnknownMemberType]
    await client.close()
    with pytest.raises(DefinitionError, match="allow_atomic"):
        async with started(server.address):
            pass


async def test_a_server_that_is_down_at_the_start(server: NatsServer) -> None:
    server.kill()
    async with started(server.address) as (node,):
        with pytest.raises(StoreUnavailable, match="can't be reached"):
            await node.store.append("t", drafts(1), KEEP)
        await asyncio.to_thread(server.start)
        await append(node.store, "t", drafts(1))


async def test_a_store_that_was_not_started_says_so() -> None:
    store = store_for("nats://one")
    assert (store.name, store.announces) == ("nats://one", True)
    store.unsubscribe(["t"])
    for call in (store.heads(["t"]), store.subscribe(["t"])):
        with pytest.raises(StoreUnavailable, match="not started"):
            await call
