"""Joins of topics with history that the store, the user's functions or the client make fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from bennu import Channel, Endpoint, History, Refused
from bennu.testing.clock import advance, running_loop, settle
from bennu.testing.shared_store import SharedStore
from bennu.testing.wires import NativeWire

from ..support.frames import error, ok, reply
from ..support.memory import Client, Server, endpoint_of, serve

CRASHED = error("join crashed")


ends: list[Any] = []


class Room(Channel[Any]):
    """A room that notes its ends."""

    history = History(size=100)

    async def terminate(self, reason: Any) -> None:
        ends.append(reason)


@pytest.fixture(autouse=True)
def _no_ends() -> None:
    ends.clear()


async def ask(server: Server, payload: Any = None, topic: str = "room:1") -> Any:
    """Join with a new client that asks for recovery, and return the payload of the reply."""
    client = await server.connect()
    return await client.join(topic, {"recovery": payload or {}}, within=30)


# The store


async def test_a_client_that_vanishes_while_the_store_hangs_ends_its_channel_at_once() -> None:
    store = SharedStore()
    async with serve(endpoint_of({"room:*": Room}, store=store)) as server:
        store.hangs.add("read")
        client = await server.connect()
        client.start_join("room:1", {"recovery": {}})
        await settle()
        client.vanish()
        await settle()
        assert len(ends) == 1
        store.go_on()


async def test_a_join_waits_for_the_store_no_longer_than_its_time_limit() -> None:
    """The bus and the subscription take their time, too."""
    store = SharedStore(announces=True)
    async with serve(endpoint_of({"room:*": Room}, store=store)) as server:
        store.hangs |= {"subscribe", "read"}
        client = await server.connect()
        started = running_loop().time()
        client.start_join("room:1", {"recovery": {}})
        await advance(4)
        store.hangs.discard("subscribe")
        frame = await client.receive(within=30)
        assert frame.payload["response"]["reason"] == "history_unavailable"
        assert running_loop().time() - started == 5
        client.heartbeat("7")
        await client.expect(reply(None, "7", "phoenix", ok()))
        store.go_on()
        await advance(10)
        await client.expect_nothing()
        server.records.clear()  # the store was down for a while


async def test_joins_that_wait_for_a_read_of_a_hanging_store_are_answered_together() -> None:
    """The reads are limited, and those that wait for their turn don't ask a store that is down."""
    store = SharedStore()
    async with serve(endpoint_of({"room:*": Room}, store=store)) as server:
        store.hangs |= {"read", "heads"}
        clients = [await server.connect() for _ in range(200)]
        for n, client in enumerate(clients):
            client.start_join(f"room:{n}", {"recovery": {}})
        await advance(5)
        reasons = [client.read().popleft().payload["response"]["reason"] for client in clients]
        assert set(reasons) == {"history_unavailable"}
        assert store.calls["read"] == 64
        server.logged("is down")
        store.go_on()
        await advance(6)
        server.logged("is back", level=30)
        assert (await ask(server, topic="room:1"))["status"] == "ok"


async def test_a_store_that_is_back_answers_the_next_join_at_once() -> None:
    store = SharedStore()
    async with serve(endpoint_of({"room:*": Room}, store=store)) as server:
        store.fails |= {"read", "heads"}
        assert (await ask(server))["status"] == "error"
        server.logged("is down")
        await advance(60)
        store.fails.clear()
        await advance(1.5)
        server.logged("is back", level=30)
        started = running_loop().time()
        assert (await ask(server))["status"] == "ok"
        assert running_loop().time() == started


# The user's functions


class Odd(Room):
    """A room whose join answers what a test says."""

    answer: Any = None

    async def join(self) -> Any:
        return Odd.answer


@pytest.mark.parametrize("answer", [[1], "text", 7, b"bytes", {"recovery": 1}])
async def test_a_join_that_asks_needs_a_response_that_is_an_object(answer: Any) -> None:
    async with serve(endpoint_of({"room:*": Odd})) as server:
        Odd.answer = answer
        assert await ask(server) == CRASHED
        record = server.logged("returned a value that can't be sent")
        assert record.exc_info is not None
        assert "with a JSON object without the key 'recovery'" in str(record.exc_info[1])


async def test_a_join_that_does_not_ask_gets_its_response_unchanged() -> None:
    async with serve(endpoint_of({"room:*": Odd})) as server:
        Odd.answer = [1, 2]
        client = await server.connect()
        assert await client.join("room:1") == ok([1, 2])


class Curious(Channel[Any]):
    """A channel without history that echoes the payload of its join."""

    async def join(self, payload: dict[str, Any]) -> Any:
        return payload


async def test_on_a_topic_without_history_the_key_belongs_to_the_application() -> None:
    async with serve(endpoint_of({"room:*": Room, "plain:*": Curious})) as server:
        client = await server.connect()
        for payload in ({"recovery": {"epoch": "a", "offset": 1}}, {"recovery": [1, None]}):
            reply = await client.join("plain:1", payload)
            assert reply == ok(payload)
            client.leave("plain:1")
            await settle()
            client.read().clear()


@pytest.mark.parametrize(
    "given",
    ["text", 7, [1], True, {"epoch": "a"}, {"offset": 1}, {"epoch": "", "offset": 1}]
    + [{"epoch": "a", "offset": one} for one in (-1, 1.5, "1", 2**53, True, None)]
    + [{"epoch": one, "offset": 1} for one in ("é", "a" * 33, 7, None)]
    + [{"client": one} for one in ("short", "x" * 65, 7, None)]
    + [{"more": "x" * 300}],
)
async def test_any_other_shape_under_the_key_refuses_nobody(given: Any) -> None:
    async with serve(endpoint_of({"room:*": Room})) as server:
        client = await server.connect()
        reply = await client.join("room:1", {"recovery": given})
        assert reply["response"]["recovery"]["reason"] == "invalid"
        await server.endpoint.broadcast("room:1", "said", {"n": 1})
        assert (await client.receive()).ref.startswith("1:")


def floors(floor: Any) -> Endpoint:
    """Return an endpoint whose channel has a history_floor."""

    class Floored(Room):
        history_floor = floor

    return endpoint_of({"room:*": Floored})


async def an_hour_ago(self: Channel[Any]) -> datetime:
    """Return a floor."""
    return datetime.now(UTC) - timedelta(hours=1)


def in_an_hour(self: Channel[Any]) -> datetime:
    """Return a floor above all entries."""
    return datetime.now(UTC) + timedelta(hours=1)


async def none(self: Channel[Any]) -> datetime | None:
    """Return no floor."""
    return None


@pytest.mark.parametrize(
    ("floor", "recovered"), [(an_hour_ago, True), (in_an_hour, False), (none, True)]
)
async def test_entries_before_the_floor_count_as_trimmed(
    floor: Callable[..., Any], recovered: bool
) -> None:
    async with serve(floors(floor)) as server:
        recovery = (await ask(server))["response"]["recovery"]
        await server.endpoint.broadcast("room:1", "said", {"n": 1})
        reply = await ask(server, {"epoch": recovery["epoch"], "offset": 0})
        assert reply["response"]["recovery"]["recovered"] is recovered
        reply = await ask(server, {"epoch": recovery["epoch"], "offset": 1})
        assert reply["response"]["recovery"]["recovered"] is True


async def naive(self: Channel[Any]) -> datetime:
    """Return a time without a zone."""
    return datetime(2026, 1, 1)  # noqa: DTZ001 - that is the mistake


async def wrong(self: Channel[Any]) -> Any:
    """Return no time."""
    return 7


async def too_early(self: Channel[Any]) -> Any:
    """Return a time that has no seconds since 1970."""
    return datetime.min.replace(tzinfo=UTC).astimezone(UTC).replace(fold=1) - timedelta(days=1)


async def raises(self: Channel[Any]) -> Any:
    """Raise what is no Exception."""
    raise SystemExit(3)


async def hangs(self: Channel[Any]) -> Any:
    """Wait for ever."""
    await asyncio.Event().wait()


async def swallows(self: Channel[Any]) -> Any:
    """Wait for ever, and ignore the cancellation."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return None


@pytest.mark.parametrize(
    ("floor", "line"),
    [
        (naive, "expected None, or a datetime with a time zone"),
        (wrong, "expected None, or a datetime with a time zone"),
        (too_early, "crashed"),
        (raises, "crashed"),
        (hangs, "took over"),
        (swallows, "took over"),
    ],
)
async def test_a_floor_that_fails_refuses_the_join(floor: Callable[..., Any], line: str) -> None:
    async with serve(floors(floor)) as server:
        assert await ask(server) == CRASHED
        server.logged("history_floor of 'room:1'", line)


async def test_a_client_that_vanishes_while_its_floor_hangs_ends_its_channel() -> None:
    async with serve(floors(hangs)) as server:
        client = await server.connect()
        client.start_join("room:1", {"recovery": {}})
        await settle()
        client.vanish()
        await advance(6)
        server.logged("did not finish in 5s when its end came")


def choose_badly(topic: str) -> Any:
    """Raise, or return no history."""
    if topic == "room:raises":
        raise LookupError(topic)
    return 7 if topic == "room:wrong" else History(size=3)


class Chosen(Channel[Any]):
    """A room whose history depends on the topic."""

    history = History.by_topic(choose_badly)


@pytest.mark.parametrize(
    ("topic", "kind"), [("room:raises", LookupError), ("room:wrong", TypeError)]
)
async def test_a_function_that_chooses_no_history_fails_joins_and_broadcasts(
    topic: str, kind: type[Exception]
) -> None:
    async with serve(endpoint_of({"room:*": Chosen})) as server:
        assert await ask(server, topic=topic) == CRASHED
        server.logged(f"The history of {topic!r} can't be chosen")
        with pytest.raises(kind):
            await server.endpoint.broadcast(topic, "said", {})
        heard: list[Any] = []
        listening = server.endpoint.pubsub.subscribe(topic, heard.append)
        server.logged(f"The history of {topic!r} can't be chosen")
        listening.cancel()
        assert (await ask(server))["status"] == "ok"


# Clients in great numbers


async def test_forged_offsets_of_many_clients_cost_few_reads() -> None:
    store = SharedStore()

    class Long(Channel[Any]):
        history = History(size=2_000, max_recovered=100)

    async with serve(endpoint_of({"room:*": Long}, store=store)) as server:
        epoch = (await ask(server))["response"]["recovery"]["epoch"]
        for n in range(1, 3_001):
            await server.endpoint.broadcast("room:1", "said", {"n": n})
        before = store.calls["read"]
        clients: list[Client] = [await server.connect() for _ in range(500)]
        for n, client in enumerate(clients):
            asked = {"epoch": epoch, "offset": 6 * n}
            client.start_join("room:1", {"recovery": asked})
        await settle()
        reasons = [client.read()[0].payload["response"]["recovery"] for client in clients]
        assert reasons[0]["reason"] == "trimmed"
        assert reasons[250]["reason"] == "too_many"
        assert reasons[490] == {"recovered": True, "epoch": epoch, "offset": 2_940, "count": 60}
        assert store.calls["read"] - before <= 2_000 // 100 + 5
        for client in clients:
            client.vanish()


async def test_a_client_that_joins_and_leaves_in_a_loop_leaves_nothing() -> None:
    store = SharedStore()
    async with serve(endpoint_of({"room:*": Room}, store=store)) as server:
        client = await server.connect()
        for _ in range(50):
            client.start_join("room:1", {"recovery": {}})
            client.leave("room:1")
        await settle()
        client.read().clear()
        await advance(45)
        before = store.calls["heads"]
        await advance(30)
        assert store.calls["heads"] == before  # nobody follows the topic any more


async def test_catching_up_leaves_turns_for_others() -> None:
    """Clients that have missed much at the same time don't get all of it in one turn of the event loop."""
    async with serve(endpoint_of({"room:*": Room})) as server:
        epoch = (await ask(server))["response"]["recovery"]["epoch"]
        for n in range(1, 51):
            await server.endpoint.broadcast("room:1", "said", {"n": n, "body": "x" * 10_000})
        clients = [await server.connect() for _ in range(40)]
        for client in clients:
            client.start_join("room:1", {"recovery": {"epoch": epoch, "offset": 0}})
        sizes = [0]
        while not sizes[-1] or sizes[-1] < 40 * 500_000:
            await asyncio.sleep(0)
            sizes.append(sum(written(client) for client in clients))
        assert max(after - before for before, after in pairwise(sizes)) < 16 * 80_000
        await settle()
        for client in clients:
            frames = [frame for frame in client.read() if frame.event == "said"]
            assert [frame.payload["n"] for frame in frames] == list(range(1, 51))
            client.vanish()


def written(client: Client) -> int:
    """Return the bytes that a client has got."""
    assert isinstance(client.wire, NativeWire)
    return len(client.wire.raw)


# A state in the reply to a join


stored: list[int] = []
"""The state of the room below, which is kept beside the log."""

gates: list[asyncio.Event] = []
"""What holds a join of the room below that has read the state."""


class Board(Channel[Any]):
    """A room whose join reads a state, while others write."""

    history = History(size=5)

    async def join(self) -> dict[str, Any]:
        state = [*stored]
        for gate in gates:
            await gate.wait()
        return {"state": state}


async def write(endpoint: Endpoint, *numbers: int) -> None:
    """Store numbers, and broadcast them."""
    for n in numbers:
        stored.append(n)
        await endpoint.broadcast("board:1", "wrote", {"n": n})


@pytest.fixture
def gate() -> Iterator[asyncio.Event]:
    stored.clear()
    gates.append(asyncio.Event())
    yield gates[0]
    gates.clear()


@pytest.mark.parametrize("is_followed", [False, True])
@pytest.mark.parametrize("before", [0, 2])
async def test_no_entry_is_missing_between_the_state_and_the_first_frame(
    gate: asyncio.Event, before: int, is_followed: bool
) -> None:
    """Whether the log has entries, and whether this node follows it, when the join begins."""
    endpoint = endpoint_of({"board:*": Board}, store=SharedStore())
    async with serve(endpoint) as server:
        clients = [await server.connect() for _ in range(1 + is_followed)]
        for client in clients[1:]:  # whose join waits, too
            client.start_join("board:1", {"recovery": {}})
        await write(endpoint, *range(before))
        clients[0].start_join("board:1", {"recovery": {}})
        await settle()
        await write(endpoint, 7, 8)
        gate.set()
        reply = await clients[0].receive()
        response = reply.payload["response"]
        epoch, offset = response["recovery"]["epoch"], response["recovery"]["offset"]
        assert response["recovery"]["reason"] == "new"
        assert (response["state"], offset) == ([*range(before)], before)
        frames = [(await clients[0].receive()) for _ in range(2)]
        assert [frame.payload["n"] for frame in frames] == [7, 8]
        assert [frame.ref for frame in frames] == [f"{before + n}:{epoch}" for n in (1, 2)]
        for client in clients:
            client.close()


async def test_a_join_that_is_refused_makes_no_log() -> None:
    class Closed(Channel[Any]):
        history = History()

        async def join(self) -> None:
            raise Refused("closed")

    store = SharedStore()
    async with serve(endpoint_of({"room:*": Closed}, store=store)) as server:
        assert await ask(server) == error("closed")
        assert await store.heads(["room:1"]) == {}
        assert store.calls["read"] == 0


async def test_a_store_that_is_down_does_not_keep_the_users_join_from_running() -> None:
    """It may refuse the client, which is then told so at once."""

    class Open(Channel[Any]):
        history = History()

        async def join(self) -> None: ...

    store = SharedStore()
    async with serve(endpoint_of({"room:*": Open}, store=store)) as server:
        store.hangs.add("heads")
        client = await server.connect()
        client.start_join("room:1", {"recovery": {}})
        await advance(5)
        reply = await client.receive(within=1)
        assert reply.payload["response"]["reason"] == "history_unavailable"
        server.logged("is down")
        store.go_on()
        await advance(6)
        server.logged("is back", level=30)
        assert (await ask(server))["status"] == "ok"
        client.close()
