"""Accounts: each due delivery is accounted for, over cuts, slow clients, drops, handlers and recoveries."""

from __future__ import annotations

import random
from typing import Any

import pytest

from bennu import Channel, DropOldest, Endpoint, History, on, on_out
from bennu.reasons import DropReason
from bennu.telemetry import Account, Accounts
from bennu.testing.clock import advance, settle

from ..support.memory import Server, endpoint_of, serve


class Kept(Channel[Any]):
    """A room with history."""

    history = History(size=50)

    @on("others")
    async def others(self, payload: dict[str, Any]) -> None:
        await self.broadcast_from("said", payload)

    @on_out("shout")
    async def shout(self, payload: dict[str, Any]) -> None:
        await self.push("shout", payload)


class Fleeting(Channel[Any]):
    """A room without history, whose slow clients lose the oldest messages."""

    when_slow = DropOldest(max=3)

    @on("others")
    async def others(self, payload: dict[str, Any]) -> None:
        await self.broadcast_from("said", payload)

    @on_out("shout")
    async def shout(self, payload: dict[str, Any]) -> None:
        await self.push("shout", payload)


def rooms() -> Endpoint:
    return endpoint_of({"kept:*": Kept, "fleeting:*": Fleeting}, max_unsent=200_000)


def expect_balance(endpoint: Endpoint, topic: str) -> dict[str, Any]:
    """Check that the account of a topic says of each due delivery what became of it, and return it."""
    account = endpoint.accounts(topic)[topic]
    parts = ("delivered", "own", "handled", "waiting", "behind", "cut")
    total = sum(account[part] for part in parts) + sum(account["dropped"].values())
    assert account["due"] == total, account
    return account


@pytest.mark.parametrize("topic", ["kept:1", "fleeting:1"])
async def test_each_member_is_due_one_delivery_of_each_message(topic: str) -> None:
    endpoint = rooms()
    async with serve(endpoint) as server:
        ann, ben = await server.connect(), await server.connect(version="1.0.0")
        await ann.join(topic)
        await ben.join(topic)
        await endpoint.broadcast(topic, "said", {"n": 1})
        ann.push(topic, "others", {"n": 2})
        await endpoint.broadcast(topic, "shout", {"n": 3})
        await settle()
        account = expect_balance(endpoint, topic)
        assert account["messages"] == 3
        assert (account["due"], account["delivered"], account["own"]) == (6, 3, 1)
        assert account["handled"] == 2
        for client in (ann, ben):
            client.read().clear()


async def test_bytes_that_a_client_can_not_get_are_dropped() -> None:
    endpoint = rooms()
    async with serve(endpoint) as server:
        ann, ben = await server.connect(), await server.connect(version="1.0.0")
        await ann.join("fleeting:1")
        await ben.join("fleeting:1")
        await endpoint.broadcast("fleeting:1", "image", b"\x00")
        await settle()
        account = expect_balance(endpoint, "fleeting:1")
        assert (account["delivered"], account["dropped"]) == (1, {"no_binary": 1})
        server.records.clear()
        ann.read().clear()


async def test_what_is_recovered_and_what_can_not_be_is_counted() -> None:
    endpoint = rooms()
    async with serve(endpoint) as server:
        ann = await server.connect()
        epoch = (await ann.join("kept:1", {"recovery": {}}))["response"]["recovery"]["epoch"]
        for n in range(60):
            await endpoint.broadcast("kept:1", "said", {"n": n})
        await settle()
        ann.read().clear()
        for offset in (55, 1):
            client = await server.connect()
            await client.join("kept:1", {"recovery": {"epoch": epoch, "offset": offset}})
            await settle()
            client.read().clear()
        account = expect_balance(endpoint, "kept:1")
        assert (account["recovered"], account["missed"]) == (5, {"trimmed": 1})
        assert (account["due"], account["delivered"]) == (60, 60)


async def _random_steps(server: Server, topic: str, chance: random.Random) -> None:
    endpoint = server.endpoint
    clients: list[Any] = []
    for n in range(150):
        clients = [client for client in clients if client.wire.code is None]
        step = chance.random()
        if step < 0.1 or not clients:
            client = await server.connect(version=chance.choice(("1.0.0", "2.0.0")))
            asks = chance.random() < 0.7
            await client.join(topic, {"recovery": {"client": "t" * 16}} if asks else {})
            clients.append(client)
        elif step < 0.15:
            wire = clients.pop(chance.randrange(len(clients))).wire
            wire.read_on()
            chance.choice((wire.close, wire.vanish))()
        elif step < 0.25:
            client = chance.choice(clients)
            client.wire.stop_reading()
        elif step < 0.4:
            client = chance.choice(clients)
            client.wire.read_on()
        elif step < 0.5:
            chance.choice(clients).push(topic, "others", {"n": n})
        else:
            event = chance.choice(("said", "said", "shout"))
            await endpoint.broadcast(
                topic, event, {"n": n, "text": "x" * chance.choice((1, 20_000))}
            )
        if chance.random() < 0.5:
            await settle()
            expect_balance(endpoint, topic)
    for client in clients:
        client.wire.vanish()
    await advance(3)


@pytest.mark.parametrize("topic", ["kept:1", "fleeting:1"])
@pytest.mark.parametrize("seed", range(6))
async def test_the_identity_holds_over_cuts_slow_clients_and_handlers(
    topic: str, seed: int
) -> None:
    endpoint = rooms()
    async with serve(endpoint) as server:
        await _random_steps(server, topic, random.Random(seed))
        account = expect_balance(endpoint, topic)
        assert account["waiting"] == account["behind"] == 0
        server.records.clear()


def test_there_is_an_account_for_all_other_topics() -> None:
    accounts = Accounts()
    for n in range(10_000):
        accounts.of(f"t{n}")
    assert accounts.of("one more") is accounts.of("y" * 201) is accounts.of("*")
    assert accounts.of("t1") is not accounts.of("*")
    assert accounts.all("nobody") == {}
    assert accounts.all("t1") == {"t1": accounts.of("t1").as_dict()}


def test_a_loss_that_nobody_counts_is_found() -> None:
    account = Account()
    found = [account.is_balanced]
    account.due += 1
    found.append(account.is_balanced)
    account.queued()
    found.append(account.is_balanced)
    account.unqueued(DropReason.SLOW_OLDEST)
    found.append(account.is_balanced)
    assert found == [True, False, True, True]
    assert account.as_dict()["dropped"] == {"slow_oldest": 1}


def test_deliveries_that_a_queue_had_held_are_told_of() -> None:
    """Not those that were dropped there."""
    heard: list[tuple[int, int]] = []
    account = Account()
    account.late = lambda count, size: heard.append((count, size))
    account.queued()
    account.queued()
    account.unqueued(size=80)
    account.unqueued(DropReason.SLOW_OLDEST, size=90)
    assert heard == [(1, 80)]


def test_the_accounts_of_all_topics() -> None:
    accounts = Accounts()
    room = accounts.of("room:1")
    assert accounts.items() == (("room:1", room),)
