"""Idempotent pushes over real wires, and on two endpoints that share one store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec import Struct

from bennu import Channel, Endpoint, Error, Ok, Refused, Reply, Socket, Stop, on
from bennu.bus import MemoryNetwork
from bennu.errors import DefinitionError, NoRef, StoreUnavailable
from bennu.store import Claim, MemoryStore
from bennu.telemetry import MessageRefused
from bennu.testing.clock import advance, running_loop, settle

from ..support.frames import PHX_CLOSE, PHX_ERROR, PHX_REPLY, error, ok, reply
from ..support.memory import (
    Client,
    Over,
    Server,
    Version,
    all_transports,
    both_versions,
    endpoint_of,
    serve,
)
from ..support.pages import blocks, run_blocks

STORE_DOWN = error({"reason": "store_unavailable", "retry_after_ms": 1000})


class Pay(Struct):
    """A payment."""

    key: str
    amount: int = 1
    then: str = "ok"


class ByNumber(Struct):
    """A payload whose key is a number or a UUID."""

    number: int | UUID


paid: list[int] = []
"""The amounts of the payments that were handled in this test."""
gates: dict[str, asyncio.Event] = {}


@pytest.fixture(autouse=True)
def _forget() -> None:
    paid.clear()
    gates.clear()


class Shop(Channel[Any]):
    """A channel with idempotent events."""

    @on("pay", idempotent_by="key")
    async def pay(self, payment: Pay) -> Any:
        paid.append(payment.amount)
        receipt = {"receipt": len(paid), "amount": payment.amount}
        match payment.then:
            case "ok":
                return receipt
            case "status":
                return Reply("accepted", receipt)
            case "error":
                return Error(receipt)
            case "refused":
                raise Refused("no_money", receipt=len(paid))
            case "bytes":
                return Ok(b"\0receipt %d" % len(paid))
            case "nothing":
                return None
            case "crash":
                raise ValueError("a crash")
            case "stop":
                raise Stop(reply=receipt)
            case "fail":
                raise Stop("broken", reply=receipt)
            case "unsendable":
                return Ok(object())
            case "later":
                return self.ref()
            case gate:
                await gates[gate].wait()
                return receipt

    @on("pay_in_thread", idempotent_by="key", ttl=timedelta(minutes=5))
    def pay_in_thread(self, payment: Pay) -> Any:
        paid.append(payment.amount)
        return {"receipt": len(paid)}

    @on("any", idempotent_by="key", rate="100/second")
    async def any(self, payload: Any) -> Any:
        paid.append(1)
        return {"receipt": len(paid), "payload": payload}

    @on("by_number", idempotent_by="number")
    async def by_number(self, payload: ByNumber) -> Any:
        paid.append(1)
        return str(payload.number)

    @on("ping")
    async def ping(self) -> Any:
        return "pong"


SHOPS = {"shop:*": Shop}


class AwayStore(MemoryStore):
    """A store that can be away."""

    is_away = False

    async def claim(self, key: str, owner: str, seconds: float) -> Claim:
        if self.is_away:
            raise StoreUnavailable("away")
        return await super().claim(key, owner, seconds)


@asynccontextmanager
async def nodes(count: int = 2, **options: Any) -> AsyncGenerator[tuple[AwayStore, list[Server]]]:
    """Start endpoints that share one store."""
    store = AwayStore(running_loop().time)
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(serve(shop(store, **options))) for _ in range(count)
        ]
        yield store, servers
        for server in servers:  # all of them, before one checks that no task is left
            await server.endpoint.stop()
        await settle()


def logged(servers: list[Server], *texts: str, level: int = logging.ERROR) -> None:
    """Check that one line was logged. All endpoints have one log."""
    for server in servers:
        server.logged(*texts, level=level)


def shop(store: Any = None, **options: Any) -> Endpoint:
    return endpoint_of(SHOPS, store=store, **options)


async def visit(
    server: Server,
    name: str | None = "ann",
    topic: str = "shop:1",
    *,
    over: Over = "native",
    version: Version = "2.0.0",
) -> Client:
    """Connect as a user, and join."""
    params = {} if name is None else {"name": name}
    client = await server.connect(params=params, over=over, version=version)
    await client.join(topic)
    return client


async def pay(client: Client, key: str = "k", **fields: Any) -> Any:
    return await client.call("shop:1", "pay", {"key": key, **fields})


async def crashed(client: Client) -> None:
    """Check that the channel has crashed."""
    events = [(await client.receive()).event]
    if events == [PHX_REPLY]:  # of a Stop
        events = [(await client.receive()).event]
    assert events == [PHX_ERROR]


@all_transports
@both_versions
async def test_a_repeat_gets_the_first_reply(over: Over, version: Version) -> None:
    """On the same connection, on another one, and on another node."""
    async with nodes() as (_, (one, two)):
        client = await visit(one, over=over, version=version)
        first = ok({"receipt": 1, "amount": 7})
        assert await pay(client, amount=7) == first
        assert await pay(client, amount=7) == first
        for server in (one, two):
            assert await pay(await visit(server, over=over, version=version), amount=7) == first
        assert paid == [7]
        assert await pay(client, "another", amount=7) == ok({"receipt": 2, "amount": 7})


@pytest.mark.parametrize(
    ("then", "reply"),
    [
        ("status", {"status": "accepted", "response": {"receipt": 1, "amount": 1}}),
        ("error", {"status": "error", "response": {"receipt": 1, "amount": 1}}),
        ("refused", error({"reason": "no_money", "receipt": 1})),
        ("bytes", ok(b"\0receipt 1")),
    ],
)
async def test_each_kind_of_reply_is_kept(then: str, reply: Any) -> None:
    async with nodes() as (_, servers):
        for server in (*servers, *servers):
            assert await pay(await visit(server), then=then) == reply
        assert paid == [1]


async def test_a_reply_of_bytes_is_kept_for_clients_that_can_read_it() -> None:
    async with nodes() as (_, (one, two)):
        assert await pay(await visit(one), then="bytes") == ok(b"\0receipt 1")
        old = await visit(two, version="1.0.0")
        assert await pay(old, then="bytes") == error("binary_unsupported")
        logged([one, two], "can't carry bytes", level=logging.WARNING)
        assert paid == [1]


async def test_a_handler_without_reply_runs_once() -> None:
    async with nodes() as (_, (one, two)):
        for server in (one, two, one):
            client = await visit(server)
            client.push("shop:1", "pay", {"key": "k", "then": "nothing"})
            await client.expect_nothing()
        assert paid == [1]


async def test_a_plain_function_runs_once() -> None:
    async with nodes() as (_, (one, two)):
        for server in (one, two):
            client = await visit(server)
            for _ in range(2):
                reply = await client.call("shop:1", "pay_in_thread", {"key": "k"})
                assert reply == ok({"receipt": 1})
        await advance(301)
        client = await visit(two)
        assert await client.call("shop:1", "pay_in_thread", {"key": "k"}) == ok({"receipt": 2})


async def test_the_scope_of_a_key() -> None:
    """It is the topic, the event and the user."""
    async with nodes() as (_, (one, _)):
        ann, ben = await visit(one), await visit(one, "ben")
        other = await visit(one, topic="shop:2")
        assert await pay(ann) == ok({"receipt": 1, "amount": 1})
        assert await pay(ben) == ok({"receipt": 2, "amount": 1})
        reply = await other.call("shop:2", "pay", {"key": "k"})
        assert reply == ok({"receipt": 3, "amount": 1})
        reply = await ann.call("shop:1", "any", {"key": "k"})
        assert reply == ok({"receipt": 4, "payload": {"key": "k"}})
        assert await pay(ben) == ok({"receipt": 2, "amount": 1})


async def test_a_number_or_a_uuid_can_be_the_key() -> None:
    async with nodes() as (_, (one, two)):
        for number in (7, "12345678-1234-5678-1234-567812345678"):
            for server in (one, two):
                client = await visit(server)
                reply = await client.call("shop:1", "by_number", {"number": number})
                assert reply == ok(str(number))
        assert len(paid) == 2


async def test_another_payload_with_the_key_is_refused() -> None:
    """The order of its keys does not count."""
    async with nodes() as (_, (one, two)):
        first = await pay(await visit(one), amount=7)
        client = await visit(two)
        assert await pay(client, amount=8) == error("key_reused")
        assert await client.call("shop:1", "pay", {"amount": 7, "key": "k"}) == first
        assert paid == [7]


@pytest.mark.parametrize(
    "payload", [{}, {"key": None}, {"key": ""}, {"key": "k" * 256}, {"key": 1.5}, [], None, b"k"]
)
async def test_a_push_without_a_usable_key_is_refused(payload: Any) -> None:
    async with nodes() as (_, (one, _)):
        client = await visit(one)
        invalid = error({"reason": "invalid_key", "field": "key"})
        assert await client.call("shop:1", "any", payload) == invalid
        assert paid == []


async def test_a_payload_that_does_not_fit_uses_up_no_key() -> None:
    async with nodes() as (_, (one, _)):
        client = await visit(one)
        reply = await pay(client, amount="much")
        assert reply["response"]["reason"] == "invalid_payload"
        assert await pay(client) == ok({"receipt": 1, "amount": 1})


async def test_a_connection_without_id_is_refused() -> None:
    async with nodes() as (_, (one, _)):
        assert await pay(await visit(one, None)) == error("no_id")
        assert paid == []


async def test_refusals_are_in_telemetry() -> None:
    seen: list[Any] = []
    async with nodes(1) as (_, (one,)):
        one.endpoint.telemetry.attach(seen.append, MessageRefused)
        client = await visit(one)
        await pay(client, "", amount=1)
        await pay(client, then="refused")
        assert [(event.event, event.reason) for event in seen] == [
            ("pay", "invalid_key"),
            ("pay", "no_money"),
        ]


# While the first push runs.


@pytest.mark.parametrize("other", [0, 1])
async def test_a_repeat_waits_for_the_first(other: int) -> None:
    """It comes on another connection, because the first one was lost: on the same node or on another one."""
    gates["gate"] = asyncio.Event()
    async with nodes() as (_, servers):
        client = await visit(servers[0])
        client.push("shop:1", "pay", {"key": "k", "then": "gate"})
        await settle()
        again = await visit(servers[other])
        ref = again.push("shop:1", "pay", {"key": "k", "then": "gate"})
        await advance(3)
        assert paid == [1]
        gates["gate"].set()
        await advance(1)
        expected = ok({"receipt": 1, "amount": 1})
        await again.expect(reply("1", ref, "shop:1", expected))
        assert paid == [1]


async def test_a_repeat_waits_for_a_limited_time_and_then_the_channel_goes_on() -> None:
    gates["gate"] = asyncio.Event()
    async with nodes() as (_, (one, two)):
        client = await visit(one)
        client.push("shop:1", "pay", {"key": "k", "then": "gate"})
        await settle()
        again = await visit(two)
        again.push("shop:1", "pay", {"key": "k", "then": "gate"})
        again.push("shop:1", "ping")
        await advance(9)
        frames = [await again.receive(), await again.receive()]
        assert frames[0].payload == error({"reason": "still_running", "retry_after_ms": 1000})
        assert frames[1].payload == ok("pong")
        gates["gate"].set()
        await settle()
        assert await pay(again, then="gate") == ok({"receipt": 1, "amount": 1})


async def test_a_client_that_was_lost_gets_its_reply_later() -> None:
    """The handler goes on for a while after the connection's end, and its reply is kept."""
    gates["gate"] = asyncio.Event()
    async with nodes() as (_, (one, two)):
        client = await visit(one)
        client.push("shop:1", "pay", {"key": "k", "then": "gate"})
        await settle()
        client.close()
        await settle()
        gates["gate"].set()
        assert await pay(await visit(two), then="gate") == ok({"receipt": 1, "amount": 1})
        assert paid == [1]


# Crashes and ends.


@pytest.mark.parametrize("then", ["crash", "unsendable", "fail"])
async def test_a_crash_releases_the_key(then: str) -> None:
    async with nodes() as (_, (one, two)):
        client = await visit(one)
        client.push("shop:1", "pay", {"key": "k", "then": then})
        await crashed(client)
        logged([one, two], "stopped: broken" if then == "fail" else "crashed in pay")
        await settle()
        client = await visit(two)
        client.push("shop:1", "pay", {"key": "k", "then": then})
        await crashed(client)
        logged([one, two], "stopped: broken" if then == "fail" else "crashed in pay")
        assert paid == [1, 1]


async def test_a_stop_is_a_reply() -> None:
    """A repeat gets the reply, and its channel goes on."""
    async with nodes() as (_, (one, two)):
        client = await visit(one)
        client.push("shop:1", "pay", {"key": "k", "then": "stop"})
        reply = await client.receive()
        assert reply.payload == ok({"receipt": 1, "amount": 1})
        assert (await client.receive()).event == PHX_CLOSE
        again = await visit(two)
        assert await pay(again, then="stop") == reply.payload
        assert await again.call("shop:1", "ping") == ok("pong")
        assert paid == [1]


async def test_a_late_reply_is_refused() -> None:
    """A repeat could not get it."""
    async with nodes(1) as (_, (one,)):
        client = await visit(one)
        client.push("shop:1", "pay", {"key": "k", "then": "later"})
        await crashed(client)
        record = one.logged("crashed in pay")
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], NoRef)
        assert "a handler with idempotent_by returns its reply" in str(record.exc_info[1])


async def test_without_the_store_nothing_is_handled() -> None:
    async with nodes(1) as (store, (one,)):
        client = await visit(one)
        store.is_away = True
        assert await pay(client) == STORE_DOWN
        assert paid == []
        assert await client.call("shop:1", "ping") == ok("pong")
        store.is_away = False
        assert await pay(client) == ok({"receipt": 1, "amount": 1})


# Start and stop.


async def test_the_default_store_is_in_memory() -> None:
    async with serve(shop()) as server:
        client = await visit(server)
        first = await pay(client)
        assert await pay(client) == first


async def test_an_endpoint_that_starts_again_keeps_its_replies() -> None:
    endpoint = shop(MemoryStore(running_loop().time))
    for _ in range(2):
        async with serve(endpoint) as server:
            assert await pay(await visit(server)) == ok({"receipt": 1, "amount": 1})
    assert paid == [1]


async def test_the_page_works(monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_blocks(monkeypatch, "idempotent", *blocks("docs/idempotent.md"))
    async with serve(names["endpoint"]) as server:
        client = await server.connect(params={"user": "7"})
        await client.join("shop:1")
        payment = {"key": "5e0bd5b4", "amount": 60}
        for _ in range(3):
            assert await client.call("shop:1", "pay", payment) == ok({"balance": 40})
        payment = {"key": "b51a42c8", "amount": 60}
        for _ in range(3):
            assert await client.call("shop:1", "pay", payment) == error("no_money")


def test_a_socket_without_ids_is_refused() -> None:
    with pytest.raises(DefinitionError) as raised:
        Endpoint(sockets={"/socket": Socket(connect=lambda: None, channels=SHOPS)})
    assert 'Shop has a handler with idempotent_by, and the socket at "/socket" has no id' in str(
        raised.value
    )
    assert 'Socket(id=lambda user: f"users:{user.id}")' in str(raised.value)


def test_a_bus_needs_a_store_that_all_nodes_share() -> None:
    with pytest.raises(DefinitionError) as raised:
        shop(pubsub=MemoryNetwork().adapter("one"))
    assert "memory://, which is in the memory of one process" in str(raised.value)
